"""`sdgkit generate`: the job itself."""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdgkit.cli.interrupts import Interrupts
from sdgkit.cli.options import Job, Judge, Manners, Output, Place, Rehearsal, Trial, command_line, takes
from sdgkit.cli.terminal import complain, counted, is_live, say
from sdgkit.errors import SdgkitError, SettingsError

if TYPE_CHECKING:
    from sdgkit.plans import Plan
    from sdgkit.run import Run
    from sdgkit.teachers import Teacher

STOP_S = 5.0  # for a run to write its files when it is stopped in passing


@dataclass(frozen=True)
class Asked:
    """What the command line said."""

    seeds: str
    place: Place
    judge: Judge
    manners: Manners
    job: Job
    output: Output
    rehearsal: Rehearsal
    trial: Trial

    def go_on(self, out: Path) -> str:
        """The command that goes on with this folder's run; its config has all but the teacher's address and manners."""
        groups = (self.place, self.judge, self.manners, self.rehearsal)
        return command_line("generate", str(out), *(word for group in groups for word in group.words()))

    def with_a_teacher(self, out: Path) -> str:
        """The command that does the same job with a real teacher, in a folder of its own."""
        there = ("--base-url", "http://localhost:8000/v1", "--out", f"{out}-real")
        return command_line("generate", self.seeds, *self.job.words(), *there)


class WithoutPandas:
    """Keeps pandas out of this process: pyarrow loads it with its first array, half a second and 60 MB for nothing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Asked at every import; to raise is to say that there is no such module."""
        if name == "pandas":
            raise ModuleNotFoundError("sdgkit generate does without pandas.", name=name)


@takes(place=Place, judge=Judge, manners=Manners, job=Job, output=Output, trial=Trial, rehearsal=Rehearsal)
def generate(
    seeds: Annotated[str | None, typer.Argument(metavar="SEEDS", show_default=False)] = None,
    *,
    place: Place,
    judge: Judge,
    manners: Manners,
    job: Job,
    output: Output,
    trial: Trial,
    rehearsal: Rehearsal,
) -> Callable[[], int]:
    """Make a training set from seed examples: contexts, questions and responses in their style, judged by the teacher.

    SEEDS is a file (jsonl, json, csv, parquet, or an InstructLab qna.yaml), or the folder of a run to go on with. The
    same command again goes on where it stopped and asks nothing twice. Ctrl-C stops it; what is finished is kept.

    Examples:
      sdgkit generate seeds.jsonl                  a rehearsal, without any model
      sdgkit generate seeds.jsonl --base-url http://localhost:8000/v1
      sdgkit generate seeds.jsonl --target 500     until 500 samples are kept
      sdgkit generate seeds.jsonl --dry-run        what it would take, and bring
      sdgkit generate runs/seeds                   go on with a run
    """
    if seeds is None:
        raise SettingsError(
            "Say which seed examples: sdgkit generate SEEDS "
            "(a jsonl, json, csv, parquet or qna.yaml file, or a run's folder). "
            "To try it, `sdgkit lab --no-open` copies the tutorials' seed files into ./sdgkit-tutorials."
        )
    if not trial.dry_run and trial.given():
        raise SettingsError("--price-in and --price-out belong to --dry-run.")
    asked = Asked(seeds, place, judge, manners, job, output, rehearsal, trial)
    return lambda: _generate(asked)


def _generate(asked: Asked) -> int:
    interrupts = Interrupts()
    try:
        plan, out = _planned(asked)
        teacher = _connected(asked)
        teachers = [teacher]
        if asked.judge.given():
            teachers.append(_judge(asked))
    except KeyboardInterrupt:
        complain("Interrupted before anything was asked.")
        return interrupts.status
    with_teacher = replace(plan, teacher=teacher, judge=teachers[1] if len(teachers) > 1 else None)
    sys.meta_path.insert(0, WithoutPandas())
    try:
        if asked.trial.dry_run:
            return _estimated(with_teacher, out, asked)
        run = _followed(with_teacher, out, bool(asked.output.reuse), interrupts)
        return _closed(run, out, asked, interrupts)
    finally:
        for one in teachers:
            one.close()


def _estimated(plan: "Plan", out: Path, asked: Asked) -> int:
    from sdgkit.cli.closing import REHEARSED
    from sdgkit.estimates import estimate

    found = estimate(plan, out, price_prompt=asked.trial.price_in, price_completion=asked.trial.price_out)
    say(found)
    say(f"\n{counted(found.asked, 'request')} made for this. They are kept in {out}: the run does not repeat them.")
    if plan.teacher is not None and plan.teacher.is_rehearsal:
        say(REHEARSED)
    return 0


def _planned(asked: Asked) -> tuple["Plan", Path]:
    """What to do and where, before any teacher is asked for: a slip in the seeds or the options shows at once."""
    from sdgkit.method import default_folder, plan

    planned = plan(asked.seeds, teacher=None, **asked.job.given())
    out = Path(asked.output.out) if asked.output.out else default_folder(asked.seeds)
    assert out is not None
    return planned, out


def _connected(asked: Asked) -> "Teacher":
    from sdgkit.teachers import connect

    return connect(**_told(asked), **asked.manners.given(), **asked.rehearsal.given())


def _told(asked: Asked) -> dict[str, Any]:
    """Which teacher, in the words of `connect`."""
    from sdgkit.method import run_folder

    folder, told = run_folder(asked.seeds), asked.place.as_told()
    if folder is not None and not {"kind", "base_url", "model"} & told.keys():
        told |= _teacher_before(folder)
    return told


def _judge(asked: Asked) -> "Teacher":
    """Another server with a key of its own, or another model of the teacher's server."""
    from sdgkit.teachers import connect

    where = asked.judge.judge_base_url
    told = {"base_url": where, "api_key": os.environ.get("SDGKIT_JUDGE_API_KEY")} if where else _told(asked)
    if asked.judge.judge_model:
        told["model"] = asked.judge.judge_model
    return connect(**told, **asked.manners.given())


def _teacher_before(folder: Path) -> dict[str, str]:
    """The teacher that a run's folder names (kind and model; no folder holds an address), unless settings name one."""
    from sdgkit.teachers.settings import FILE

    if Path(FILE).exists() or any(os.environ.get(f"SDGKIT_{name}") for name in ("TEACHER", "BASE_URL", "MODEL")):
        return {}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return {"kind": config["teacher"], "model": config["model"]} if config.get("teacher") else {}


def _followed(plan: "Plan", out: Path, reuse: bool, interrupts: Interrupts) -> "Run":
    """The run, shown until it is over; a signal stops it within a moment."""
    from sdgkit.cli.progress import FRAMES_PER_S, Notes, view
    from sdgkit.run import Run

    assert plan.teacher is not None
    notes = Notes()
    run = Run(plan, out, reuse=reuse, on_note=notes.add)
    interrupts.gently = True
    run.start()
    stopping = False
    try:
        say(_introduction(plan, out))
        for note in plan.teacher.notes:
            say(note)
        with view() as shown:
            while not run.finished:
                if interrupts.number and not stopping:
                    stopping = True
                    notes.add("Stopping. (Once more ends it at once.)")
                if stopping:
                    run.cancel()  # more than once: the first may have come before there was anything to cancel
                notes.show_in(shown)
                shown.show(run.snapshot())
                time.sleep(1 / FRAMES_PER_S)
            notes.show_in(shown)
            shown.show(run.snapshot())
    except BaseException:  # such as a closed pipe: nobody is left to see it
        run.cancel()
        with suppress(SdgkitError):
            run.wait(STOP_S)
        raise
    return run


def _introduction(plan: "Plan", out: Path) -> str:
    teacher = plan.teacher
    assert teacher is not None
    model = "the rehearsal teacher" if teacher.is_rehearsal else f"{teacher.model} at {teacher.base_url}"
    seeds, slots = counted(len(plan.rows), "seed example"), counted(teacher.slots.total, "slot")
    judge = f", judged by {plan.judge.model} at {plan.judge.base_url}" if plan.judge is not None else ""
    return f"{seeds} \u2192 {out}, with {model}, {slots}{judge}.\n"


def _closed(run: "Run", out: Path, asked: Asked, interrupts: Interrupts) -> int:
    """The last lines; returns the exit status."""
    from sdgkit.cli.closing import REHEARSED, close, next_steps

    if not is_live():
        say(f"\n{run.funnel!r}")
    if run.warning is not None:
        say(f"\n{run.explain()}")
    try:
        run.wait()
    except SdgkitError as error:
        complain(f"sdgkit generate: {error}")
        complain(f"What is finished is kept in {out}. To go on: {asked.go_on(out)}")
        return 1
    summary = run.summary
    close(out, summary)
    if summary["state"] == "cancelled":
        say(f"To go on: {asked.go_on(out)}")
        if summary["teacher"] == "rehearsal":
            say(REHEARSED)
        return interrupts.status
    next_steps(out, summary, asked.with_a_teacher(out))
    return 0
