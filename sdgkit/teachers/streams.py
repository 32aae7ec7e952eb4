"""Replies that a server sends piece by piece (server-sent events), while they are written."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sdgkit.teachers.secrets import Secrets

Show: TypeAlias = Callable[[str], None]
"""Called with each piece of a reply's text."""

_DATA = b"data:"
_DONE = "[DONE]"
# The texts of a message that come in pieces.
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


class ReplyStream:
    """Puts the events of a stream together, and shows the reply's text as it comes.

    Args:
        show: Called with each piece of the text; line by line where there are keys to hide, since a
            key may come in several pieces.
        secrets: The keys that the text must not show.

    Attributes:
        has_begun: Whether an event has come.
    """

    def __init__(self, show: Show, secrets: Sequence[str]) -> None:
        self.has_begun = False
        self._show = show
        self._secrets = None
        if secrets:
            self._secrets = Secrets(secrets)
        self._unshown = ""
        self._is_done = False
        self._unread = b""
        self._texts: dict[str, str] = {}
        self._choice: dict[str, Any] = {}
        self._body: dict[str, Any] = {}

    def add(self, piece: bytes) -> None:
        """Take a piece of the response's body."""
        *lines, self._unread = (self._unread + piece).split(b"\n")
        for line in lines:
            self._read(line)

    def end(self, data: object) -> None:
        """The response is complete; what was no stream is shown now.

        Args:
            data: The parsed body, or its text where it is not JSON.
        """
        self._read(self._unread)
        self._unread = b""
        if not self.has_begun:
            self._unshown = _whole_text(data)
        self._show_lines(is_end=True)

    def body(self, data: object) -> object:
        """The response as it would have come in one piece.

        Args:
            data: The parsed body, or its text where it is not JSON.
        """
        if not self.has_begun:
            return data
        if "error" in self._body:
            return self._body
        if not self._choice.get("finish_reason") and not self._is_done:
            # The connection ended in the middle.
            self._choice["finish_reason"] = "incomplete stream"
        return {**self._body, "choices": [{**self._choice, "message": dict(self._texts)}]}

    def _read(self, line: bytes) -> None:
        if not line.startswith(_DATA):
            return
        text = line.removeprefix(_DATA).decode("utf-8", "replace").strip()
        if text == _DONE:
            self._is_done = True
            return
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            return  # a comment to keep the connection alive
        if isinstance(event, dict):
            self.has_begun = True
            self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        for name in ("error", "usage", "model"):
            if event.get(name):
                self._body[name] = event[name]
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return
        choice = choices[0]
        for name in ("finish_reason", "error"):
            if choice.get(name):
                self._choice[name] = choice[name]
        delta = choice.get("delta")
        for name in _TEXTS:
            text = None
            if isinstance(delta, dict):
                text = delta.get(name)
            if isinstance(text, str) and text:
                self._texts[name] = self._texts.get(name, "") + text
                if name == "content":
                    self._unshown += text
                    self._show_lines()

    def _show_lines(self, *, is_end: bool = False) -> None:
        """Show what may be shown already; at the end, everything."""
        if self._secrets is None or is_end:
            text = self._unshown
        else:
            text = self._unshown[: self._unshown.rfind("\n") + 1]
        self._unshown = self._unshown[len(text) :]
        if self._secrets is not None:
            text = self._secrets.hide_keys(text)
        if text:
            self._show(text)


def _whole_text(data: object) -> str:
    """The text of a response that came in one piece."""
    try:
        content = data["choices"][0]["message"]["content"]  # type: ignore[index]
    except (LookupError, TypeError):
        return ""
    if isinstance(content, str):
        return content
    return ""
