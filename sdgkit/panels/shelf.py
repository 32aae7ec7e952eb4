"""The panel of a shelf: start, watch and cancel several skills at once, and look at each."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from sdgkit.errors import SettingsError, show_in_notebook
from sdgkit.evaluation.demand import Demand, demand_of
from sdgkit.evaluation.prices import prices_of
from sdgkit.formatting import format_amount, pluralize
from sdgkit.funnel import REHEARSAL
from sdgkit.keywords import known_keywords
from sdgkit.method import PlanOptions
from sdgkit.panels.frame import Action, Panel, error_sentence
from sdgkit.panels.run_state import run_facts
from sdgkit.panels.shelf_state import OpenSkill, ShelfState, SkillState, status_of
from sdgkit.panels.versions import kernel_limit
from sdgkit.run.workload import Workload
from sdgkit.shelf import Shelf, ShelfSnapshot, is_shelf, open_shelf
from sdgkit.shelf.generate import default_shelf_folder, plan_shelf
from sdgkit.teachers.source import TeacherSource

POLL_S = 0.05


class ShelfPanel(Panel):
    """Start, watch, cancel and resume a shelf: all skills in a tree, each in a folder of its own.

    Args:
        source: The tree, as for `generate_shelf`; or a shelf, or its folder, to look at.
        teacher: The teacher that all skills ask, or a TeacherPanel. To look at a shelf, none.
        out: As for `generate_shelf`.
        only: As for `generate_shelf`.
        reuse: As for `generate_shelf`.
        **options: As for `generate_shelf`.

    Attributes:
        latest: The shelf that the panel shows.

    Raises:
        SdgkitError: If something in these arguments cannot be used.

    Example:
        In a cell: `shelf = await ShelfPanel("skills", teacher=teacher, out="runs/all").run()`.
    """

    kind = "shelf"

    @known_keywords
    def __init__(
        self,
        source: str | Path | Shelf,
        *,
        teacher: TeacherSource | None = None,
        out: str | Path | None = None,
        only: str | Sequence[str] = (),
        reuse: bool = False,
        **options: Unpack[PlanOptions],
    ) -> None:
        super().__init__()
        self._plan_again: Callable[[], Shelf] | None = None
        self._open_name = ""
        self._plan_sentence = ""
        if isinstance(source, Shelf):
            self.latest = source
        elif teacher is not None:
            patterns = [only] if isinstance(only, str) else list(only)
            self._plan_again = partial(
                plan_shelf,
                source,
                Path(out or default_shelf_folder(source)),
                teacher=teacher,
                only=patterns,
                reuse=reuse,
                **options,
            )
            self.latest = self._plan_again()
        elif is_shelf(Path(source)) and out is None and not options:
            self.latest = open_shelf(source)
        else:
            raise SettingsError(
                "A shelf needs a teacher: ShelfPanel(tree, teacher=sdgkit.connect(...)).",
                setting="teacher",
            )
        if self.latest.plans:
            self._plan_sentence = _plan_sentence(self.latest)

    # Running --------------------------------------------------------------------------------------

    async def run(self) -> Shelf:
        """Show the panel, work on all skills, and return the shelf.

        The Cancel button works meanwhile, and so does interrupting the kernel. A cancelled shelf is
        returned.

        Raises:
            SdgkitError: Which of its skills failed, and why.
        """
        self.display()
        if self._view is not None:
            self.notice = kernel_limit()
        self.start()
        try:
            while not self.latest.finished:
                await asyncio.sleep(POLL_S)
        except (asyncio.CancelledError, KeyboardInterrupt) as interrupt:
            self.latest.cancel()
            while self.latest.is_running:
                time.sleep(POLL_S)
            kept = f"Finished samples are kept in {self.latest.out}."
            show_in_notebook(interrupt, f"Interrupted. {kept} Run the cell again to resume.")
            raise
        finally:
            self.wait(5.0)
        if self.latest.error is not None:
            raise self.latest.error
        return self.latest

    def start(self) -> "ShelfPanel":
        """Start, resume or repeat all skills, with the prompts as they are now; returns at once."""
        if self._plan_again is not None and self.latest.finished:
            self.latest = self._plan_again()
        self.latest.start()
        self.watch()
        return self

    def cancel(self) -> None:
        """Cancel all skills within a moment; finished samples are kept."""
        self.latest.cancel()

    def watch(self) -> None:
        """Keep the panel up to date until all are over, even if another process works on them."""
        shelf = self.latest
        self.redraw_until(lambda: shelf.finished)

    def on_show(self) -> None:
        """A shelf that another process works on is watched."""
        if not self.latest.is_running and self.latest.snapshot().whole.is_active:
            self.watch()

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {"start": self.start, "cancel": self.cancel, "skill": self.show_skill}

    def show_skill(self, name: str) -> None:
        """Show a skill's stages and its newest samples.

        Args:
            name: Its path in the tree; "" for none.
        """
        if name and name not in [skill.name for skill in self.latest.skills]:
            raise SettingsError(f"The shelf has no skill {name!r}.", setting="name")
        self._open_name = name

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> ShelfState:
        """What the panel shows now."""
        shelf = self.latest
        snapshot = shelf.snapshot()
        whole = snapshot.whole
        is_active = shelf.is_running or whole.is_active
        plan = ""
        if not is_active and whole.state != "done" and self._plan_sentence:
            plan = f"{self._start_label(snapshot)} sends {self._plan_sentence}"
        return ShelfState(
            sign=whole.state,
            status=status_of(snapshot),
            folder=str(shelf.out),
            error=error_sentence(shelf.error),
            facts=run_facts(whole),
            plan=plan,
            start_label=self._start_label(snapshot),
            can_start=not is_active,
            can_cancel=shelf.is_running and is_active,
            fraction=whole.fraction,
            skills=SkillState.all_of(snapshot),
            opened=OpenSkill.of(self._open_name, snapshot),
        )

    def _start_label(self, snapshot: ShelfSnapshot) -> str:
        if not self.latest.plans:
            return ""
        if self.latest.is_running or snapshot.state == "new":
            return "Start"
        if snapshot.state == "done":
            return "Run again"
        return "Resume"


def _plan_sentence(shelf: Shelf) -> str:
    """What the skills ask for at most, all together."""
    samples = 0
    requests = 0
    demand: Demand | None = Demand(0, 0)
    costs_money = False
    for plan in shelf.plans.values():
        workload = Workload.of(plan)
        samples += workload.samples
        requests += workload.requests
        of_skill = demand_of(plan)
        if demand is not None and of_skill is not None:
            demand = demand.plus(of_skill)
        else:
            demand = None  # one that is not known makes the sum unknown
        costs_money = costs_money or plan.teacher_kind != REHEARSAL
    sentence = f"up to {pluralize(requests, 'request')} for at most {pluralize(samples, 'sample')}"
    if demand is not None:
        sentence += f": {demand}"
        prices = prices_of(None, None)
        if prices is not None and costs_money:
            cost = prices.cost(demand.prompt_tokens, demand.completion_tokens)
            sentence += f", for {format_amount(cost)} at your prices"
    return f"{sentence}. Recorded replies are reused."
