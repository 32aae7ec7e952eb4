"""What one sees while a run goes on: a table that fills in place on a terminal, a line now and then elsewhere.

Everything comes from the run's snapshots; nothing is worked out here.
"""

import getpass
import time
from typing import TYPE_CHECKING, Any

from sdgkit.cli.terminal import counted, is_live, lasting, say
from sdgkit.pages import roughly, visible
from sdgkit.pages.picture import reasons
from sdgkit.run.snapshot import Snapshot

if TYPE_CHECKING:
    from rich.console import RenderableType

FRAMES_PER_S = 8
LINE_EVERY_S = 5.0  # between two plain lines
ROOM_FOR_ECHO = 3  # at the end of the last line: a terminal writes ^C there, and in a full line would go on to the next
STATE_WORDS = {"new": "not begun", "cancelled": "stopped", "interrupted": "broken off"}  # others are said as they are

STYLES = {"paused": "yellow", "done": "green", "failed": "red"}


class View:
    """Where progress is shown. What is said meanwhile stands above what is drawn in place."""

    def __init__(self, transient: bool = False) -> None:
        self._live: Any = None
        self._transient = transient
        self._last, self._state = time.monotonic(), "running"

    def __enter__(self) -> "View":
        if is_live():
            from rich.console import Console
            from rich.live import Live

            console = Console(highlight=False)
            self._live = Live(console=console, auto_refresh=False, transient=self._transient)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Show how far a run is: drawn anew each time, or as a line every few seconds and when its state changes."""
        if self._live is not None:
            self._live.update(picture(snapshot, self._live.console.width), refresh=True)
        elif snapshot.is_going and (self._is_due() or snapshot.state != self._state):
            self._state = snapshot.state
            say(line(snapshot))

    def ask_for_key(self, words: str) -> str:
        """A key, typed unseen, while what is drawn stands still."""
        self._live.stop()
        try:
            return getpass.getpass(f"{words} The fresh key (not shown): ")
        finally:
            self._live.start()

    def show_words(self, words: str, since: float) -> None:
        """Show a line in place of the one before; elsewhere every few seconds, counted from `since` on."""
        if self._live is not None:
            self._live.update(_one_line(words, self._live.console.width, "dim"), refresh=True)
        elif self._is_due(since):
            say(words)

    def _is_due(self, since: float = 0.0) -> bool:
        due = time.monotonic() - max(self._last, since) >= LINE_EVERY_S
        self._last = time.monotonic() if due else self._last
        return due


def state_of(snapshot: Snapshot) -> str:
    """The run's state in a word or two."""
    return STATE_WORDS.get(snapshot.state, snapshot.state)


def line(snapshot: Snapshot) -> str:
    """How far a run is, in one line."""
    running = snapshot.state == "running"
    parts = [
        lasting(snapshot.wall_s),
        f"{roughly(snapshot.seconds_left)} left" if running and snapshot.seconds_left is not None else "",
        counted(snapshot.samples, "sample"),
        counted(snapshot.requests, "request") + (f" ({snapshot.requests_per_s:.0f}/s)" if running else ""),
        f"{counted(snapshot.completion_tokens, 'token')} written",
        f"{snapshot.in_flight} in flight" if running else "",
        f"{snapshot.retries:,} retried" if snapshot.retries else "",
        f"{snapshot.reused:,} reused" if snapshot.reused else "",
        f"paused: {snapshot.message}" if snapshot.state == "paused" else "",
    ]
    return ", ".join(part for part in parts if part)


def picture(snapshot: Snapshot, width: int) -> "RenderableType":
    """The stages as a table, a bar and one line of numbers, at the same height from beginning to end."""
    from rich.console import Group
    from rich.text import Text

    return Group(_stages(snapshot.stages), Text(), _bar(snapshot, width), _one_line(f"  {line(snapshot)}", width))


def _stages(stages: list[dict[str, Any]]) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("  stage", no_wrap=True)
    for name in ("tried", "out", "dropped"):
        table.add_column(name, justify="right", min_width=7, no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", style="dim")
    for stage in stages:
        dropped = sum(stage["dropped"].values())
        texts = [f"  {visible(stage['name'])}", f"{stage['tried']:,}", f"{stage['rows_out']:,}"]
        texts += [f"{dropped:,}" if dropped else "", visible(reasons(stage["dropped"]))]
        table.add_row(*map(Text, texts), style="bold" if stage is stages[-1] else "")
    return table


def _bar(snapshot: Snapshot, width: int) -> "RenderableType":
    """The share that is done; when it is over, or waits, the word for it instead."""
    from rich.columns import Columns
    from rich.progress_bar import ProgressBar

    if snapshot.state != "running":
        words = f"Paused: {snapshot.message}" if snapshot.state == "paused" else state_of(snapshot)
        return _one_line(f"  {words}", width, STYLES.get(snapshot.state, ""))
    bar = ProgressBar(total=1.0, completed=snapshot.fraction, width=min(40, max(10, width - 10)))
    return Columns([" ", bar, f"{snapshot.fraction:.0%}"])


def _one_line(words: str, width: int, style: str = "") -> "RenderableType":
    from rich.text import Text

    text = Text(visible(words), style=style, no_wrap=True)
    text.truncate(width - ROOM_FOR_ECHO, overflow="ellipsis")
    return text
