"""The order of what a panel's views send."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

Message = Mapping[str, Any]

PATIENCE_S = 1.0
"""Seconds to wait for a message that later ones have overtaken; then it counts as lost."""


class MessageOrder:
    """Hands on messages one by one, in the order in which each view sent them.

    A kernel that has a thread of its own for messages may take up several in another order, if they
    waited while it was busy (ipykernel 7 does): what was typed first would then replace what was
    typed later.

    Args:
        handle: What to do with a message.
        patience_s: How long a message that is missing is waited for.
    """

    def __init__(self, handle: Callable[[Message], None], patience_s: float = PATIENCE_S) -> None:
        self._handle = handle
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._is_handling = False
        self._next_numbers: dict[str, int] = {}
        self._waiting: dict[str, dict[int, Message]] = {}

    def take(self, message: Message) -> None:
        """Take a message in, and hand on what may be handed on now.

        Args:
            message: The message. Its `id` is the view's name, a dash, and its number from 1.
        """
        view, _, number = str(message.get("id")).rpartition("-")
        if not number.isdecimal():
            self._handle(message)
            return
        with self._lock:
            self._waiting.setdefault(view, {})[int(number)] = message
        self._hand_on()
        with self._lock:
            still_waits = int(number) in self._waiting[view]
        if still_waits:  # for an earlier one, or for the one that is being handled
            timer = threading.Timer(self._patience_s, self._go_without, (view, int(number)))
            timer.daemon = True
            timer.start()

    def _hand_on(self) -> None:
        while True:
            with self._lock:
                # Whoever is handling a message looks for the next one afterwards.
                message = None if self._is_handling else self._next()
                if message is None:
                    return
                self._is_handling = True
            try:
                self._handle(message)
            finally:
                with self._lock:
                    self._is_handling = False

    def _next(self) -> Message | None:
        """Take the message that is next for its view out of those that wait."""
        for view, messages in self._waiting.items():
            expected = self._next_numbers.get(view, 1)
            number = min(messages, default=None)
            if number is not None and number <= expected:
                self._next_numbers[view] = max(expected, number + 1)
                return messages.pop(number)
        return None

    def _go_without(self, view: str, number: int) -> None:
        """Stop waiting for the messages before this one, if it still waits for them."""
        with self._lock:
            messages = self._waiting[view]
            expected = self._next_numbers.get(view, 1)
            if number in messages:
                self._next_numbers[view] = max(expected, min(messages))
        self._hand_on()
