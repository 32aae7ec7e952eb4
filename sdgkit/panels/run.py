"""The panel of a run: the method's picture with its numbers, start and cancel, the newest samples, the drops."""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.formatting import format_duration, format_number, format_rough_duration, pluralize
from sdgkit.method import default_folder, plan, run_folder
from sdgkit.pages.picture import draw_funnel
from sdgkit.panels.frame import Panel, sentence, teacher_of
from sdgkit.run import Run, open_run
from sdgkit.run.snapshot import Funnel, Snapshot, funnel_of
from sdgkit.samples import own_question
from sdgkit.stream import Tally
from sdgkit.teachers.teacher import Teacher
from sdgkit.texts import load_texts

NEWEST, DROPS = 6, 30  # samples shown; drops of a stage shown at once


class RunPanel(Panel):
    """A run to start, watch, cancel and resume; or a run's folder to look at, also while another process writes it.

    source: seeds (what `load_seeds` takes), a `Run`, or a run's folder; with `teacher=`, that folder is gone on with.
    out, reuse and settings: as in `generate`; prompts are read from their folder at each start. latest: the `Run`
    that is shown. In a cell: `run = await RunPanel(...).run()`. Raises SdgkitError for what cannot be used.
    """

    kind = "run"

    def __init__(
        self,
        source: Any,
        *,
        teacher: Any = None,
        out: str | Path | None = None,
        reuse: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__()
        self._make: Callable[[], Run] | None = None
        self._drops: dict[str, Any] | None = None
        self._stories: dict[str, list[dict[str, Any]]] = {}
        self._went_on = False
        if isinstance(source, Run):
            self.latest = source
        elif teacher is not None:
            folder = default_folder(source) if out is None else Path(out)
            self._make = partial(_planned, source, teacher_of(teacher), folder, reuse, settings)
            self.latest = self._make()
        elif run_folder(source) is not None and out is None and not settings:
            self.latest = open_run(source)
        else:
            raise SettingsError(
                "A run asks a teacher: RunPanel(seeds, teacher=sdgkit.connect(...))."
            )

    # Going on ---------------------------------------------------------------------------------------------------------

    def start(self) -> "RunPanel":
        """Begin, resume or run again, with the prompts as they are now; returns at once."""
        if self._make is not None and self.latest.finished:
            self.latest = self._make()
        self._let_ask()
        self.latest.start()
        self._drops, self._stories = None, {}
        self.watch()
        return self

    def _let_ask(self) -> None:
        """Where somebody can click and type, a judge that turns down nearly everything is asked about, once, and a
        fresh key is asked for."""
        self.latest.pause_on_warning = self._view is not None and not self._went_on
        for teacher in self.latest.teachers if self._view is not None else ():
            teacher.offer_renewal()

    def cancel(self) -> None:
        """Stop within a moment; what is finished is kept."""
        self.latest.cancel()

    def watch(self) -> None:
        """Keep the panel up to date until the run is over, whoever writes it."""
        run = self.latest
        self.tick(lambda: run.finished)

    async def run(self) -> Run:
        """Show the panel, do the run, and return it; the Cancel button works meanwhile, and so does an interrupt.

        Raises what stopped the run; a cancelled one is returned.
        """
        self.display()
        self.start()
        try:
            while not self.latest.finished:
                await asyncio.sleep(0.05)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.latest.cancel()
            while not self.latest.finished:
                time.sleep(0.05)
            raise
        finally:
            self.wait(5.0)
        if self.latest.error is not None:
            raise self.latest.error
        return self.latest

    # Clicks -----------------------------------------------------------------------------------------------------------

    on_start, on_cancel = start, cancel

    def on_go_on(self) -> None:
        """Go on after a pause on a warning."""
        self._went_on = True
        self.latest.go_on()

    def on_renew(self, key: str) -> None:
        """Go on with a fresh key; it is kept in memory only."""
        for teacher in self.latest.teachers:
            if teacher.wants_key:
                teacher.renew(key)

    def on_stage(self, name: str, most: int = DROPS) -> None:
        """Show what was dropped at this stage."""

        def read() -> None:
            found = (drop for drop in self.latest.drops() if drop["stage"] == name)
            shown = [
                {key: drop[key] for key in ("id", "reason", "message")}
                for drop in islice(found, most)
            ]
            self._drops = {"stage": name, "shown": shown}

        self.work("Reading what was dropped.", read)

    def on_trace(self, id: str) -> None:
        """Show the story of a drop, the last exchange first: the prompt that was sent, the raw reply."""
        exchanges = self.latest.trace(id).exchanges
        self._stories[id] = [vars(exchange) for exchange in reversed(exchanges)]

    # Showing ----------------------------------------------------------------------------------------------------------

    def display(self) -> None:
        """Show the panel; a run that another process writes is watched."""
        super().display()
        self._let_ask()
        if self.latest.plan is None and self.latest.snapshot().is_going:
            self.watch()

    _ipython_display_ = display

    def seen(self) -> dict[str, Any]:
        run, snapshot = self.latest, self.latest.snapshot()
        stages = snapshot.stages
        if (
            not stages and run.plan is not None
        ):  # the picture is as high before the run has begun as later on
            stages = funnel_of(run.plan.pipeline, Tally(), len(run.plan.rows), None)
        going = snapshot.is_going or run.going
        again = (
            "Start"
            if going
            else {"new": "Start", "done": "Run again"}.get(snapshot.state, "Resume")
        )
        return {
            "sign": snapshot.state,
            "words": status(snapshot)
            + (", writing the files" if going and not snapshot.is_going else ""),
            "error": sentence(run.error),
            "folder": str(run.out or "in memory"),
            "start": again if run.plan or self._make else "",
            "can_start": not going,
            "can_cancel": run.going and snapshot.is_going,
            "asks": run.warning.html if snapshot.asks and run.warning is not None else "",
            "warning": str(run.warning or ""),
            "wants_key": any(teacher.wants_key for teacher in run.teachers),
            "fraction": snapshot.fraction,
            "facts": facts(snapshot),
            "picture": draw_funnel(stages, seeds=snapshot.seeds or None) if stages else "",
            "funnel": repr(Funnel(stages)),
            "stages": [
                {"name": stage.name, "lost": stage.dropped_rows} for stage in stages
            ],
            "samples": snapshot.samples,
            "newest": [newest(sample) for sample in reversed(list(snapshot.newest)[-NEWEST:])],
            "drops": self._drops and self._drops | {"stories": self._stories},
            "notes": list(run.notes),
        }


def _planned(
    source: Any, teacher: Teacher, folder: Path | None, reuse: bool, settings: Mapping[str, Any]
) -> Run:
    return Run(plan(source, teacher=teacher, **settings), folder, reuse=reuse)


def newest(sample: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown of a new sample."""
    return {name: sample.get(name, "") for name in ("id", "score", "response")} | {
        "question": own_question(sample)
    }


def status(snapshot: Snapshot) -> str:
    """Where a run stands, in one line."""
    state = load_texts("run_states").get(snapshot.state, snapshot.state)
    if snapshot.state in ("paused", "interrupted") and snapshot.message:
        return f"{state}: {snapshot.message}"
    return state if snapshot.state == "new" else f"{state}: {pluralize(snapshot.samples, 'sample')}"


def facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """A run's numbers, always the same ones at the same places."""
    going = snapshot.is_going
    return [
        ("samples", format_number(snapshot.samples)),
        (
            "requests",
            format_number(snapshot.requests)
            + (f" · {snapshot.requests_per_s:.1f}/s" if going else ""),
        ),
        (
            "tokens",
            format_number(snapshot.completion_tokens)
            + (f" · {snapshot.tokens_per_s:,.0f}/s" if going else ""),
        ),
        ("used again", format_number(snapshot.reused)),
        ("time left", format_rough_duration(snapshot.seconds_left))
        if going
        else ("time", format_duration(snapshot.wall_s)),
        ("teacher", snapshot.teacher),
    ]
