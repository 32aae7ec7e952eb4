"""The body of a chat completion, in any of the forms that servers have for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sdgkit.teachers.endings import Ending, ending_of, tells_unnatural_end

MOST_TOKENS = 10**9  # of one request; a server that counts more cannot count
LONGEST_FINISH_REASON = 100  # characters

# Where routers and proxies pass on the word of the server behind them.
_PASSED_ON = ("native_finish_reason", "stop_reason")

# The kinds of part that a message may have as a list: what is said, and what was thought.
_TEXT_PARTS = ("text", "output_text")
_THINKING_PARTS = ("thinking", "reasoning", "reasoning_text", "thought")
_REFUSAL_PARTS = ("refusal",)


class ReplyBody:
    """The parsed body of a chat completion. Each part is checked when it is asked for.

    A part that is not what the API says raises LookupError, TypeError, ValueError or
    AttributeError.

    Args:
        data: The parsed body.

    Attributes:
        error: The error next to the message, if there is one.
        ending: Why the message ended, in the server's word; empty if it does not say.
        model: The model under whose name the server answered, as it wrote it.

    Example:
        >>> choice = {"message": {"content": "Hi!"}, "finish_reason": "stop"}
        >>> body = ReplyBody({"choices": [choice]})
        >>> body.text, body.finish_reason, body.prompt_tokens
        ('Hi!', 'stop', 0)
    """

    def __init__(self, data: Any) -> None:
        choice = data["choices"][0]
        self._message = choice["message"]
        usage = data.get("usage")
        self._usage: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
        self.error: object = choice.get("error")
        self.ending = _finish_reason(choice)
        self.model: object = data.get("model")

    @property
    def refusal(self) -> str:
        """What the model says in a field of its own where it refuses; otherwise empty."""
        refusal = _message_text(self._message.get("refusal"))
        return refusal or _parts_text(self._message.get("content"), _REFUSAL_PARTS)

    @property
    def text(self) -> str:
        """The message, or the refusal in its place."""
        return self.refusal or _message_text(self._message.get("content"))

    @property
    def reasoning(self) -> str:
        """What the model thought first."""
        thoughts = self._message.get("reasoning_content") or self._message.get("reasoning")
        return _message_text(thoughts) or _parts_text(self._message.get("content"), _THINKING_PARTS)

    @property
    def finish_reason(self) -> str:
        """Why the message ended: a refusal, whatever the server calls it, or the server's word."""
        if self.refusal and ending_of(self.ending) is not Ending.REFUSED:
            return "refusal"
        return self.ending

    @property
    def prompt_tokens(self) -> int:
        """Tokens the server read; 0 if it does not say."""
        return _token_count(self._usage.get("prompt_tokens"))

    @property
    def completion_tokens(self) -> int:
        """Tokens the server wrote; 0 if it does not say."""
        return _token_count(self._usage.get("completion_tokens"))


def _finish_reason(choice: Mapping[str, Any]) -> str:
    """The server's word for how a reply ended; empty if it has none.

    A router passes on what the server behind it said, which counts where that was no natural end.
    """
    reason = str(choice.get("finish_reason") or "")
    if ending_of(reason) in (Ending.NATURAL, Ending.UNSAID):
        for name in _PASSED_ON:
            passed_on = choice.get(name)
            if isinstance(passed_on, str) and tells_unnatural_end(passed_on):
                reason = passed_on
    return _message_text(reason[:LONGEST_FINISH_REASON])


def _token_count(count: object) -> int:
    """A number of tokens; 0, which means unknown, if it cannot be one."""
    if isinstance(count, bool) or not isinstance(count, int | float):
        return 0
    return int(count) if 0 <= count <= MOST_TOKENS else 0


def _message_text(content: object) -> str:
    """The text of a message: valid Unicode, from either form that the API has for it."""
    if isinstance(content, list):
        return _parts_text(content, _TEXT_PARTS)
    if not content:
        return ""
    if not isinstance(content, str):
        raise TypeError(f"a text of a message is {type(content).__name__}")
    return content.encode("utf-8", "replace").decode()


def _parts_text(content: object, kinds: Sequence[str]) -> str:
    """The text in the parts of a message that are of these kinds, valid Unicode."""
    if not isinstance(content, list):
        return ""
    texts = []
    for part in content:
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        kind = part.get("type") or "text"
        if kind in kinds:
            # A part of Mistral's has its own list of parts.
            value = part.get("text") or part.get(kind) or ""
            texts.append(value if isinstance(value, str) else _parts_text(value, _TEXT_PARTS))
    return "".join(texts).encode("utf-8", "replace").decode()
