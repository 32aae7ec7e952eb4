"""The form of a reply, to be enforced by the server where it can: made of the prompt's own tags and the judge's scale.

Servers differ in how they are told, and some accept what they do not know and ignore it. So a server is asked for
something that no model would write by itself (`PROBE`), and is believed only when it does; and every reply is
read as if nobody had enforced anything.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sdgkit.errors import SettingsError
from sdgkit.prompts import Prompt

# auto: the first ask is free, and a malformed reply is asked again with the form enforced.
WHEN = ("auto", "always", "never")

# vLLM since 0.11 and what stands before it; OpenAI and most others.
Way = Literal["structured_outputs", "json_schema"]
WAYS: tuple[Way, ...] = ("structured_outputs", "json_schema")

PROBE_MESSAGE = "Say in one short sentence what the weather is like in spring."
# A model that reasons first may want this much before the form begins; others end by themselves.
PROBE_TOKENS = 1024
# A greedy model may fall into a loop of white space between two parts of a JSON text, where it is allowed.
PROBE_TEMPERATURE = 0.7

# What no text needs: control characters but tab and newline. It stands last in a class: xgrammar, in vLLM, reads \x7fE
# as one character (seen in 0.2.8).
_NEVER = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_SPACES = r"\t\n \xa0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
# So many characters of a bracketed tag tell it from text; more would cost the server time and tell no more.
_TELLING = 7


def check_when(structure: str) -> str:
    """The setting as it is. Raises SettingsError unless it is auto, always or never."""
    if structure not in WHEN:
        raise SettingsError(f"structure must be one of {', '.join(WHEN)}, not {structure!r}.")
    return structure


@dataclass(frozen=True, slots=True)
class Form:
    """What a reply must look like.

    starts, ends: the prompt's tags, a pair for each of the `columns`. records: how many records it must hold. scale:
    the scores to choose from, if the last column is one.
    """

    starts: tuple[str, ...]
    ends: tuple[str, ...]
    columns: tuple[str, ...]
    records: int = 1
    scale: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, prompt: Prompt, columns: Sequence[str], *, records: int = 1, scale: Sequence[float] = ()
    ) -> "Form | None":
        """The form that a prompt asks for; None if it asks for none (no tags, and so any text will do)."""
        if not any((*prompt.start_tags, *prompt.end_tags)):
            return None
        return cls(prompt.start_tags, prompt.end_tags, tuple(columns), records, tuple(scale))

    def settings(self, way: Way) -> dict[str, Any]:
        """The field of a chat request that enforces the form in this way.

        Sources: docs.vllm.ai, "Structured Outputs"; OpenAI API reference, "Structured outputs".
        """
        if way == "structured_outputs":
            return {"structured_outputs": {"regex": self.regex()}}
        described = {"name": "form", "strict": True, "schema": self._schema()}
        return {"response_format": {"type": "json_schema", "json_schema": described}}

    def regex(self) -> str:
        """The whole reply as a regular expression that a reply token by token can be held to (no look-around).

        A value is any text but a tag: where one begins, the model can only finish the right one. Its length is not
        bounded, since a model that is cut off in the middle of a sentence writes worse than one that goes on.
        """
        record = "\n".join(
            part
            for start, end, value in zip(self.starts, self.ends, self._values(), strict=True)
            for part in (_literal(start), value, _literal(end))
            if part
        )
        more = rf"(?:{record}\n){{{self.records - 1}}}" if self.records > 1 else ""
        return (more + record).replace("\n", r"\n")

    def _values(self) -> list[str]:
        text = _anything_but({tag for tag in (*self.starts, *self.ends) if tag})
        values = [text] * len(self.columns)
        if self.scale:
            values[-1] = "(?:" + "|".join(_literal(f"{score:g}") for score in self.scale) + ")"
        return values

    def _schema(self) -> dict[str, Any]:
        """The same as a JSON schema, with a name for every value: OpenAI's strict ones cannot count."""
        properties: dict[str, Any] = {name: {"type": "string"} for name in self._names()}
        if self.scale:
            properties |= {
                name: {"type": "string", "enum": [f"{score:g}" for score in self.scale]}
                for name in self._names()
                if name.startswith(self.columns[-1])
            }
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}

    def _names(self) -> list[str]:
        numbers = [f"_{n}" for n in range(1, self.records + 1)] if self.records > 1 else [""]
        return [f"{column}{number}" for number in numbers for column in self.columns]

    def tagged(self, text: str) -> str:
        """A reply in JSON with the prompt's tags around its values, to be read as any other; unchanged if not JSON."""
        try:
            # strict=False: servers let control characters through, newlines above all.
            values = json.loads(text, strict=False)
            texts = [str(values[name]) for name in self._names()]
        except (ValueError, LookupError, TypeError):
            return text
        tags = [*zip(self.starts, self.ends, strict=True)] * self.records
        return "\n".join(
            part for (start, end), value in zip(tags, texts, strict=True) for part in (start, value, end) if part
        )


def has_own_form(sampling: Mapping[str, Any]) -> bool:
    """Whether the user's own settings force a form already; then ours stays out of it."""
    names = {*sampling, *(sampling.get("extra_body") or {})}
    return any(name.startswith("guided_") for name in names) or bool(names & {"structured_outputs", "response_format"})


# A form in which no model would answer PROBE_MESSAGE by itself: only a server that enforces it does.
PROBE_TEXT = "77777"
PROBE = Form(("",), ("",), ("word",), scale=(float(PROBE_TEXT),))


# Regular expressions --------------------------------------------------------------------------------------------------


def _literal(text: str) -> str:
    return re.sub(r"([\\.^$*+?()\[\]{}|/-])", r"\\\1", text)


def _anything_but(tags: set[str]) -> str:
    """Text that does not begin with white space, and in which none of the tags begins."""
    prefixes = {tag if tag[0].isalnum() else tag[:_TELLING] for tag in tags}
    return _piece(prefixes, spaces=False) + _piece(prefixes) + "*"


def _piece(prefixes: set[str], *, spaces: bool = True) -> str:
    """One character, or so many as it takes to see that no tag begins here."""
    letters = sorted({prefix[0] for prefix in prefixes})
    choices = [f"[^{_either_case(letters)}{'' if spaces else _SPACES}{_NEVER}]"]
    for letter in letters:
        # Repeated, so that "[[" may stand in a text.
        choices.append(f"[{_either_case([letter])}]+{_beyond(prefixes, letter, letters)}")
    return f"(?:{'|'.join(choices)})"


def _beyond(prefixes: set[str], letter: str, firsts: Sequence[str]) -> str:
    """What may follow this letter of a prefix: anything but the prefix's next letter, or that one and so on."""
    rests = {prefix[1:] for prefix in prefixes if prefix[0] == letter}
    if "" in rests:
        return ""
    letters = sorted({rest[0] for rest in rests})
    choices = [f"[^{_either_case([*letters, *firsts])}{_NEVER}]"]
    for following in letters:
        longer = {rest for rest in rests if rest[0] == following}
        if following not in firsts and following not in longer:
            choices.append(f"[{_either_case([following])}]{_beyond(longer, following, firsts)}")
    return f"(?:{'|'.join(choices)})"


def _either_case(letters: Sequence[str]) -> str:
    """The letters, in both cases, for a character class."""
    both = {case for letter in letters for case in (letter.lower(), letter.upper()) if len(case) == 1}
    return "".join(re.sub(r"([\\^\]\[-])", r"\\\1", letter) for letter in sorted(both)).replace("\n", r"\n")
