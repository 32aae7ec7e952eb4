"""What is sent to a teacher, and what comes back."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdgkit.teachers.endings import Ending, ending_of

_canonical_json = json.JSONEncoder(
    sort_keys=True,
    ensure_ascii=False,
    separators=(",", ":"),
    allow_nan=False,
).encode


@dataclass(frozen=True, slots=True)
class Request:
    """One chat request: what it asks and nothing else, so no address, no row id and no position.

    Attributes:
        messages: The chat, as dictionaries with the keys `role` and `content`.
        sampling: The fields sent besides model, messages and seed (`temperature`, `top_p`,
            `max_tokens`, …), JSON values only. A dictionary under `extra_body` is merged into the
            body.
        ordinal: Which of the requests for its row this is, from 1.
        attempt: From 1. A malformed reply is asked for again as the next attempt, and therefore
            with another sampling seed.

    Example:
        >>> request = Request(({"role": "user", "content": "Hello"},), {"temperature": 0.7})
        >>> request.sampling_seed("tiny")
        1691825177
    """

    messages: tuple[dict[str, str], ...]
    sampling: Mapping[str, Any]
    ordinal: int = 1
    attempt: int = 1
    _keys: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _encoded: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def messages_json(self) -> str:
        """The messages as JSON, encoded once for the key, the body and the journal."""
        if not self._encoded:
            self._encoded.append(_canonical_json(self.messages))
        return self._encoded[0]

    def key(self, model: str) -> str:
        """The name of this request in a journal.

        Args:
            model: The model that is asked.

        Returns:
            SHA-256 (hex) over model, messages, sampling, ordinal and attempt.
        """
        if model not in self._keys:
            settings = _canonical_json([self.sampling, self.ordinal, self.attempt])
            # The JSON of [model, messages, sampling, ordinal, attempt].
            content = f"[{_canonical_json(model)},{self.messages_json},{settings[1:]}"
            # "surrogatepass": broken text (lone surrogates) has a key too.
            encoded = content.encode("utf-8", "surrogatepass")
            self._keys[model] = hashlib.sha256(encoded).hexdigest()
        return self._keys[model]

    def sampling_seed(self, model: str) -> int:
        """The number sent to the server as `seed`: 31 bits, derived from the key."""
        return int(self.key(model)[:8], 16) & 0x7FFFFFFF

    def body(self, model: str) -> dict[str, Any]:
        """The body of POST /v1/chat/completions (OpenAI API reference, "Chat")."""
        body = {
            "model": model,
            "messages": EncodedMessages(self.messages, self.messages_json),
            "seed": self.sampling_seed(model),
            **self.sampling,
        }
        extra_body = body.pop("extra_body", None) or {}
        return body | extra_body


class EncodedMessages(list[dict[str, str]]):
    """The messages of a request's body, with their JSON, which is there already.

    Attributes:
        encoded: The JSON.
    """

    def __init__(self, messages: Iterable[dict[str, str]], encoded: str) -> None:
        super().__init__(messages)
        self.encoded = encoded


def encode_body(body: Mapping[str, Any]) -> bytes:
    """The body of a request as it is sent: JSON in UTF-8.

    Example:
        >>> encode_body({"model": "tiny", "messages": []})
        b'{"model": "tiny", "messages": []}'
    """
    messages = body.get("messages")
    if isinstance(messages, EncodedMessages):
        others = {name: value for name, value in body.items() if name != "messages"}
        text = f'{{"messages":{messages.encoded},{json.dumps(others, ensure_ascii=False)[1:]}'
    else:
        text = json.dumps(body, ensure_ascii=False)
    # "replace": lone surrogates, which come with text from broken files, cannot be sent.
    return text.encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends a request. It decides where and when it is sent, never what, and is in no key.

    Attributes:
        seed: The lineage id of its seed; requests of one seed share the beginning of their prompts.
        stage: The stage that asks; requests of one stage take about as long.
    """

    seed: str = ""
    stage: str = ""


NOWHERE = Origin()
"""A request that belongs to no run."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the teacher wrote.

    Attributes:
        text: The reply itself, valid Unicode; the refusal's own words where the model declined.
        finish_reason: The server's word for how it ended: "stop", or "length" where `max_tokens`
            cut the reply off. `ending` says what it means.
        reasoning: What the model thought first, where the server returns it separately.
        prompt_tokens: Tokens in the prompt, as the server counts them; 0 if it does not.
        completion_tokens: Tokens in the reply, as the server counts them; 0 if it does not.
        seconds: How long the successful exchange took.
        retries: How many exchanges failed before it.
    """

    text: str
    finish_reason: str = "stop"
    reasoning: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    retries: int = 0

    @property
    def ending(self) -> Ending:
        """How the reply ended."""
        return ending_of(self.finish_reason)
