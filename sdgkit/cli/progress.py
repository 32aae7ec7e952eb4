"""What one sees while a run goes on: a table that fills in place on a terminal, a line now and then elsewhere.

Everything comes from the run's snapshots; nothing is worked out here.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sdgkit.cli.terminal import counted, harmless, is_live, lasting, say
from sdgkit.picture import reasons
from sdgkit.snapshot import Snapshot

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

FRAMES_PER_S = 8
LINE_EVERY_S = 5.0  # between two plain lines
ROOM_FOR_ECHO = 3  # at the end of the last line: a terminal writes ^C there, and in a full line would go on to the next
STATE_WORDS = {
    "new": "not begun",
    "running": "",
    "paused": "paused",
    "done": "done",
    "cancelled": "stopped",
    "failed": "failed",
    "interrupted": "broken off",
}


class View(Protocol):
    """Where progress is shown."""

    def show(self, snapshot: Snapshot) -> None:
        """Show how far it is."""

    def note(self, sentence: str) -> None:
        """Show a sentence that stays."""


class Lines:
    """Plain lines: one every few seconds and whenever the state changes."""

    def __init__(self) -> None:
        self._last, self._state = time.monotonic(), "running"

    def show(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        if snapshot.state not in ("running", "paused"):
            return
        if now - self._last >= LINE_EVERY_S or snapshot.state != self._state:
            self._last, self._state = now, snapshot.state
            say(line(snapshot))

    def note(self, sentence: str) -> None:
        say(sentence)


class Table:
    """The stages as a table, drawn in place."""

    def __init__(self, redraw: Callable[["RenderableType"], None], console: "Console") -> None:
        self._redraw, self._console = redraw, console

    def show(self, snapshot: Snapshot) -> None:
        self._redraw(picture(snapshot, self._console.width))

    def note(self, sentence: str) -> None:
        from rich.text import Text

        self._console.print(Text(harmless(sentence)))


@contextmanager
def view() -> Iterator[View]:
    """The view that fits where the output goes."""
    if not is_live():
        yield Lines()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        yield Table(lambda drawn: live.update(drawn, refresh=True), console)


class Notes:
    """Sentences from other threads, shown by the one that draws."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()

    def add(self, sentence: str) -> None:
        """Keep it until the next `show_in`."""
        self._waiting.append(sentence)

    def show_in(self, view: View) -> None:
        """Show all that have come."""
        while self._waiting:
            view.note(self._waiting.popleft())


def line(snapshot: Snapshot) -> str:
    """How far a run is, in one line."""
    parts = [
        counted(snapshot.samples, "sample"),
        counted(snapshot.requests, "request"),
        f"{counted(snapshot.completion_tokens, 'token')} written",
    ]
    if snapshot.state == "running":
        parts[1] += f" ({snapshot.requests_per_s:.0f}/s)"
        parts += [f"{snapshot.in_flight} in flight", _left(snapshot)]
    elif snapshot.state == "paused":
        parts.append(f"paused: {snapshot.message}")
    return f"{_clock(snapshot.wall_s)}  {' · '.join(part for part in parts if part)}"


def picture(snapshot: Snapshot, width: int) -> "RenderableType":
    """The stages as a table, a bar and one line of numbers, at the same height from beginning to end."""
    from rich.console import Group
    from rich.text import Text

    state, live = snapshot.state, snapshot.state in ("running", "paused")
    rate = f", {snapshot.requests_per_s:.0f}/s" if live else ""
    speed = f", {snapshot.tokens_per_s:,.0f}/s" if live else ""
    facts = [
        f"{counted(snapshot.requests, 'request')}{rate}".ljust(21),
        f"{counted(snapshot.completion_tokens, 'token')} written{speed}".ljust(31),
        f"{snapshot.in_flight} in flight".ljust(13) if live else lasting(snapshot.wall_s).ljust(13),
        f"{snapshot.retries:,} retried" if snapshot.retries else "",
        f"{snapshot.reused:,} reused" if snapshot.reused else "",
    ]
    numbers = Text(f"  {counted(snapshot.samples, 'sample'):<14}", style="bold")
    numbers.append(" ".join(facts), style="not bold")
    numbers.truncate(width - ROOM_FOR_ECHO, overflow="ellipsis")
    return Group(_stages(snapshot.stages), Text(), _bar(snapshot, state, width), numbers)


def _stages(stages: list[dict[str, Any]]) -> "RenderableType":
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    table.add_column("  stage", no_wrap=True)
    for name in ("tried", "out", "dropped"):
        table.add_column(name, justify="right", min_width=7, no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", style="dim")
    for number, stage in enumerate(stages, 1):
        dropped, last = sum(stage["dropped"].values()), number == len(stages)
        table.add_row(
            Text(f"  {harmless(stage['name'])}", style="bold" if last else ""),
            Text(f"{stage['tried']:,}"),
            Text(f"{stage['rows_out']:,}", style="bold green" if last else ""),
            Text(f"{dropped:,}" if dropped else ""),
            Text(harmless(reasons(stage["dropped"]))),
        )
    return table


def _bar(snapshot: Snapshot, state: str, width: int) -> "RenderableType":
    """The share that is done and the time left; when it is over, or waits, the word for it instead."""
    from rich.columns import Columns
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    if state == "paused":
        words = Text(f"  Paused: {harmless(snapshot.message)}", style="yellow", no_wrap=True)
        words.truncate(width - ROOM_FOR_ECHO, overflow="ellipsis")
        return words
    if state != "running":
        return Text(f"  {STATE_WORDS.get(state, state)}", style={"done": "green", "failed": "red"}.get(state, ""))
    bar = ProgressBar(total=1.0, completed=snapshot.fraction, width=min(40, max(10, width - 40)))
    return Columns([Text(" "), bar, Text(f"{snapshot.fraction:>4.0%}   {_left(snapshot)}")], padding=(0, 1))


def _left(snapshot: Snapshot) -> str:
    """The time left, roughly: an estimate that changed with every look would tell less."""
    seconds = snapshot.seconds_left
    if seconds is None:
        return ""
    if seconds >= 90:
        return f"about {lasting(round(seconds / 60) * 60)} left"
    return f"about {max(5, round(seconds / 5) * 5)} s left"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours = f"{whole // 3600}:{whole % 3600 // 60:02}" if whole >= 3600 else f"{whole // 60}"
    return f"{hours}:{whole % 60:02}"
