"""`sdgkit generate`: the job itself."""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdgkit.cli.interrupts import Interrupts
from sdgkit.cli.options import Job, Judge, Manners, Options, Output, Place, Rehearsal, Trial, command_line, takes
from sdgkit.cli.terminal import complain, counted, is_live, say
from sdgkit.errors import SdgkitError, SettingsError

if TYPE_CHECKING:
    from sdgkit.cli.progress import View
    from sdgkit.run import Run
    from sdgkit.run.plans import Plan
    from sdgkit.teachers import Teacher

STOP_S = 5.0  # for a run to write its files when it is stopped in passing
SEEDS = "seed examples: a jsonl, json, csv, parquet or qna.yaml file (`sdgkit lab --no-open` copies some), or a run"


class WithoutPandas:
    """Keeps pandas out of this process: pyarrow loads it with its first array, half a second and 60 MB for nothing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Asked at every import; to raise is to say that there is no such module."""
        if name == "pandas":
            raise ModuleNotFoundError("sdgkit generate does without pandas.", name=name)


@contextmanager
def _without_pandas() -> Iterator[None]:
    finder = WithoutPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@takes(place=Place, judge=Judge, manners=Manners, job=Job, output=Output, trial=Trial, rehearsal=Rehearsal)
def generate(
    seeds: Annotated[str, typer.Argument(metavar="SEEDS", help=SEEDS)],
    *,
    place: Place,
    judge: Judge,
    manners: Manners,
    job: Job,
    output: Output,
    trial: Trial,
    rehearsal: Options,
) -> int:
    """Make a training set from seed examples: the job itself.

    The teacher writes contexts, questions and responses in the style of the seeds, and judges them. The same command
    again goes on where it stopped and asks nothing twice. Ctrl-C stops it; what is finished is kept.

    Examples:
      sdgkit generate seeds.jsonl                  a rehearsal, without any model
      sdgkit generate seeds.jsonl --base-url http://localhost:8000/v1
      sdgkit generate seeds.jsonl --target 500     until 500 samples are kept
      sdgkit generate seeds.jsonl --dry-run        what it would take, and bring
      sdgkit generate runs/seeds                   go on with a run
    """
    from sdgkit.method import default_folder, plan
    from sdgkit.teachers import connect

    if not trial.dry_run and trial.given():
        raise SettingsError("--price-in and --price-out belong to --dry-run.")
    interrupts = Interrupts()
    with ExitStack() as teachers:
        try:
            # Before any teacher is asked for: a slip in the seeds or the options shows at once.
            planned = plan(seeds, teacher=None, **job.given())
            out = Path(output.out or default_folder(seeds) or "")
            told = _teacher_before(seeds, place) | place.told()
            teacher = connect(**told, **manners.given(), **rehearsal.given())
            teachers.callback(teacher.close)
            planned = replace(planned, teacher=teacher)
            if judge.given():
                referee = connect(**judge.told(told), **manners.given())
                teachers.callback(referee.close)
                planned = replace(planned, judge=referee)
        except KeyboardInterrupt:
            complain("Interrupted before anything was asked.")
            return interrupts.status
        teachers.enter_context(_without_pandas())
        if trial.dry_run:
            return _estimated(planned, out, trial)
        run = _followed(planned, out, bool(output.reuse), interrupts)
    # A folder's config has all of the job, but neither the teacher's address nor how to treat it.
    words = [word for group in (place, judge, manners, rehearsal) for word in group.words()]
    again = ["generate", seeds, *job.words()]
    status = _closed(run, out, command_line("generate", str(out), *words), again)
    return interrupts.status if status is None else status


def _teacher_before(seeds: str, place: Place) -> dict[str, str]:
    """The teacher that a run's folder names (kind and model; it holds no address), unless options or settings do."""
    from sdgkit.method import run_folder
    from sdgkit.teachers.settings import FILE

    folder, names = run_folder(seeds), ("TEACHER", "BASE_URL", "MODEL")
    said = Path(FILE).exists() or any(os.environ.get(f"SDGKIT_{name}") for name in names)
    if folder is None or said or {"teacher", "base_url", "model"} & place.given().keys():
        return {}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return {"kind": config["teacher"], "model": config["model"]} if config.get("teacher") else {}


def _estimated(plan: "Plan", out: Path, trial: Trial) -> int:
    from sdgkit.cli.closing import REHEARSED
    from sdgkit.trials.estimates import estimate

    found = estimate(plan, out, price_prompt=trial.price_in, price_completion=trial.price_out)
    say(found)
    say(f"\n{counted(found.asked, 'request')} made for this. They are kept in {out}: the run does not repeat them.")
    if plan.teacher is not None and plan.teacher.is_rehearsal:
        say(REHEARSED)
    return 0


def _followed(plan: "Plan", out: Path, reuse: bool, interrupts: Interrupts) -> "Run":
    """The run, shown until it is over; a signal stops it within a moment."""
    from sdgkit.cli.progress import FRAMES_PER_S, View
    from sdgkit.run import Run

    assert plan.teacher is not None
    notes: deque[str] = deque(plan.teacher.notes)  # more come from the run's thread; this one says them
    run = Run(plan, out, reuse=reuse, on_note=notes.append)
    interrupts.gently = True
    # Where somebody sits, a key that expires is asked for.
    promised = [one for one in run.teachers if is_live() and sys.stdin.isatty() and one.promise_key()]
    run.start()
    stopping = over = False
    try:
        say(_introduction(plan, out))
        with View() as view:
            while not over:
                over = run.finished
                if interrupts.number:
                    if not stopping:
                        notes.append("Stopping. (Once more ends it at once.)")
                    stopping = True
                    run.cancel()  # more than once: the first may have come before there was anything to cancel
                while notes:
                    say(notes.popleft())
                view.show(run.snapshot())
                for teacher in promised:
                    if teacher.wants_key and not interrupts.number:
                        _renew(teacher, view, interrupts)
                time.sleep(0 if over else 1 / FRAMES_PER_S)
    except BaseException:  # such as a closed pipe: nobody is left to see it
        run.cancel()
        with suppress(SdgkitError):
            run.wait(STOP_S)
        raise
    return run


def _renew(teacher: "Teacher", view: "View", interrupts: Interrupts) -> None:
    """Have a fresh key typed; Ctrl-C instead of it stops the run as always."""
    interrupts.gently = False
    with suppress(KeyboardInterrupt, EOFError):
        try:
            teacher.renew(view.ask_for_key(f"{teacher.model} no longer accepts the key."))
        except SettingsError as error:
            say(error)
    interrupts.gently = True


def _introduction(plan: "Plan", out: Path) -> str:
    teacher = plan.teacher
    assert teacher is not None
    model = "the rehearsal teacher" if teacher.is_rehearsal else f"{teacher.model} at {teacher.base_url}"
    seeds, slots = counted(len(plan.rows), "seed example"), counted(teacher.slots.total, "slot")
    judge = f", judged by {plan.judge.model} at {plan.judge.base_url}" if plan.judge is not None else ""
    return f"{seeds} to {out}, with {model}, {slots}{judge}."


def _closed(run: "Run", out: Path, go_on: str, again: list[str]) -> int | None:
    """The last lines; returns the exit status, None for that of the signal that stopped the run."""
    from sdgkit.cli.closing import close

    if not is_live():
        say(f"\n{run.funnel!r}")
    if run.warning is not None:
        say(f"\n{run.explain()}")
    try:
        run.wait()
    except SdgkitError as error:
        complain(f"sdgkit generate: {error}\nWhat is finished is kept in {out}. To go on: {go_on}")
        return 1
    close(out, run.summary, again, go_on=go_on)
    return None if run.state == "cancelled" else 0
