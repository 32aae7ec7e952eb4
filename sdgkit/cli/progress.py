"""The progress of a run: a table on a terminal, a line every few seconds elsewhere.

Everything comes from the run's snapshots; nothing is computed here.
"""

import getpass
import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from sdgkit.cli.terminal import is_live, say, tell
from sdgkit.errors import SettingsError
from sdgkit.formatting import (
    format_drops,
    format_duration,
    format_percent,
    format_rough_duration,
    pluralize,
    visible,
)
from sdgkit.log import log
from sdgkit.run.snapshot import Snapshot

if TYPE_CHECKING:
    from sdgkit.teachers import Teacher

LOGGED = (
    *("state", "samples", "requests", "reused", "retries", "completion_tokens", "in_flight"),
    *("wall_s", "requests_per_s", "seconds_left", "fraction"),
)
"""The numbers of a snapshot that a line of progress has as fields."""

LINE_EVERY_S = 5.0  # between two plain lines


class ProgressView(ExitStack):
    """Shows progress until it is closed; lines printed in the meantime appear above the table."""

    def __init__(self) -> None:
        super().__init__()
        self._next_line_at = time.monotonic() + LINE_EVERY_S
        self._last_state = "running"
        self._live: Live | None = None
        if is_live():
            live = Live(console=Console(highlight=False), auto_refresh=False, transient=True)
            self._live = self.enter_context(live)

    def show(self, snapshot: Snapshot) -> None:
        """Redraw the table, or print a line every few seconds and when the state changes."""
        if self._live is not None:
            self._live.update(progress_table(snapshot), refresh=True)
            return
        is_due = time.monotonic() > self._next_line_at or snapshot.state != self._last_state
        if snapshot.is_active and is_due:
            self._next_line_at = time.monotonic() + LINE_EVERY_S
            self._last_state = snapshot.state
            numbers = {name: getattr(snapshot, name) for name in LOGGED}
            log(logging.INFO, "progress", progress_line(snapshot), **numbers)
            tell(progress_line(snapshot))

    def ask_for_key(self, teacher: "Teacher") -> None:
        """Ask for a new key, which is not echoed; the table is not redrawn until it is there."""
        if self._live is not None:
            self._live.stop()
        model = visible(teacher.model)
        try:
            key = getpass.getpass(f"{model} no longer accepts the key. New key (not shown): ")
            teacher.renew(key)
        except SettingsError as error:
            say(error)
        finally:
            if self._live is not None:
                self._live.start()


def progress_line(snapshot: Snapshot) -> str:
    """How far a run is, in one line."""
    is_running = snapshot.state == "running"
    parts = []
    if snapshot.state == "paused":
        parts.append(f"paused: {snapshot.message}")
    parts.append(format_duration(snapshot.wall_s))
    if is_running:
        parts.append(format_percent(snapshot.fraction))
    if is_running and snapshot.seconds_left is not None:
        parts.append(f"{format_rough_duration(snapshot.seconds_left)} left")
    parts.append(pluralize(snapshot.samples, "sample"))
    requests = pluralize(snapshot.requests, "request")
    if is_running:
        requests = f"{requests} ({snapshot.requests_per_s:.0f}/s)"
    parts.append(requests)
    parts.append(f"{pluralize(snapshot.completion_tokens, 'token')} written")
    if snapshot.retries:
        parts.append(f"{snapshot.retries:,} retried")
    if snapshot.reused:
        parts.append(f"{snapshot.reused:,} reused")
    return ", ".join(parts)


def progress_table(snapshot: Snapshot) -> Group:
    """The stages as a table, and a line of numbers."""
    columns = [Column(title, justify="right") for title in ("tried", "out", "dropped")]
    table = Table("stage", *columns, "why", box=None, header_style="dim")
    for stage in snapshot.stages:
        cells = [
            stage.name,
            f"{stage.tried:,}",
            f"{stage.rows_out:,}",
            f"{stage.dropped_rows:,}",
            format_drops(stage.dropped),
        ]
        table.add_row(*(Text(visible(cell)) for cell in cells))
    style = ""
    if snapshot.state == "paused":
        style = "yellow"
    numbers = Text(visible(progress_line(snapshot)), style)
    # The empty line at the end is where a terminal writes its ^C.
    return Group(table, Text(), numbers, Text())
