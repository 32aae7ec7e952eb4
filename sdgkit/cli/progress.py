"""What one sees while a run goes on: a table that fills in place on a terminal, a line now and then elsewhere.

Everything comes from the run's snapshots; nothing is worked out here.
"""

import getpass
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from sdgkit.cli.terminal import is_live, say
from sdgkit.errors import SettingsError
from sdgkit.formatting import (
    format_duration,
    format_percent,
    format_rough_duration,
    pluralize,
    visible,
)
from sdgkit.pages.picture import reasons
from sdgkit.run.snapshot import Snapshot

if TYPE_CHECKING:
    from sdgkit.teachers import Teacher

LINE_EVERY_S = 5.0  # between two plain lines


class View(ExitStack):
    """Where progress is shown, until it is left. What is said meanwhile stands above what is drawn in place."""

    def __init__(self) -> None:
        super().__init__()
        self._next_line_at, self._state = time.monotonic() + LINE_EVERY_S, "running"
        self._live: Any = None
        if is_live():
            live = Live(console=Console(highlight=False), auto_refresh=False, transient=True)
            self._live = self.enter_context(live)

    def show(self, snapshot: Snapshot) -> None:
        """Show how far a run is: drawn anew each time, or as a line every few seconds and when its state changes."""
        if self._live is not None:
            self._live.update(picture(snapshot), refresh=True)
        elif snapshot.is_going and (
            time.monotonic() > self._next_line_at or snapshot.state != self._state
        ):
            self._next_line_at, self._state = time.monotonic() + LINE_EVERY_S, snapshot.state
            say(line(snapshot))

    def have_renewed(self, teacher: "Teacher") -> None:
        """Have a fresh key typed, unseen, while what is drawn stands still."""
        name = visible(teacher.model)
        self._live.stop()
        try:
            teacher.renew(
                getpass.getpass(f"{name} no longer accepts the key. The fresh key (not shown): ")
            )
        except SettingsError as error:
            say(error)
        finally:
            self._live.start()


def line(snapshot: Snapshot) -> str:
    """How far a run is, in one line."""
    running = snapshot.state == "running"
    parts = [
        f"paused: {snapshot.message}" if snapshot.state == "paused" else "",
        format_duration(snapshot.wall_s),
        format_percent(snapshot.fraction) if running else "",
        f"{format_rough_duration(snapshot.seconds_left)} left"
        if running and snapshot.seconds_left is not None
        else "",
        pluralize(snapshot.samples, "sample"),
        pluralize(snapshot.requests, "request")
        + (f" ({snapshot.requests_per_s:.0f}/s)" if running else ""),
        f"{pluralize(snapshot.completion_tokens, 'token')} written",
        f"{snapshot.retries:,} retried" if snapshot.retries else "",
        f"{snapshot.reused:,} reused" if snapshot.reused else "",
    ]
    return ", ".join(part for part in parts if part)


def picture(snapshot: Snapshot) -> Group:
    """The stages as a table, and a line of numbers."""
    columns = [Column(name, justify="right") for name in ("tried", "out", "dropped")]
    table = Table("stage", *columns, "why", box=None, header_style="dim")
    for stage in snapshot.stages:
        numbers = [
            f"{number:,}"
            for number in (stage.tried, stage.rows_out, stage.dropped_rows)
        ]
        words = [stage.name, *numbers, reasons(stage.dropped)]
        table.add_row(*(Text(visible(word)) for word in words))
    # The empty line at the end is where a terminal writes its ^C.
    return Group(
        table,
        Text(),
        Text(visible(line(snapshot)), "yellow" if snapshot.state == "paused" else ""),
        Text(),
    )
