"""A shelf, as users hold it: start it, wait for it, cancel it, look at it, take its samples.

Every skill is a run of its own in a folder of its own, which `open_run` opens. All of them ask one
teacher, whose slots they share: the next skill begins as soon as a slot would otherwise be idle.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sdgkit.errors import (
    RunBeginning,
    RunError,
    SdgkitError,
    SettingsError,
    show_in_notebook,
)
from sdgkit.files import JOURNAL_FILE
from sdgkit.formatting import pluralize
from sdgkit.keywords import known_keywords, known_keywords_throughout
from sdgkit.run import Run, open_run
from sdgkit.run.elsewhere import Elsewhere
from sdgkit.run.notes import say_nothing
from sdgkit.run.plan import Plan
from sdgkit.run.snapshot import Funnel, Snapshot
from sdgkit.shelf.display import ShelfPage
from sdgkit.shelf.record import SHELF_FILE, ShelfSkill, is_shelf, read_record, write_record
from sdgkit.shelf.snapshot import ShelfSnapshot, snapshot_of
from sdgkit.shelf.work import ShelfWork
from sdgkit.teachers import Teacher

NOTES_S = 0.1
"""Seconds between two looks for new notes while waiting."""

CANCEL_S = 30.0
"""Seconds that cancelled runs may take to write their files."""

FAULTS_SHOWN = 10  # in the message of an error


@known_keywords_throughout
class Shelf:
    """Several skills that one teacher works on. Get one from `generate_shelf` or `open_shelf`.

    Args:
        plans: The plan of each skill, by name; None for a shelf that was opened read-only.
        out: The shelf's folder.
        skills: The skills, in order.
        reuse: Continue in folders of other jobs and reuse their replies where they fit.
        on_note: Called with each sentence that the user should read. By default `wait` prints them.

    Attributes:
        out: The shelf's folder.
        skills: The skills, in order.
    """

    def __init__(
        self,
        plans: Mapping[str, Plan] | None,
        out: str | Path,
        skills: Sequence[ShelfSkill],
        *,
        reuse: bool = False,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self.out = Path(out)
        self._folder = self.out.absolute()  # the working folder may change while it runs
        self.skills = tuple(skills)
        self._plans = plans
        self._reuse = reuse
        self._elsewhere: Elsewhere | None = None
        self._notes: deque[str] = deque()
        self._say = on_note or self._notes.append
        self._work: ShelfWork | None = None

    def __repr__(self) -> str:
        whole = self.snapshot().whole
        skills = pluralize(len(self.skills), "skill")
        samples = pluralize(whole.samples, "sample")
        return f"Shelf({str(self.out)!r}, {whole.state}, {skills}, {samples})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the whole, and each skill with its state, samples and files."""
        return ShelfPage.of(self.snapshot(), self.out, self._folder).as_html()

    @property
    def plans(self) -> Mapping[str, Plan]:
        """What is done for each skill, by name; empty for a shelf that was opened."""
        return self._plans or {}

    def ask(self, teacher: Teacher, judge: Teacher | None = None) -> None:
        """Choose the teacher of all skills, and the judge; before the shelf is started."""
        plans = self.plans.items()
        plans_asking = {}
        for name, planned in plans:
            plans_asking[name] = replace(planned, teacher=teacher, judge=judge)
        self._plans = plans_asking

    def work_on(self, elsewhere: Elsewhere) -> None:
        """Let other machines work on the skills, one skill after the other; before it is started.

        Args:
            elsewhere: The value of `sdgkit.RayCluster.join`.

        Raises:
            SettingsError: They would start their teachers again for each skill.
        """
        if elsewhere.starts_teachers:
            raise SettingsError(
                "The workers of a cluster cannot start their teachers (serve, --serve) for several "
                "skills: each skill would start them again. Start the teachers yourself and give "
                "their addresses, or run the skills one by one.",
                setting="serve",
            )
        self._elsewhere = elsewhere
        for note in elsewhere.notes:
            self._say(note)

    # Working --------------------------------------------------------------------------------------

    def start(self) -> "Shelf":
        """Start the shelf, or resume it; returns at once.

        Raises:
            RunError: The folder cannot be used, or the shelf was opened read-only.
        """
        if self.is_running:
            return self
        if self._plans is None:
            raise RunError(
                "This shelf was opened read-only. To resume it, call sdgkit.generate_shelf with "
                "the same tree and folder.",
                folder=self.out,
            )
        write_record(self._folder, self.skills)
        runs = {}
        for skill in self.skills:
            runs[skill.name] = self._new_run(skill.name, self._plans[skill.name])
        self._work = ShelfWork(
            runs,
            self._count_slots,
            one_by_one=self._elsewhere is not None,  # the workers of one skill share all slots
            say=self._say,
        )
        return self

    def wait(self, timeout: float | None = None) -> "Shelf":
        """Wait until all skills are over, and print notes as they come.

        Ctrl-C cancels the shelf; finished samples are kept.

        Args:
            timeout: Seconds after which to return anyway (default: never).

        Raises:
            SdgkitError: What stopped the shelf, or which of its skills failed, and why.
        """
        work = self._work
        if work is None:
            return self
        deadline = None
        if timeout is not None:
            deadline = time.monotonic() + timeout
        try:
            while work.is_running and (deadline is None or time.monotonic() < deadline):
                left = NOTES_S
                if deadline is not None:
                    left = deadline - time.monotonic()
                work.join(max(0.0, min(NOTES_S, left)))
                self._print_notes()
        except KeyboardInterrupt as interrupt:
            self.cancel()
            work.join(CANCEL_S)
            kept = f"Finished samples are kept in {self.out}. Run it again to resume."
            show_in_notebook(interrupt, f"Interrupted. {kept}")
            raise
        finally:
            self._print_notes()
        error = self.error
        if error is not None:
            raise error
        return self

    def cancel(self) -> None:
        """Stop within a moment. Finished samples are kept and written; `start` resumes."""
        if self._work is not None:
            self._work.cancel()

    def _new_run(self, name: str, plan: Plan) -> Run:
        return Run(
            plan,
            self.out / name,
            reuse=self._reuse,
            on_note=say_nothing,  # of twenty skills the notes would be a wall of text
            elsewhere=self._elsewhere,
        )

    def _print_notes(self) -> None:
        while self._notes:
            print(self._notes.popleft())

    # Looking --------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether this process is working on it now, including the writing of files."""
        return self._work is not None and self._work.is_running

    @property
    def error(self) -> SdgkitError | None:
        """What made skills fail; None if nothing did, and while the shelf is running."""
        if self._work is None or self._work.is_running or not self._work.errors:
            return None
        lines = [f"{name}: {error}" for name, error in self._work.errors.items()]
        shown = "\n".join(lines[:FAULTS_SHOWN])
        more = ""
        if len(lines) > FAULTS_SHOWN:
            more = f"\n… and {len(lines) - FAULTS_SHOWN} more."
        failed = pluralize(len(lines), "skill")
        return RunError(
            f"{failed} of {len(self.skills)} failed. Run the same command again to resume.\n"
            f"{shown}{more}",
            folder=self.out,
        )

    @property
    def finished(self) -> bool:
        """Whether all skills are over and their files are written."""
        return not self.is_running and self.state not in ("new", "running", "paused")

    @property
    def state(self) -> str:
        """`new`, `running`, `paused`, `done`, `cancelled`, `failed` or `interrupted`."""
        return self.snapshot().state

    def run(self, name: str) -> Run:
        """The run of a skill.

        Args:
            name: The skill's path in the tree, such as `writing/mail`.

        Raises:
            SettingsError: The shelf has no skill of that name.
            RunError: It has yet to begin.
        """
        if name not in [skill.name for skill in self.skills]:
            raise SettingsError(f"The shelf has no skill {name!r}.", setting="name")
        if self._work is not None and name in self._work.runs:
            return self._work.runs[name]
        return open_run(self._folder / name)

    def runs(self) -> Iterator[tuple[ShelfSkill, Run]]:
        """The skills that have begun, each with its run, in order."""
        for entry in self.skills:
            if self._has_begun(entry.name):
                yield entry, self.run(entry.name)

    def _has_begun(self, name: str) -> bool:
        if self._work is not None:
            if name == self._work.starting:
                return False
            if name in self._work.runs:
                return True
        return (self._folder / name / JOURNAL_FILE).exists()

    def _state_of(self, name: str) -> Snapshot:
        """The state of a skill; a folder that cannot be read is that skill's failure alone."""
        if self._has_begun(name):
            try:
                return self.run(name).snapshot()
            except RunBeginning:
                pass
            except RunError as error:
                return Snapshot(state="failed", message=str(error))
        return Snapshot(state="new")

    def snapshot(self) -> ShelfSnapshot:
        """The state of the shelf now. May be called from any thread."""
        states = {skill.name: self._state_of(skill.name) for skill in self.skills}
        wall_s = 0.0
        if self._work is not None:
            wall_s = self._work.wall_s
            for name, error in list(self._work.errors.items()):
                if states[name].state not in ("failed", "cancelled"):
                    states[name] = Snapshot(state="failed", message=str(error))
        return snapshot_of(
            states,
            wall_s=wall_s,
            slots=self._count_slots(),
            is_running=self.is_running,
            message=str(self.error or ""),
        )

    @property
    def funnel(self) -> Funnel:
        """Rows in, tried, out and dropped by reason, stage by stage, of all skills together."""
        return Funnel(self.snapshot().whole.stages)

    def _count_slots(self) -> int:
        teachers = {}
        for planned in self.plans.values():
            for teacher in planned.teachers:
                teachers[id(teacher)] = teacher.slots.total
        return sum(teachers.values())


@known_keywords
def open_shelf(folder: str | Path) -> Shelf:
    """Open the shelf in a folder to look at it, even while another process works on it.

    Args:
        folder: The shelf's folder.

    Raises:
        RunError: The folder holds no shelf.
    """
    path = Path(folder)
    if not is_shelf(path):
        raise RunError(
            f"There is no shelf in {path}: {SHELF_FILE} is missing. Give the --out folder of a "
            "`sdgkit generate TREE`.",
            folder=path,
        )
    return Shelf(None, path, read_record(path).skills)
