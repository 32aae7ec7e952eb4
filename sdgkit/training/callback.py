"""What transformers calls while it trains: shows the line, and looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from sdgkit.formatting import format_duration, format_number, format_rough_duration, pluralize

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments


class _Handle(Protocol):
    """What IPython returns for an output that can be replaced."""

    def update(self, picture: dict[str, str], *, raw: bool) -> None: ...


class Watching:
    """Shows how far a training is, and looks.

    Args:
        samples: How many samples the training has.
        look_after: Numbers of samples after which to look.
        look: Called then with the number of samples, and at the end.
    """

    def __init__(
        self, samples: int, look_after: Sequence[int], look: Callable[[int], object] | None
    ) -> None:
        self._samples = samples
        self._look_after = sorted(number for number in look_after if 0 < number < samples)
        self._look = look
        self._began_at = 0.0
        self._looking_s = 0.0
        self._loss: float | None = None
        self._handle: _Handle | None = None

    @property
    def training_s(self) -> float:
        """Seconds since the beginning, without the looking."""
        return time.monotonic() - self._began_at - self._looking_s

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: object,
    ) -> None:
        self._began_at = time.monotonic()
        self._show(f"0 of {pluralize(self._samples, 'sample')}", 0.0)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        self._loss = logs["loss"]
        share = state.global_step / state.max_steps
        left = self.training_s * (1 - share) / share
        line = f"{self._done(state)} · {format_rough_duration(left)} left"
        self._show(line, share)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: object,
    ) -> None:
        seen = self._seen(state)
        if not self._look_after or seen < self._look_after[0] or seen >= self._samples:
            return
        while self._look_after and self._look_after[0] <= seen:
            del self._look_after[0]
        self._look_now(seen)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: object,
    ) -> None:
        self._show(f"{self._done(state)} · done after {format_duration(self.training_s)}", 1.0)
        self._look_now(self._seen(state))

    def _look_now(self, seen: int) -> None:
        if self._look is None:
            return
        began_at = time.monotonic()
        self._look(seen)
        self._looking_s += time.monotonic() - began_at

    def _seen(self, state: TrainerState) -> int:
        """Samples that the model has been trained on; each counts once, in however many epochs."""
        epochs = state.epoch or 0.0
        return min(round(epochs * self._samples), self._samples)

    def _done(self, state: TrainerState) -> str:
        line = f"{format_number(self._seen(state))} of {pluralize(self._samples, 'sample')}"
        if self._loss is not None:
            line += f" · loss {self._loss:.2f}"
        return line

    def _show(self, line: str, share: float) -> None:
        from IPython.display import display

        bar = f'<progress value="{share:.3f}" max="1" aria-label="training"></progress>'
        picture = {
            "text/plain": line,
            "text/html": f'<pre role="status" style="margin:0">{bar} {escape(line)}</pre>',
        }
        if self._handle is None:
            name = f"sdgkit-{uuid4().hex}"
            self._handle = display(picture, raw=True, display_id=name)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(picture, raw=True)
