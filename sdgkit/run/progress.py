"""The progress of a run in one line: in a notebook, on a terminal, or in a log."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from html import escape
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import uuid4

from sdgkit.formatting import (
    format_duration,
    format_number,
    format_percent,
    format_rough_duration,
    pluralize,
    visible,
)
from sdgkit.run.snapshot import Snapshot

FIRST_S = 1.0
"""Seconds before the first line: what is over sooner needs none."""

AGAIN_S = 0.5
"""Seconds between two redrawings of the line."""

PLAIN_S = 10.0
"""Seconds between two lines where none can be redrawn: in a script whose output is no terminal."""


class Progress(Protocol):
    """Something that shows how far a run is."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the run as it is now."""

    def clear(self) -> None:
        """Make room for other lines."""


class _Handle(Protocol):
    """What IPython returns for an output that can be replaced."""

    def update(self, picture: Mapping[str, str], *, raw: bool) -> None: ...


class ProgressLine:
    """One line that is updated while a run works; plain lines where none can be redrawn.

    It goes to an output of its own in a notebook, and to the standard error elsewhere.

    Args:
        name: What is being made: the name of the skill, or of the stage.
    """

    def __init__(self, name: str = "") -> None:
        self._name = visible(name)
        self._next_at = time.monotonic() + FIRST_S
        self._has_shown = False
        self._handle: _Handle | None = None
        self._is_notebook = hasattr(ipython_shell(), "kernel")
        self._is_terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._last: Snapshot | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._has_shown and self._last is not None:
            self._write(progress_line(self._last, self._name), is_last=True)

    def show(self, snapshot: Snapshot) -> None:
        """Show the run as it is now, if it is time for that."""
        self._last = snapshot
        now = time.monotonic()
        if now < self._next_at or not snapshot.is_active:
            return
        can_redraw = self._is_notebook or self._is_terminal
        self._next_at = now + (AGAIN_S if can_redraw else PLAIN_S)
        self._has_shown = True
        self._write(progress_line(snapshot, self._name), is_last=False)

    def clear(self) -> None:
        """Make room for other lines on a terminal."""
        if self._is_terminal and not self._is_notebook and self._has_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _write(self, line: str, *, is_last: bool) -> None:
        if self._is_notebook:
            self._display(line)
        elif self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            ending = ""
            if is_last:
                ending = "\n"
            print(f"\r\x1b[K{line[:width]}", end=ending, file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def _display(self, line: str) -> None:
        from IPython.display import display

        picture = {
            "text/plain": line,
            "text/html": f'<pre role="status" style="margin:0">{escape(line)}</pre>',
        }
        if self._handle is None:
            name = f"sdgkit-{uuid4().hex}"
            self._handle = display(picture, raw=True, display_id=name)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(picture, raw=True)


def progress_line(snapshot: Snapshot, name: str = "") -> str:
    """How far a run is, in one line: what is being made, how much so far, the time left.

    Args:
        snapshot: The run's numbers.
        name: What is being made.
    """
    parts = []
    workload = snapshot.workload
    noun = "sample" if len(snapshot.stages) > 1 else "row"
    if workload is not None and snapshot.state != "done":
        number = format_number(snapshot.samples)
        parts.append(f"{number} {workload.samples_in_words} {noun}s")
    else:
        parts.append(pluralize(snapshot.samples, noun))
    if snapshot.is_active:
        parts.append(_activity(snapshot))
        parts.append(format_percent(snapshot.fraction))
    if snapshot.state == "running" and snapshot.seconds_left is not None:
        parts.append(f"{format_rough_duration(snapshot.seconds_left)} left")
    if snapshot.failed:
        parts.append(pluralize(snapshot.failed, "failure"))
    if snapshot.retries:
        parts.append(pluralize(snapshot.retries, "retry", "retries"))
    if not snapshot.is_active:
        parts.append(f"{snapshot.state} after {format_duration(snapshot.wall_s)}")
    filled_parts = []
    for part in parts:
        if part:
            filled_parts.append(part)
    line = " \u00b7 ".join(filled_parts)
    return visible(f"{name}: {line}" if name else line)


def _activity(snapshot: Snapshot) -> str:
    """What is being done now."""
    workload = snapshot.workload
    if snapshot.state == "paused":
        return f"paused: {snapshot.message}"
    if workload is None or len(snapshot.stages) < 2:
        return ""
    if workload.studies:
        return "studying the seeds"
    return workload.busiest_stage(snapshot.stages)


def ipython_shell() -> Any:
    """IPython's shell, or None outside of IPython; it is not imported for this."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return None
    return ipython.get_ipython()
