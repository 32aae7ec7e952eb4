"""A shelf, as users hold it: start it, wait for it, cancel it, look at it, take its samples.

Every skill is a run of its own in a folder of its own, which `open_run` opens. All of them ask one
teacher, whose slots they share: the next skill begins as soon as a slot would otherwise be idle.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from sdgkit.errors import (
    RunBeginning,
    RunError,
    SdgkitError,
    SettingsError,
    TeacherRefused,
    TeacherUnreachable,
    as_sdgkit_error,
    show_in_notebook,
)
from sdgkit.files import JOURNAL_FILE, refuse_way_out
from sdgkit.formatting import format_samples, pluralize
from sdgkit.keywords import known_keywords
from sdgkit.recorded import read_file
from sdgkit.run import Run, open_run
from sdgkit.run.elsewhere import Elsewhere
from sdgkit.run.folder import write_values
from sdgkit.run.plan import Plan
from sdgkit.run.snapshot import Funnel, Snapshot
from sdgkit.shelf.display import ShelfPage
from sdgkit.shelf.snapshot import ShelfSnapshot, snapshot_of
from sdgkit.skill_folder import DEFAULT_WEIGHT
from sdgkit.teachers import Teacher

SHELF_FILE = "shelf.json"
"""What a shelf's folder is known by: the names of its skills, in order, and their weights."""

LOOK_S = 0.02
"""Seconds between two looks for an idle slot."""

NOTES_S = 0.1
"""Seconds between two looks for new notes while waiting."""

CANCEL_S = 30.0
"""Seconds that cancelled runs may take to write their files."""

FAULTS_SHOWN = 10  # in the message of an error


@dataclass(frozen=True)
class ShelfSkill:
    """A skill of a shelf, as `shelf.json` records it.

    Attributes:
        name: Its path in the tree, and its folder's path in the shelf's.
        weight: How much of a mixed training set it gets, compared with the others.
    """

    name: str
    weight: float = DEFAULT_WEIGHT


@dataclass(frozen=True)
class ShelfRecord:
    """What `shelf.json` holds."""

    skills: Sequence[ShelfSkill] = field(default_factory=tuple)


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
        error: What stopped the shelf, or made skills fail; None if nothing did.
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
        self.error: SdgkitError | None = None
        self._plans = plans
        self._reuse = reuse
        self._elsewhere: Elsewhere | None = None
        self._notes: deque[str] = deque()
        self._say = on_note or self._notes.append
        self._runs: dict[str, Run] = {}
        self._errors: dict[str, SdgkitError] = {}
        self._starting = ""  # its journal may have no tables yet
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._begun_at = 0.0
        self._ended_at: float | None = None

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
            elsewhere: What `sdgkit.RayCluster.join` gives.

        Raises:
            SettingsError: They would start their teachers anew for each skill.
        """
        if elsewhere.starts_teachers:
            raise SettingsError(
                "The workers of a cluster cannot start their teachers (serve, --serve) for several "
                "skills: each skill would start them anew. Start the teachers yourself and give "
                "their addresses, or run the skills one by one.",
                setting="serve",
            )
        self._elsewhere = elsewhere

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
        refuse_way_out(self._folder / SHELF_FILE)
        self._folder.mkdir(parents=True, exist_ok=True)
        skills = [vars(skill) for skill in self.skills]
        write_values(self._folder / SHELF_FILE, {"skills": skills})
        self._cancelled.clear()
        self._begun_at = time.monotonic()
        self._ended_at = None
        waiting = deque(self._new_run(skill.name, self._plans) for skill in self.skills)
        self._thread = threading.Thread(
            target=self._work, args=[waiting], name="sdgkit-shelf", daemon=True
        )
        self._thread.start()
        return self

    def wait(self, timeout: float | None = None) -> "Shelf":
        """Wait until all skills are over, and print notes meanwhile.

        Ctrl-C cancels the shelf; finished samples are kept.

        Args:
            timeout: Seconds after which to return anyway (default: never).

        Raises:
            SdgkitError: What stopped the shelf, or which of its skills failed, and why.
        """
        thread = self._thread
        if thread is None:
            return self
        deadline = None
        if timeout is not None:
            deadline = time.monotonic() + timeout
        try:
            while thread.is_alive() and (deadline is None or time.monotonic() < deadline):
                left = NOTES_S
                if deadline is not None:
                    left = deadline - time.monotonic()
                thread.join(max(0.0, min(NOTES_S, left)))
                self._print_notes()
        except KeyboardInterrupt as interrupt:
            self.cancel()
            thread.join(CANCEL_S)
            kept = f"Finished samples are kept in {self.out}. Run it again to resume."
            show_in_notebook(interrupt, f"Interrupted. {kept}")
            raise
        finally:
            self._print_notes()
        if not thread.is_alive() and self.error is not None:
            raise self.error
        return self

    def cancel(self) -> None:
        """Stop within a moment. Finished samples are kept and written; `start` resumes."""
        self._cancelled.set()
        for run in list(self._runs.values()):
            run.cancel()

    def _new_run(self, name: str, plans: Mapping[str, Plan]) -> tuple[str, Run]:
        # Its notes stay with the run; of twenty skills they would be a wall of text.
        return name, Run(
            plans[name],
            self.out / name,
            reuse=self._reuse,
            on_note=_keep,
            elsewhere=self._elsewhere,
        )

    def _work(self, waiting: deque[tuple[str, Run]]) -> None:
        """Work on all runs that wait; in a thread of its own."""
        active: dict[str, Run] = {}
        while waiting or active:
            for name, run in list(active.items()):
                if not run.is_running:
                    del active[name]
                    self._end(name, run)
            if self._cancelled.is_set() or self._is_hopeless():
                waiting.clear()
            elif waiting and self._has_idle_slot(active):
                name, run = waiting.popleft()
                if self._begin(name, run):
                    active[name] = run
            time.sleep(LOOK_S)
        self._ended_at = time.monotonic()
        self.error = self._failure()

    def _has_idle_slot(self, active: Mapping[str, Run]) -> bool:
        """Whether the runs that are active leave a slot of the teacher idle."""
        if self._elsewhere is not None:
            return not active  # the workers of one skill share all slots
        snapshots = [run.snapshot() for run in active.values()]
        if any(snapshot.state == "paused" for snapshot in snapshots):
            return False
        has_just_begun = any(not (one.requests or one.reused or one.in_flight) for one in snapshots)
        return not has_just_begun and sum(one.in_flight for one in snapshots) < self._slots

    def _begin(self, name: str, run: Run) -> bool:
        """Start a run; whether that worked."""
        self._starting = name
        try:
            run.start()
            self._runs[name] = run
            return True
        except SdgkitError as error:
            self._errors[name] = error
        except Exception as error:
            self._errors[name] = as_sdgkit_error(error, f"{name} could not be started")
        finally:
            self._starting = ""
        self._say(f"{name}: {self._errors[name]}")
        return False

    def _end(self, name: str, run: Run) -> None:
        snapshot = run.snapshot()
        if isinstance(run.error, Exception):
            self._errors[name] = as_sdgkit_error(run.error, f"{name} failed")
        kept = format_samples(snapshot.samples, snapshot.distinct_answers)
        reason = ""
        if snapshot.message:
            reason = f" {snapshot.message}"
        self._say(f"{name}: {snapshot.state}, {kept}.{reason}")

    def _is_hopeless(self) -> bool:
        """Whether the teacher is gone for good, so that the skills that wait would fail, too."""
        gone = (TeacherRefused, TeacherUnreachable)
        return any(isinstance(error, gone) for error in self._errors.values())

    def _failure(self) -> SdgkitError | None:
        if not self._errors:
            return None
        lines = [f"{name}: {error}" for name, error in self._errors.items()]
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

    def _print_notes(self) -> None:
        while self._notes:
            print(self._notes.popleft())

    # Looking --------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether this process is working on it now, the writing of files included."""
        return self._thread is not None and self._thread.is_alive()

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
        if name in self._runs:
            return self._runs[name]
        return open_run(self._folder / name)

    def runs(self) -> Iterator[tuple[ShelfSkill, Run]]:
        """The skills that have begun, each with its run, in order."""
        for entry in self.skills:
            if self._has_begun(entry.name):
                yield entry, self.run(entry.name)

    def _has_begun(self, name: str) -> bool:
        if name == self._starting:
            return False
        return name in self._runs or (self._folder / name / JOURNAL_FILE).exists()

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
        for name, error in self._errors.items():
            if states[name].state not in ("failed", "cancelled"):
                states[name] = Snapshot(state="failed", message=str(error))
        wall_s = 0.0
        if self._begun_at:
            wall_s = (self._ended_at or time.monotonic()) - self._begun_at
        return snapshot_of(
            states,
            wall_s=wall_s,
            slots=self._slots,
            is_running=self.is_running,
            message=str(self.error or ""),
        )

    @property
    def funnel(self) -> Funnel:
        """Rows in, tried, out and dropped by reason, stage by stage, of all skills together."""
        return Funnel(self.snapshot().whole.stages)

    @property
    def _slots(self) -> int:
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
    refuse_way_out(path / SHELF_FILE)
    record = read_file(ShelfRecord, path / SHELF_FILE)
    for entry in record.skills:
        parts = PurePosixPath(entry.name).parts
        if not parts or ".." in parts or PurePosixPath(entry.name).is_absolute():
            raise RunError(
                f"{path / SHELF_FILE} names a skill outside of the folder. Remove it.", folder=path
            )
    return Shelf(None, path, record.skills)


def _keep(note: str) -> None:
    """Say nothing: a run keeps its notes."""


def is_shelf(folder: Path) -> bool:
    """Whether a folder holds a shelf."""
    with suppress(OSError):
        return (folder / SHELF_FILE).is_file()
    return False
