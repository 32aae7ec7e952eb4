"""The form of a reply, to be enforced by the server where it can: made of the prompt's own tags and the judge's scale.

Servers differ in how they are told, and some accept what they do not know and ignore it. So a server is asked for
something that no model would write by itself (`PROBE`), and is believed only when it does; and every reply is
read as if nobody had enforced anything.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal

from sdgkit.errors import SettingsError
from sdgkit.prompts import Prompt

# auto: the first ask is free, and a malformed reply is asked again with the form enforced.
WHEN = ("auto", "always", "never")

# vLLM since 0.11 and what stands before it; OpenAI and most others.
Way = Literal["structured_outputs", "json_schema"]
WAYS: tuple[Way, ...] = ("structured_outputs", "json_schema")

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


def has_own_form(sampling: Mapping[str, Any]) -> bool:
    """Whether the user's own settings force a form already; then ours stays out of it."""
    names = (*sampling, *(sampling.get("extra_body") or {}))
    return any(
        name.startswith(("structured_outputs", "response_format", "guided_")) for name in names
    )


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
        cls,
        prompt: Prompt,
        columns: Sequence[str],
        *,
        records: int = 1,
        scale: Sequence[float] = (),
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
        text: dict[str, Any] = {"type": "string"}
        score = {"type": "string", "enum": self._scores()}
        kinds = [text] * len(self.columns)
        if self.scale:
            kinds[-1] = score
        # A name for every value: OpenAI's strict schemas cannot count.
        values = dict(zip(self._names(), cycle(kinds), strict=False))
        schema = {
            "type": "object",
            "properties": values,
            "required": [*values],
            "additionalProperties": False,
        }
        described = {"name": "form", "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": described}}

    def regex(self) -> str:
        """The whole reply as a regular expression that a reply token by token can be held to (no look-around).

        A value is any text but a tag: where one begins, the model can only finish the right one. Its length is not
        bounded, since a model that is cut off in the middle of a sentence writes worse than one that goes on.
        """
        tags = (
            tag for tag in (*self.starts, *self.ends) if len(tag) > 1
        )  # one letter cannot be told from text
        beginnings = {tag if tag[0].isalnum() else tag[:_TELLING] for tag in tags}
        text = f"{_piece(beginnings, _SPACES + _NEVER)}{_piece(beginnings, _NEVER)}*"
        values = [text] * len(self.columns)
        if self.scale:
            values[-1] = f"(?:{'|'.join(map(_literal, self._scores()))})"
        record = _lines(map(_literal, self.starts), values, map(_literal, self.ends))
        more = rf"(?:{record}\n){{{self.records - 1}}}" if self.records > 1 else ""
        return (more + record).replace("\n", r"\n")

    def tagged(self, text: str) -> str:
        """A reply in JSON with the prompt's tags around its values, to be read as any other; unchanged if not JSON."""
        try:
            # strict=False: servers let control characters through, newlines above all.
            values = json.loads(text, strict=False)
            texts = [str(values[name]) for name in self._names()]
        except (ValueError, LookupError, TypeError):
            return text
        return _lines(cycle(self.starts), texts, cycle(self.ends))

    def _scores(self) -> list[str]:
        return [f"{score:g}" for score in self.scale]

    def _names(self) -> list[str]:
        numbers = [f"_{n}" for n in range(1, self.records + 1)] if self.records > 1 else [""]
        return [f"{column}{number}" for number in numbers for column in self.columns]


# A form in which no model would answer this message by itself: only a server that enforces it does. A model that
# reasons first may want that many tokens before the form begins; a greedy one may fall into a loop of white space
# between two parts of a JSON text.
PROBE_MESSAGE, PROBE_TEXT = "Say in one short sentence what the weather is like in spring.", "77777"
PROBE_SAMPLING = {"temperature": 0.7, "max_tokens": 1024}
PROBE = Form(("",), ("",), ("word",), scale=(float(PROBE_TEXT),))


def _lines(starts: Iterable[str], values: Iterable[str], ends: Iterable[str]) -> str:
    """Each value between its tags; whatever is empty has no line."""
    return "\n".join(
        part for record in zip(starts, values, ends, strict=False) for part in record if part
    )


# Regular expressions --------------------------------------------------------------------------------------------------


def _piece(beginnings: Set[str], never: str, firsts: Set[str] = frozenset()) -> str:
    """One character of a text, or so many as it takes to see that none of the beginnings is there.

    firsts: within a beginning, with which letters one begins.
    """
    letters = {beginning[0] for beginning in beginnings}
    choices = [f"[^{_either_case(letters | firsts)}{never}]"]
    for letter in sorted(letters - firsts):
        rests = {beginning[1:] for beginning in beginnings if beginning[0] == letter}
        if "" not in rests:
            # The first letter may be repeated, so that "[[" may stand in a text.
            one = f"[{_either_case({letter})}]" + ("" if firsts else "+")
            choices.append(one + _piece(rests, _NEVER, firsts or letters))
    return f"(?:{'|'.join(choices)})"


def _literal(text: str) -> str:
    return re.sub(r"([\\.^$*+?()\[\]{}|/-])", r"\\\1", text)


def _either_case(letters: Set[str]) -> str:
    """The letters, in both cases, for a character class."""
    both = {
        case for letter in letters for case in (letter.lower(), letter.upper()) if len(case) == 1
    }
    return "".join(re.sub(r"([\\^\]\[-])", r"\\\1", letter) for letter in sorted(both)).replace(
        "\n", r"\n"
    )
