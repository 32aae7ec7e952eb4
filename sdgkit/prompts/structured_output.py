"""Structured output: what a reply must look like, enforced by the server where it can.

The form of a reply is derived from the prompt's own tags and the judge's scale. Servers differ in
how they are asked to enforce it, and some accept the request and ignore it. So a server is first
asked for something that no model would write of its own accord (`PROBE`), and is trusted only if it
writes that.
Every reply is read as if nothing had been enforced.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sdgkit.errors import SettingsError
from sdgkit.prompts.prompt import Prompt
from sdgkit.prompts.reply_regex import any_text_but, any_text_but_as_before, literal, one_of
from sdgkit.prompts.tags import TagPair
from sdgkit.prompts.thinking import final_answer

# auto: the first request is unconstrained; after a malformed reply, the form is enforced.
STRUCTURE_SETTINGS = ("auto", "always", "never")

# How to ask for it. structured_outputs: vLLM since 0.11, and proxies in front of it;
# json_schema: OpenAI and most others.
Way = Literal["structured_outputs", "json_schema", "structured_outputs_as_before"]
WAYS: tuple[Way, ...] = ("structured_outputs", "json_schema")

# Ways in which a reply may have been recorded; the last one is that of earlier versions.
RECORDED_WAYS: tuple[Way, ...] = (*WAYS, "structured_outputs_as_before")

# Fields of a request with which a user can ask for structured output.
_OWN_FIELDS = ("structured_outputs", "response_format", "guided_")


def check_structure(structure: str) -> str:
    """Check the setting `structure` and return it.

    Raises:
        SettingsError: Unless it is auto, always, or never.
    """
    if structure not in STRUCTURE_SETTINGS:
        raise SettingsError(
            f"structure must be one of {', '.join(STRUCTURE_SETTINGS)}, not {structure!r}.",
            setting="structure",
            choices=STRUCTURE_SETTINGS,
        )
    return structure


def has_own_form(sampling: Mapping[str, Any]) -> bool:
    """Whether the user's sampling settings already ask for structured output; it is then kept."""
    names = [*sampling, *(sampling.get("extra_body") or {})]
    return any(name.startswith(_OWN_FIELDS) for name in names)


@dataclass(frozen=True, slots=True)
class Form:
    """What a reply must look like.

    Attributes:
        tags: The prompt's tags, a pair for each column.
        columns: The names of the output columns.
        records: How many records the reply must hold.
        scale: The scores to choose from if the last column is a score, otherwise empty.
    """

    tags: tuple[TagPair, ...]
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
        """The form that a prompt asks for.

        Args:
            prompt: The prompt.
            columns: The names of the output columns.
            records: How many records the reply must hold.
            scale: The scores to choose from if the last column is a score.

        Returns:
            The form, or None if the prompt has no tags, so that any text will do.
        """
        if not any((*prompt.start_tags, *prompt.end_tags)):
            return None
        return cls(prompt.tags, tuple(columns), records, tuple(scale))

    def settings(self, way: Way) -> dict[str, Any]:
        """The field of a chat request that enforces the form.

        Args:
            way: How this server is asked for it.

        Sources:
            docs.vllm.ai, "Structured Outputs"; OpenAI API reference, "Structured outputs".
        """
        if way == "structured_outputs":
            return {"structured_outputs": {"regex": self.regex()}}
        if way == "structured_outputs_as_before":
            return {"structured_outputs": {"regex": self._regex(any_text_but_as_before)}}
        described = {"name": "form", "strict": True, "schema": self._schema()}
        return {"response_format": {"type": "json_schema", "json_schema": described}}

    def regex(self) -> str:
        """The whole reply as a regular expression, without look-around.

        A value is any text except a tag: once a tag has begun, the model can only finish the right
        one. The length of a value is not limited: a model that is cut off in the middle of a
        sentence writes worse than one that can finish.
        """
        return self._regex(any_text_but)

    def _regex(self, any_text_but: Callable[[Iterable[str]], str]) -> str:
        tags = []
        literal_tags = []
        for pair in self.tags:
            tags += [pair.start, pair.end]
            literal_tags.append(TagPair(literal(pair.start), literal(pair.end)))
        values = [any_text_but(tags)] * len(self.columns)
        if self.scale:
            values[-1] = one_of(self._scores())
        record = "\n".join(_tagged_lines(literal_tags, values))
        reply = record
        if self.records > 1:
            reply = rf"(?:{record}\n){{{self.records - 1}}}{record}"
        return reply.replace("\n", r"\n")

    def tagged(self, text: str) -> str:
        """Put the prompt's tags around the values of a reply in JSON.

        Args:
            text: The reply.

        Returns:
            The reply with tags, to be read like any other; unchanged if it is not that JSON.
        """
        try:
            # strict=False: servers let control characters through, above all line breaks.
            values = json.loads(final_answer(text).text, strict=False)
            texts = [str(values[name]) for name in self._names()]
        except (ValueError, LookupError, TypeError):
            return text
        return "\n".join(_tagged_lines(self.tags * self.records, texts))

    def _schema(self) -> dict[str, Any]:
        """The JSON schema of a reply.

        Every value has a name of its own: OpenAI's strict schemas cannot count the items of a list.
        """
        kinds: list[dict[str, Any]] = [{"type": "string"}] * len(self.columns)
        if self.scale:
            kinds[-1] = {"type": "string", "enum": self._scores()}
        properties = dict(zip(self._names(), kinds * self.records, strict=True))
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def _scores(self) -> list[str]:
        return [f"{score:g}" for score in self.scale]

    def _names(self) -> list[str]:
        """The names of the values in JSON, record by record: `question_1`, `question_2`, …."""
        if self.records == 1:
            return list(self.columns)
        names = []
        for number in range(1, self.records + 1):
            names += [f"{column}_{number}" for column in self.columns]
        return names


def _tagged_lines(tags: Sequence[TagPair], values: Sequence[str]) -> list[str]:
    """Each value between its tags, a line each; an empty tag has no line."""
    lines = []
    for pair, value in zip(tags, values, strict=True):
        lines += [pair.start, value, pair.end]
    filled_lines = []
    for line in lines:
        if line:
            filled_lines.append(line)
    return filled_lines


# No model would answer this message in this form of its own accord: only a server that enforces it.
# A model that reasons first may need that many tokens before its answer begins. The temperature is
# above 0, since a greedy model may repeat white space without end between two parts of a JSON text.
PROBE_MESSAGE = "Say in one short sentence what the weather is like in spring."
PROBE_TEXT = "77777"
PROBE_SAMPLING = {"temperature": 0.7, "max_tokens": 1024}
PROBE = Form((TagPair("", ""),), ("word",), scale=(float(PROBE_TEXT),))
