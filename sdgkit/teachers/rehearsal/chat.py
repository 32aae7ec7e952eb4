"""The OpenAI chat protocol: a request's body checked, a reply cut to it, a completion built from it."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MODEL = "rehearsal"
CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English; good enough to rehearse costs
INF = math.inf


class Refusal(Exception):
    """A request that is answered with an error in OpenAI's shape."""

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code, self.headers = status, param, code or status, headers

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        kinds = {404: "NotFoundError", 429: "RateLimitError", 500: "InternalServerError"}
        kind = kinds.get(self.status, "BadRequestError")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; `text` is its content, parts joined."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked chat request. `seed` is the sampling seed, `max_tokens` None without a limit."""

    messages: tuple[Message, ...]
    seed: int | None
    temperature: float
    max_tokens: int | None
    stop: tuple[str, ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One reply as it is sent."""

    text: str
    finish_reason: str
    tokens: int


def tokens(characters: int) -> int:
    """Tokens that so many characters count for."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def read_request(body: Any, context_length: int) -> ChatRequest:
    """Check a chat request's JSON.

    Raises:
        Refusal: 404 for another model, 400 for everything that a real server refuses too.
    """
    if not isinstance(body, dict):
        raise Refusal("The request's body must be a JSON object.")
    if "model" not in body:
        raise Refusal("Field required: model.", param="model")
    if body["model"] != MODEL:
        raise Refusal(f"The model `{str(body['model'])[:200]}` does not exist.", 404, param="model")
    if body.get("stream"):
        raise Refusal("The rehearsal teacher answers whole replies only, so stream must be false.", param="stream")
    _number(body, "n", 1, low=1, high=1)
    messages = _messages(body.get("messages"))
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    max_tokens = _number(body, limit, low=1)
    prompt_tokens = tokens(sum(len(message.text) for message in messages)) + 4 * len(messages)
    most = max_tokens or 1
    if prompt_tokens + most > context_length:
        raise Refusal(
            f"This model's maximum context length is {context_length} tokens. However, you requested "
            f"{prompt_tokens + most} tokens ({prompt_tokens} in the messages, {most} in the completion). "
            "Please reduce the length of the messages or completion.",
            param="messages",
            code="context_length_exceeded",
        )
    return ChatRequest(
        messages=messages,
        seed=_number(body, "seed"),
        temperature=_number(body, "temperature", 1.0, low=0, high=2),
        max_tokens=max_tokens,
        stop=_stop(body.get("stop")),
        prompt_tokens=prompt_tokens,
    )


def cut(text: str, request: ChatRequest, room: int) -> Choice:
    """Cut a reply at the first stop string and at the token limit (`room`: tokens left in the context)."""
    stops = [place for place in (text.find(word) for word in request.stop) if place >= 0]
    if stops:
        text = text[: min(stops)]
    limit = min(request.max_tokens or room, room)
    if tokens(len(text)) <= limit:
        return Choice(text, "stop", tokens(len(text)))
    return Choice(text[: limit * CHARACTERS_PER_TOKEN], "length", limit)


def completion(identity: str, request: ChatRequest, choice: Choice) -> dict[str, Any]:
    """The JSON of an answer."""
    message = {"role": "assistant", "content": choice.text}
    return {
        "id": identity,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}],
        "usage": {
            "prompt_tokens": request.prompt_tokens,
            "completion_tokens": choice.tokens,
            "total_tokens": request.prompt_tokens + choice.tokens,
        },
    }


def _messages(given: Any) -> tuple[Message, ...]:
    if not isinstance(given, list) or not given:
        raise Refusal("messages must be a list of at least one message.", param="messages")
    return tuple(_message(position, message) for position, message in enumerate(given))


def _message(position: int, message: Any) -> Message:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise Refusal(f"messages[{position}] must be an object with a role and a content.", param="messages")
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        content = "\n".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str | None):
        raise Refusal(f"messages[{position}].content must be a text or a list of parts.", param="messages")
    return Message(message["role"], content or "")


def _number(body: dict[str, Any], name: str, default: Any = None, *, low: float = -INF, high: float = INF) -> Any:
    """A number, whole unless the default has a fraction."""
    value = body.get(name)
    if value is None:
        return default
    kind, noun = (int | float, "a number") if isinstance(default, float) else (int, "a whole number")
    if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
        bounds = "".join([f", at least {low}" * (low > -INF), f", at most {high}" * (high < INF)])
        raise Refusal(f"{name} must be {noun}{bounds}; it is {str(value)[:50]}.", param=name)
    return value


def _stop(given: Any) -> tuple[str, ...]:
    words = [given] if isinstance(given, str) else given or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Refusal("stop must be a text or a list of texts.", param="stop")
    return tuple(filter(None, words))
