"""What is sent to a teacher, and what comes back."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_canonical = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
).encode


@dataclass(frozen=True, slots=True)
class Request:
    """One chat request: what it asks and nothing else, so no address, no row and no position.

    messages: `{"role", "content"}` dictionaries. sampling: the fields sent besides model, messages and seed
    (`temperature`, `top_p`, `max_tokens`, ...), JSON values only; the dictionary `extra_body`, if any, is merged into
    the body. ordinal: which of the n this is for its row, from 1. attempt: from 1; a malformed reply is asked again as
    the next attempt, and so with another sampling seed.
    """

    messages: tuple[dict[str, str], ...]
    sampling: Mapping[str, Any]
    ordinal: int = 1
    attempt: int = 1
    _keys: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def key(self, model: str) -> str:
        """The name of this request in a journal: SHA-256 (hex) over model, messages, sampling, ordinal, attempt."""
        if model not in self._keys:
            text = _canonical([model, self.messages, self.sampling, self.ordinal, self.attempt])
            # Broken text (lone surrogates) has a key too, instead of an exception.
            self._keys[model] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._keys[model]

    def sampling_seed(self, model: str) -> int:
        """The number sent to the server as `seed`: 31 bits, derived from the key."""
        return int(self.key(model)[:8], 16) & 0x7FFFFFFF

    def body(self, model: str) -> dict[str, Any]:
        """The body of POST /v1/chat/completions (OpenAI API reference)."""
        body = {
            "model": model,
            "messages": list(self.messages),
            "seed": self.sampling_seed(model),
            **self.sampling,
        }
        return body | (body.pop("extra_body", None) or {})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the teacher wrote. `text` and `reasoning` are valid Unicode.

    finish_reason: the server's word; "stop", or "length" where `max_tokens` cut the reply off. seconds: how long the
    successful exchange took. retries: how many failed before it.
    """

    text: str
    finish_reason: str = "stop"
    reasoning: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    retries: int = 0
