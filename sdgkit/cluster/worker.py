"""What a worker does: the rows of its shard, in an ordinary journal in the shard's folder."""

import pickle
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from sdgkit.cluster.messages import (
    Failure,
    Look,
    Serving,
    Shard,
    ShardReport,
    ShardResult,
    Teachers,
)
from sdgkit.cluster.serving import serve
from sdgkit.errors import FolderInUse, as_sdgkit_error
from sdgkit.files import JOURNAL_FILE
from sdgkit.journal import Journal
from sdgkit.run.plan import Plan
from sdgkit.run.profiles import after_study, study_notes, study_of
from sdgkit.run.snapshot import Snapshot, funnel_of, texts_of
from sdgkit.stream import FixedUnits, Stream
from sdgkit.teachers import Teacher, background, connect
from sdgkit.teachers.connection import connect_again

REPORT_S = 0.5
"""Seconds between two reports."""

BEFORE_IT_S = 600.0
"""Seconds to wait for a worker that was given up while it still holds the folder of the shard."""

LOOK_S = 0.5
"""Seconds between two looks whether it does."""

SHARED_MEMORY = "-shm"
"""How SQLite's file for the processes of one machine ends."""


def call(function: str, job: bytes, teachers: bytes, recorded: list[Any], watch: object) -> bytes:
    """Call a function of this file by its name; see `sdgkit.cluster.entrance.enter`."""
    given = pickle.loads(job)
    if function == "look":
        return pickle.dumps(look(given, pickle.loads(teachers)))

    def fetch() -> bytes:
        import ray

        content: bytes = ray.get(recorded[0])
        return content

    tell = _Watch(watch, given.number).tell
    return pickle.dumps(run_shard(given, pickle.loads(teachers), fetch, tell))


class _Watch:
    """The actor to which a worker reports. If it is gone, so is the run: Ray ends the worker."""

    def __init__(self, actor: Any, number: int) -> None:
        self._actor = actor
        self._number = number

    def tell(self, report: ShardReport) -> bool:
        """Report, and return whether the run was cancelled."""
        import ray

        try:
            reply = self._actor.report.remote(self._number, pickle.dumps(report))
            return bool(ray.get(reply))
        except ray.exceptions.RayActorError:
            return False


# A shard ------------------------------------------------------------------------------------------

Fetch: TypeAlias = Callable[[], bytes]
Tell: TypeAlias = Callable[[ShardReport], bool]


def run_shard(shard: Shard, teachers: Teachers, fetch: Fetch, tell: Tell) -> ShardResult:
    """Work on a shard until its rows are finished, or the run is cancelled.

    Args:
        shard: The shard.
        teachers: Whom to ask.
        fetch: Gets the file of the recorded replies, if the worker does not see the run's folder.
        tell: Takes a report, and returns whether the run was cancelled.
    """
    with ExitStack() as resources:
        folder = resources.enter_context(_folder_of(shard))
        is_seen = folder == shard.folder
        report = ShardReport(shard.number)
        tallies: Mapping[int, Mapping[str, int]] = {}
        failure = None
        try:
            work = _Work(shard, folder, fetch, tell)
            try:
                work.carry_out(teachers)
            finally:
                report = work.report()
                tallies = work.tallies()
        except Exception as error:
            failure = _failure(error)
        files = {} if is_seen else _files_of(folder)
    return ShardResult(report, files, failure, tallies)


@contextmanager
def _folder_of(shard: Shard) -> Iterator[Path]:
    """The folder in which the shard is recorded: in the run's, or on this machine's own disk."""
    if _reads(shard.proof, shard.secret):
        yield shard.folder
        return
    prefix = f"sdgkit-{shard.run_name}-"
    session = f"{prefix}{shard.secret}"
    place = Path(tempfile.gettempdir())
    # A worker that was killed left its folder behind. Only one session of a run works at a time.
    for abandoned in place.glob(f"{prefix}*"):
        if not abandoned.name.startswith(session):
            shutil.rmtree(abandoned, ignore_errors=True)
    folder = place / f"{session}-{shard.folder.name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        yield folder
    finally:
        # Only if the worker lives: a successor on this machine would resume here.
        shutil.rmtree(folder, ignore_errors=True)


def _reads(proof: Path, secret: str) -> bool:
    try:
        return proof.read_text("utf-8") == secret
    except OSError:
        return False


def _files_of(folder: Path) -> dict[str, bytes]:
    """The files of the journal in a folder, by name.

    On a full disk its log may hold what could not be moved into the journal itself any more.
    """
    files = {}
    for path in folder.glob(f"{JOURNAL_FILE}*"):
        if not path.name.endswith(SHARED_MEMORY):
            files[path.name] = path.read_bytes()
    return files


def _file_of(folder: Path) -> bytes | None:
    """The file of the journal in a folder; None if nothing was recorded."""
    try:
        return (folder / JOURNAL_FILE).read_bytes()
    except OSError:
        return None


class _Work:
    """The work on a shard.

    Args:
        shard: The shard.
        folder: Where it is recorded.
        fetch: As for `run_shard`.
        tell: As for `run_shard`.
    """

    def __init__(self, shard: Shard, folder: Path, fetch: Fetch, tell: Tell) -> None:
        self._shard = shard
        self._folder = folder
        self._fetch = fetch
        self._tell = tell
        self._teachers: list[Teacher] = []
        self._stream: Stream | None = None
        self._units: FixedUnits | None = None

    def carry_out(self, teachers: Teachers) -> None:
        """Do it. Raises SdgkitError."""
        with ExitStack() as resources:
            earlier = self._earlier(resources)
            journal = resources.enter_context(closing(_journal_of(self._folder, earlier)))
            plan = _connected(self._shard.plan, teachers, self._folder, resources)
            self._teachers = plan.teachers
            finished = journal.begin(plan.edition().as_json(), from_start=self._shard.is_of_target)
            if self._shard.is_of_target:
                self._units = FixedUnits(len(self._shard.units), seeds=len(plan.rows))
            self._stream = Stream(plan, plan.admitted, journal, finished, self._units)
            self._stream.stops_early = False
            self._move(self._stream, plan, journal)

    def _earlier(self, resources: ExitStack) -> Journal | None:
        """The replies that earlier sessions of the run recorded; None without any."""
        place = self._shard.recorded
        if place is None:
            return None
        if self._folder != self._shard.folder:
            place = self._folder / "recorded"
            place.mkdir(exist_ok=True)
            (place / JOURNAL_FILE).write_bytes(self._fetch())
        return resources.enter_context(closing(Journal(place, read_only=True)))

    def _move(self, stream: Stream, plan: Plan, journal: Journal) -> None:
        """Move its rows, and report, until the stream ends."""
        moving = background.submit(stream.run())
        begun = time.monotonic()
        try:
            while not moving.done():
                with suppress(TimeoutError):
                    moving.exception(timeout=REPORT_S)
                if self._tell(self.report()):
                    background.loop().call_soon_threadsafe(stream.cancel)
                background.wait(self._beat(journal, plan, time.monotonic() - begun, "running"))
        finally:
            if not moving.done():
                background.loop().call_soon_threadsafe(stream.cancel)
            moving.result()
        state = "cancelled" if stream.is_cancelled else "done"
        background.wait(self._beat(journal, plan, time.monotonic() - begun, state))

    async def _beat(self, journal: Journal, plan: Plan, wall_s: float, state: str) -> None:
        """Record how far the shard has got, as a run does. On the loop on which it is recorded."""
        assert self._stream is not None
        funnel = funnel_of(plan.pipeline, self._stream.tally, len(plan.rows))
        snapshot = Snapshot(state, funnel, seeds=len(plan.rows), wall_s=wall_s)
        report = self.report()
        journal.beat(
            state,
            snapshot=snapshot.as_json(),
            reused=report.usage.reused,
            retries=report.retries,
            refused=report.usage.refused,
        )

    def tallies(self) -> Mapping[int, Mapping[str, int]]:
        """With a target, the rows of each finished unit, as `Tally.as_json` gives them."""
        if self._units is None:
            return {}
        finished = self._units.finished
        return {unit: tally.as_json() for unit, tally in finished.items()}

    def report(self) -> ShardReport:
        """How far the shard has got."""
        stream = self._stream
        notes = [note for teacher in self._teachers for note in list(teacher.notes)]
        if stream is None:
            return ShardReport(self._shard.number, notes=notes)
        away_reasons = [teacher.away_reason for teacher in self._teachers if teacher.away_reason]
        texts = texts_of(stream.newest_texts)
        return ShardReport(
            number=self._shard.number,
            tally=stream.tally.as_json(),
            usage=replace(stream.usage),
            in_flight=stream.in_flight,
            retries=sum(teacher.retries for teacher in self._teachers),
            away_reason=away_reasons[0] if away_reasons else "",
            notes=notes,
            newest=list(stream.newest.copy()),
            texts=texts,
        )


def _journal_of(folder: Path, earlier: Journal | None) -> Journal:
    """The journal of a shard, once no earlier worker writes it any more.

    A worker that Ray has given up, because its machine did not answer, may still be alive.

    Raises:
        FolderInUse: It is, even after `BEFORE_IT_S`.
    """
    deadline = time.monotonic() + BEFORE_IT_S
    while True:
        try:
            return Journal(folder, earlier=earlier)
        except FolderInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_S)


# Teachers -----------------------------------------------------------------------------------------


def _connected(plan: Plan, teachers: Teachers, folder: Path, resources: ExitStack) -> Plan:
    """The plan with its teachers, connected from this machine."""
    teacher = None
    if teachers.serving is not None:
        teacher = _served(teachers.serving, folder, resources)
    elif teachers.teacher is not None:
        teacher = resources.enter_context(connect_again(teachers.teacher))
    judge = None
    if teachers.judge is not None:
        judge = resources.enter_context(connect_again(teachers.judge))
    return replace(plan, teacher=teacher, judge=judge)


def _served(serving: Serving, folder: Path, resources: ExitStack) -> Teacher:
    """The teacher that this worker starts for itself."""
    base_url = resources.enter_context(serve(serving.command, folder, serving.patience))
    teacher = connect(
        "vllm",
        base_url,
        model=serving.model or None,
        concurrency=serving.concurrency,
        timeout=serving.timeout,
        patience=serving.teacher_patience,
    )
    return resources.enter_context(teacher)


def look(shard: Shard, teachers: Teachers) -> Look:
    """Start the teacher, and study the seeds with it if the plan wants that.

    Args:
        shard: The whole run as one shard.
        teachers: How to start the teacher.
    """
    folder = Path(tempfile.mkdtemp(prefix="sdgkit-look-"))
    try:
        with ExitStack() as resources:
            plan = _connected(shard.plan, teachers, folder, resources)
            return _look_at(plan, folder)
    except Exception as error:
        return Look(failure=_failure(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _look_at(plan: Plan, folder: Path) -> Look:
    teacher = plan.teacher
    assert teacher is not None, "it was just started"
    seen = Look(teacher.kind, teacher.model, teacher.context_length, tuple(teacher.notes))
    if plan.study is None:
        return seen
    with closing(Journal(folder)) as journal:
        journal.begin(plan.edition().as_json())
        study = study_of(plan, journal)
        assert study is not None, "it has a teacher, and prompts for a study"
        outcome = background.wait(study.carry_out())
        notes = study_notes(outcome, plan, None)
    studied = replace(after_study(plan, outcome), teacher=None, judge=None)
    return replace(seen, journal=_file_of(folder), plan=studied, study_notes=notes)


def _failure(error: Exception) -> Failure:
    known = as_sdgkit_error(error, "The worker failed")
    return Failure(type(known).__name__, str(known), platform.node())
