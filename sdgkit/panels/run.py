"""The panel of a run: the method's picture with its numbers, start and cancel, the newest samples, the drops."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from sdgkit.decisions import own_question
from sdgkit.errors import SettingsError
from sdgkit.method import default_folder, plan, run_folder
from sdgkit.pages import count, counted, lasting, roughly
from sdgkit.pages.picture import draw
from sdgkit.panels.frame import Panel, teacher_of
from sdgkit.panels.still import Block
from sdgkit.run import Run, open_run
from sdgkit.run.record import Trace
from sdgkit.run.snapshot import Funnel, Snapshot, funnel_of

NEWEST, DROPS = 6, 30  # samples shown; drops of a stage shown at once
WORDS = {
    "new": "Not begun: Start asks the teacher",
    "running": "Running",
    "paused": "Paused",
    "done": "Done",
    "cancelled": "Cancelled; what is finished is kept",
    "failed": "Failed; what is finished is kept",
    "interrupted": "Broken off",
}


class RunPanel(Panel):
    """A run to start, watch, cancel and resume; or a run's folder to look at, also while another process writes it.

    source: seeds (what `load_seeds` takes), a `Run`, or a run's folder; with `teacher=`, that folder is gone on with.
    out, reuse and settings: as in `generate`; prompts are read from their folder at each start. latest: the `Run`
    that is shown. In a cell: `run = await RunPanel(...).run()`. Raises SdgkitError for what cannot be used.
    """

    kind, title = "run", "Run"

    def __init__(
        self, source: Any, *, teacher: Any = None, out: str | Path | None = None, reuse: bool = False, **settings: Any
    ) -> None:
        super().__init__()
        self._make: Callable[[], Run] | None = None
        self._dropped: dict[str, Any] | None = None
        self._stories: dict[str, list[dict[str, Any]]] = {}
        self._went_on = False
        if isinstance(source, Run):
            self.latest = source
            return
        if teacher is None:
            if run_folder(source) is None or out is not None or settings:
                raise SettingsError("A run asks a teacher: RunPanel(seeds, teacher=sdgkit.connect(...)).")
            self.latest = open_run(source)
            return
        asked = teacher_of(teacher)
        folder = default_folder(source) if out is None else Path(out)
        self._make = lambda: Run(
            plan(source, teacher=asked, **settings), folder, reuse=reuse, on_note=lambda sentence: None
        )
        self.latest = self._make()

    # Going on ---------------------------------------------------------------------------------------------------------

    def start(self) -> "RunPanel":
        """Begin, resume or run again, with the prompts as they are now; returns at once."""
        snapshot = self.latest.snapshot()
        if self._make is not None and snapshot.state != "new" and not snapshot.is_going:
            self.latest = self._make()
        self._let_ask()
        self.latest.start()
        self._dropped, self._stories = None, {}
        self.watch()
        return self

    def _let_ask(self) -> None:
        """Where somebody can click and type, a judge that turns down nearly everything is asked about, once, and a
        fresh key is asked for."""
        self.latest.pause_on_warning = self._view is not None and not self._went_on
        for teacher in self.latest.teachers if self._view is not None else ():
            teacher.promise_key()

    def cancel(self) -> None:
        """Stop within a moment; what is finished is kept."""
        self.latest.cancel()

    def watch(self) -> None:
        """Keep the panel up to date until the run is over, whoever writes it."""
        run = self.latest
        self.tick(lambda: not run.snapshot().is_going if run.plan is None else run.finished)

    async def run(self) -> Run:
        """Show the panel, do the run, and return it; the Cancel button works meanwhile, and so does an interrupt.

        Raises what stopped the run; a cancelled one is returned.
        """
        self.display()
        self.start()
        with self._to_its_end():
            while not self.latest.finished:
                await asyncio.sleep(0.05)
        return self.latest

    def run_sync(self) -> Run:
        """The same, blocking: an interrupt is its Cancel."""
        self.display()
        self.start()
        with self._to_its_end():
            self._await()
        return self.latest

    def _await(self) -> None:
        while not self.latest.finished:
            self.latest.wait(0.2)

    @contextmanager
    def _to_its_end(self) -> Iterator[None]:
        try:
            yield
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.latest.cancel()
            self._await()
            raise
        finally:
            self.wait(5.0)
            self.render()
            self.picture_again()
        if self.latest.error is not None:
            raise self.latest.error

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

    def on_stage(self, name: str) -> None:
        """Show what was dropped at this stage; again for more of it."""
        before = self._dropped["shown"] if self._dropped and self._dropped["stage"] == name else []
        wanted = len(before) + DROPS if before else DROPS

        def read() -> None:
            found = (drop for drop in self.latest.drops() if drop["stage"] == name)
            self._dropped = {"stage": name, "shown": list(islice(found, wanted))}

        self.work("Reading what was dropped.", read)

    def on_trace(self, id: str) -> None:
        """Show the story of a drop: the prompt that was sent, the raw reply."""
        self._stories[id] = story(self.latest.trace(id))

    # Showing ----------------------------------------------------------------------------------------------------------

    def display(self) -> None:
        """Show the panel; a run that another process writes is watched."""
        super().display()
        self._let_ask()
        if self.latest.plan is None and self.latest.snapshot().is_going:
            self.watch()

    _ipython_display_ = display

    def trouble(self) -> BaseException | None:
        """What went wrong in the panel, or what stopped the run."""
        return super().trouble() or self.latest.error

    def seen(self) -> dict[str, Any]:
        run, snapshot = self.latest, self.latest.snapshot()
        stages = drawn_stages(run, snapshot)
        lost = {stage["name"]: sum(stage["dropped"].values()) for stage in stages}
        going = snapshot.is_going or run.going
        start = {"new": "Start", "done": "Run again"}.get(snapshot.state, "Resume") if run.plan or self._make else ""
        return {
            "sign": snapshot.state,
            "words": status(snapshot) + (", writing the files" if going and not snapshot.is_going else ""),
            "folder": str(run.out or "in memory"),
            "start": start if not going else "Start",
            "can_start": not going,
            "can_cancel": run.going and snapshot.is_going,
            "asks": run.warning.html if snapshot.asks and run.warning is not None else "",
            "wants_key": any(teacher.wants_key for teacher in run.teachers),
            "fraction": snapshot.fraction,
            "facts": facts(snapshot),
            "picture": draw(stages, seeds=snapshot.seeds or None) if stages else "",
            "stages": [{"name": name, "lost": number} for name, number in lost.items()],
            "lost": sum(lost.values()),
            "newest": [newest(sample) for sample in reversed(list(snapshot.newest)[-NEWEST:])],
            "empty": "None of them is at hand." if snapshot.samples else "Samples appear here as they come.",
            "drops": self._seen_drops(lost),
            "notes": list(run.notes),
        }

    def _seen_drops(self, lost: dict[str, int]) -> dict[str, Any] | None:
        if self._dropped is None:
            return None
        stage, shown = self._dropped["stage"], self._dropped["shown"]
        all_of_them = max(lost.get(stage, 0), len(shown))
        words = f"{count(len(shown))} of {count(all_of_them)} shown." if shown else "Nothing was dropped here."
        rows = [{name: drop[name] for name in ("id", "reason", "message")} for drop in shown]
        return {
            "stage": stage,
            "words": words,
            "more": all_of_them - len(shown),
            "shown": [row | {"story": self._stories.get(row["id"])} for row in rows],
        }

    def blocks(self) -> Iterator[Block]:
        run, snapshot = self.latest, self.latest.snapshot()
        stages = drawn_stages(run, snapshot)
        if stages:
            yield Block(text=repr(Funnel(stages)), drawing=draw(stages, seeds=snapshot.seeds or None))
        for sample in map(newest, list(snapshot.newest)[-2:]):
            text = f"{sample['question']}\n\n{sample['response']}"
            yield Block(f"{sample['id']}  {sample['words']}".strip(), text, folded=True)
        if run.warning is not None:
            yield Block("Is the judge right?", str(run.warning), folded=True)
        if run.notes:
            yield Block("Notes", "\n".join(run.notes))


def status(snapshot: Snapshot) -> str:
    """Where a run stands, in one line."""
    words = WORDS.get(snapshot.state, snapshot.state)
    if snapshot.state in ("paused", "interrupted") and snapshot.message:
        return f"{words}: {snapshot.message}"
    return words if snapshot.state == "new" else f"{words}: {counted(snapshot.samples, 'sample')}"


def facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """A run's numbers, always the same ones at the same places."""
    going = snapshot.is_going
    return [
        ("samples", count(snapshot.samples)),
        ("requests", count(snapshot.requests) + (f" · {snapshot.requests_per_s:.1f}/s" if going else "")),
        ("tokens", count(snapshot.completion_tokens) + (f" · {snapshot.tokens_per_s:,.0f}/s" if going else "")),
        ("used again", count(snapshot.reused)),
        ("time left", roughly(snapshot.seconds_left)) if going else ("time", lasting(snapshot.wall_s)),
        ("teacher", snapshot.teacher),
    ]


def newest(sample: Any) -> dict[str, Any]:
    """What is shown of a new sample."""
    score = sample.get("score")
    return {
        "id": str(sample.get("id", "")),
        "words": f"judged {count(score)}" if isinstance(score, int | float) else "",
        "question": own_question(sample),
        "response": str(sample.get("response") or ""),
    }


def drawn_stages(run: Run, snapshot: Snapshot) -> list[dict[str, Any]]:
    """The stages for the picture, which is as high before the run has begun as later on."""
    if snapshot.stages or run.plan is None:
        return snapshot.stages
    return funnel_of(run.plan.pipeline, {}, len(run.plan.rows), None)


def story(trace: Trace) -> list[dict[str, Any]]:
    """The texts of a row's history, the last exchange first: what was sent and what came back; earlier ones folded."""
    parts: list[dict[str, Any]] = []
    for number, exchange in enumerate(reversed(trace.exchanges)):
        again = f", attempt {exchange['attempt']}" if exchange["attempt"] > 1 else ""
        name = f"{exchange['stage']}{again}"
        texts = [(f"{name}: the raw reply", exchange["text"])]
        if exchange["reasoning"]:
            texts.append((f"{name}: the teacher's reasoning", exchange["reasoning"]))
        texts += [(f"{name}: {m['role']} message, as it was sent", m["content"]) for m in exchange["messages"]]
        parts += [{"title": title, "text": text, "folded": number > 0} for title, text in texts]
    return parts
