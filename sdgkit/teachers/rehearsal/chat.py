"""The OpenAI chat protocol: a request's body checked, a reply cut to it, a completion built from it."""

import time
from dataclasses import dataclass
from typing import Any

MODEL = "rehearsal"
CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English; good enough to rehearse costs
MOST_CHOICES = 128  # OpenAI's own limit for n


class Refusal(Exception):
    """A request that is answered with an error in OpenAI's shape."""

    def __init__(
        self, message: str, status: int = 400, param: str | None = None, code: str | int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code if code is not None else status

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        kinds = {
            400: "BadRequestError",
            401: "AuthenticationError",
            404: "NotFoundError",
            429: "RateLimitError",
        }
        kind = kinds.get(self.status, "InternalServerError" if self.status >= 500 else "BadRequestError")
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
    n: int
    seed: int | None
    temperature: float
    max_tokens: int | None
    stop: tuple[str, ...]
    stream: bool
    include_usage: bool
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
    model = body.get("model")
    if model is None:
        raise Refusal("Field required: model.", param="model")
    if model != MODEL:
        raise Refusal(f"The model `{str(model)[:200]}` does not exist.", status=404, param="model")
    messages = _messages(body.get("messages"))
    max_tokens = _number(body, "max_completion_tokens", int, 1, None, None)
    if max_tokens is None:
        max_tokens = _number(body, "max_tokens", int, 1, None, None)
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
    usage = body.get("stream_options")
    return ChatRequest(
        messages=messages,
        n=_number(body, "n", int, 1, MOST_CHOICES, 1),
        seed=_number(body, "seed", int, None, None, None),
        temperature=_number(body, "temperature", float, 0, 2, 1.0),
        max_tokens=max_tokens,
        stop=_stop(body.get("stop")),
        stream=body.get("stream") is True,
        include_usage=isinstance(usage, dict) and usage.get("include_usage") is True,
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


def completion(identity: str, request: ChatRequest, choices: list[Choice]) -> dict[str, Any]:
    """The JSON of a whole answer."""
    return {
        "id": identity,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": choice.text},
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": usage(request, choices),
    }


def chunks(identity: str, request: ChatRequest, choices: list[Choice]) -> list[dict[str, Any]]:
    """The JSON pieces of a streamed answer, in order, without the closing `[DONE]`."""
    head = {"id": identity, "object": "chat.completion.chunk", "created": int(time.time()), "model": MODEL}

    def piece(index: int, delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}

    pieces = []
    for index, choice in enumerate(choices):
        pieces.append(piece(index, {"role": "assistant", "content": ""}))
        step = 8 * CHARACTERS_PER_TOKEN
        for start in range(0, len(choice.text), step):
            pieces.append(piece(index, {"content": choice.text[start : start + step]}))
        pieces.append(piece(index, {}, choice.finish_reason))
    if request.include_usage:
        pieces.append({**head, "choices": [], "usage": usage(request, choices)})
    return pieces


def usage(request: ChatRequest, choices: list[Choice]) -> dict[str, int]:
    """Tokens of prompt and completion, all choices summed."""
    written = sum(choice.tokens for choice in choices)
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": written,
        "total_tokens": request.prompt_tokens + written,
    }


def _messages(given: Any) -> tuple[Message, ...]:
    if given is None:
        raise Refusal("Field required: messages.", param="messages")
    if not isinstance(given, list) or not given:
        raise Refusal("messages must be a list of at least one message.", param="messages")
    return tuple(_message(position, message) for position, message in enumerate(given))


def _message(position: int, message: Any) -> Message:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise Refusal(f"messages[{position}] must be an object with a role and a content.", param="messages")
    content = message.get("content")
    if content is None:
        content = ""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        content = "\n".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str):
        raise Refusal(f"messages[{position}].content must be a text or a list of parts.", param="messages")
    return Message(message["role"], content)


def _number(body: dict[str, Any], name: str, kind: type, low: float | None, high: float | None, default: Any) -> Any:
    value = body.get(name)
    if value is None:
        return default
    right_kind = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not right_kind or (low is not None and value < low) or (high is not None and not value <= high):
        bounds = f" of at least {low}" if low is not None and high is None else ""
        bounds = f" from {low} to {high}" if high is not None else bounds
        noun = "a whole number" if kind is int else "a number"
        raise Refusal(f"{name} must be {noun}{bounds}, got {str(value)[:50]}.", param=name)
    return value


def _stop(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Refusal("stop must be a text or a list of texts.", param="stop")
    return tuple(word for word in words if word)
