"""Commands about several skills at once: `generate TREE`, `status` of a shelf, and `mix`."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.documents import estimate_document, shelf_document
from sdgkit.cli.exit_status import DONE, FAILED, status_of
from sdgkit.cli.output import print_document
from sdgkit.cli.runs import FORMAT_HELP
from sdgkit.cli.terminal import REHEARSAL_SAMPLES, command_line, say, tell
from sdgkit.cli.value_types import COUNT, Number
from sdgkit.errors import SdgkitError, SettingsError
from sdgkit.formatting import format_drops, pluralize, visible
from sdgkit.funnel import shortfall

if TYPE_CHECKING:
    from sdgkit.cli.cluster import ClusterOptions
    from sdgkit.cli.generate import TrialOptions
    from sdgkit.cli.options import (
        JobOptions,
        JudgeOptions,
        LimitOptions,
        OutputOptions,
        SeedOptions,
        TeacherOptions,
    )
    from sdgkit.run import Run
    from sdgkit.shelf import Shelf, ShelfSkill, ShelfSnapshot
    from sdgkit.teachers import Teacher

FRAME_S = 1 / 8
LOOK_EVERY_S = 0.5
STOP_S = 5.0  # how long interrupted runs may take to write their files
TABLE_WIDTH = 100


@dataclass(frozen=True)
class TreeJob:
    """Everything that was typed after `generate` and a tree.

    Attributes:
        tree: The tree of skills.
        only: Patterns of the skills to take.
        faults: Settings of the rehearsal teacher.
    """

    tree: str
    only: tuple[str, ...]
    reading: "SeedOptions"
    teacher: "TeacherOptions"
    judge: "JudgeOptions"
    limits: "LimitOptions"
    job: "JobOptions"
    output: "OutputOptions"
    cluster: "ClusterOptions"
    trial: "TrialOptions"
    faults: dict[str, Any]


def generate_tree(typed: TreeJob) -> int:
    """Generate for all skills of a tree. Returns the exit status."""
    from sdgkit.cli.cluster import join
    from sdgkit.cli.generate import connect_teachers
    from sdgkit.shelf.generate import default_shelf_folder, plan_shelf

    notes: deque[str] = deque()  # the shelf adds to it from its own thread; this one prints it
    out = Path(typed.output.out or default_shelf_folder(typed.tree))
    options = {**typed.reading.typed(), **typed.job.typed()}
    min_samples = options.pop("min_samples", None)  # of all skills together
    # Mistakes in the seeds and the options show before a teacher is connected.
    shelf = plan_shelf(
        typed.tree,
        out,
        only=typed.only,
        reuse=typed.output.reuse,
        on_note=notes.append,
        **options,
    )
    with ExitStack() as connections:
        teacher, judge = connect_teachers(
            connections, typed.teacher.typed(), typed.judge, typed.limits, typed.faults
        )
        shelf.ask(teacher, judge)
        if typed.trial.dry_run:
            _print_estimates(shelf, teacher, typed.trial)
            return DONE
        skills = pluralize(len(shelf.skills), "skill")
        tell(f"{skills} to {out}, with {teacher.model} at {teacher.base_url}.")
        notes.extend(teacher.notes)
        elsewhere = join(connections, typed.cluster)
        if elsewhere is not None:
            shelf.work_on(elsewhere)
        _follow(shelf, notes)
    return _print_ending(shelf, min_samples)


def _follow(shelf: "Shelf", notes: deque[str]) -> None:
    """Run the shelf and show its progress until it is over. Ctrl-C stops it within a moment."""
    from sdgkit.cli.progress import ProgressView

    try:
        shelf.start()
        with ProgressView() as view:
            while shelf.is_running:
                _print_all(notes)
                time.sleep(FRAME_S)
                view.show(shelf.snapshot().whole)
    except BaseException:
        shelf.cancel()
        _wait_for_files(shelf)
        raise
    finally:
        _print_all(notes)


def _wait_for_files(shelf: "Shelf") -> None:
    deadline = time.monotonic() + STOP_S
    while shelf.is_running and time.monotonic() < deadline:
        time.sleep(FRAME_S)


def _print_all(notes: deque[str]) -> None:
    while notes:
        tell(notes.popleft())


def _print_estimates(shelf: "Shelf", teacher: "Teacher", trial: "TrialOptions") -> None:
    from sdgkit.evaluation.estimate import estimate
    from sdgkit.formatting import format_rough_duration

    documents = {}
    samples = requests = asked = 0
    seconds = cost = 0.0
    for name, planned in shelf.plans.items():
        estimated = estimate(
            planned,
            shelf.out / name,
            price_prompt=trial.price_prompt,
            price_completion=trial.price_completion,
        )
        say(
            f"{name}: about {pluralize(estimated.samples, 'sample')} ({estimated.low} to "
            f"{estimated.high}) for {pluralize(estimated.requests, 'request')}"
        )
        documents[name] = estimate_document(estimated, shelf.out / name)
        samples += estimated.samples
        requests += estimated.requests
        asked += estimated.asked
        seconds += estimated.seconds
        cost += estimated.cost or 0.0
    price = ""
    if cost:
        price = f", at a price of {cost:,.2f}"
    say(
        f"\nAll {len(shelf.plans)} skills: about {pluralize(samples, 'sample')} for "
        f"{pluralize(requests, 'request')}, in {format_rough_duration(seconds)} at most{price}.\n"
        f"This took {pluralize(asked, 'request')}. The replies are kept in {shelf.out}, and the "
        "run reuses them."
    )
    if teacher.is_rehearsal:
        say(REHEARSAL_SAMPLES)
    print_document("shelf_estimate", {"folder": str(shelf.out), "skills": documents})


def show_status(shelf: "Shelf", watch: bool, min_samples: int | None) -> int:
    """Print how far a shelf has got, skill by skill. Returns the exit status."""
    from sdgkit.cli.progress import ProgressView

    snapshot = shelf.snapshot()
    with ProgressView() as view:
        while watch and snapshot.whole.is_active:
            view.show(snapshot.whole)
            time.sleep(LOOK_EVERY_S)
            snapshot = shelf.snapshot()
    _print_snapshot(shelf, snapshot)
    status = _status(shelf, snapshot, min_samples)
    print_document("shelf", shelf_document(shelf, snapshot, status))
    return status


def _print_snapshot(shelf: "Shelf", snapshot: "ShelfSnapshot") -> None:
    from sdgkit.run.snapshot import Funnel

    whole = snapshot.whole
    skills = pluralize(len(shelf.skills), "skill")
    say(f"{shelf.out}: {whole.state}, {skills}, {pluralize(whole.samples, 'sample')}.\n")
    say(_table(snapshot))
    if whole.stages:
        say(f"\n{Funnel(whole.stages)!r}")


def _table(snapshot: "ShelfSnapshot") -> str:
    """A line for each skill: state, samples, why rows were dropped."""
    from rich.console import Console
    from rich.table import Column, Table

    right = [Column(title, justify="right") for title in ("seeds", "samples")]
    table = Table("skill", "state", *right, "dropped", box=None, header_style="")
    for name, skill in snapshot.skills.items():
        dropped: dict[str, int] = {}
        for line in skill.stages:
            for reason, rows in line.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + rows
        if skill.state == "failed":
            why = skill.message
        else:
            why = format_drops(dropped)
        state = skill.state
        if state == "new":
            state = "not begun"
        table.add_row(visible(name), state, f"{skill.seeds:,}", f"{skill.samples:,}", visible(why))
    console = Console(width=TABLE_WIDTH, color_system=None, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().rstrip().splitlines()
    return "\n".join(line.rstrip() for line in lines)


def _print_ending(shelf: "Shelf", min_samples: int | None) -> int:
    snapshot = shelf.snapshot()
    say()
    _print_snapshot(shelf, snapshot)
    is_rehearsed = any(run.part().summary.is_rehearsal for _, run in _finished(shelf))
    if snapshot.whole.samples:
        command = command_line("mix", shelf.out, "--to", "train.jsonl")
        say(f"\nMix a training set  {command}")
    if is_rehearsed:
        say(REHEARSAL_SAMPLES)
    status = _status(shelf, snapshot, min_samples)
    if isinstance(shelf.error, SdgkitError):
        say(f"\n{shelf.error}")
    print_document("shelf", shelf_document(shelf, snapshot, status))
    return status


def _finished(shelf: "Shelf") -> Iterator[tuple["ShelfSkill", "Run"]]:
    """The skills that have begun, each with its run."""
    for skill, run in shelf.runs():
        if (shelf.out / skill.name / "config.json").exists():
            yield skill, run


def _status(shelf: "Shelf", snapshot: "ShelfSnapshot", min_samples: int | None) -> int:
    """The exit status of a shelf: that of its worst skill."""
    whole = snapshot.whole
    if whole.state != "done":
        return status_of(whole, None, min_samples)
    if shelf.error is not None:
        return FAILED
    worst = DONE
    for skill, run in _finished(shelf):
        skill_state = snapshot.skills[skill.name]
        target = run.part().summary.target
        sentence = shortfall(skill_state.samples, target, None)
        if sentence:
            say(f"{skill.name}: {sentence}")
            worst = max(worst, status_of(skill_state, target, None))
    sentence = shortfall(whole.samples, None, min_samples)
    if sentence:
        say(sentence)
    return max(worst, status_of(whole, None, min_samples))


@command()
@argument(
    "sources",
    metavar="RUNS...",
    nargs=-1,
    required=True,
    help="the folder of several skills (generate TREE --out), or the folders of runs",
)
@option("--to", metavar="FILE", required=True, help="where to write, such as train.jsonl")
@option("--format", "-f", metavar="F", default="messages", help=FORMAT_HELP)
@option(
    "--weight",
    "weights",
    metavar="SKILL=W",
    multiple=True,
    help="how often each row of a skill is in the set, on average: 0.5 takes half of them, 2 all "
    "of them twice; SKILL may be a pattern such as 'writing/**'; may be repeated (default: the "
    "weight in the skill's skill.toml, or else 1)",
)
@option("--cap", metavar="N", type=COUNT, help="maximum rows from one skill")
@option(
    "--max-repeat",
    metavar="N",
    type=Number(min=1),
    default=3.0,
    help="maximum weight (default 3)",
)
@option(
    "--with",
    "replays",
    metavar="FILE=SHARE",
    multiple=True,
    help="mix in rows of an existing set (`messages`, or `question` and `response`), as this share "
    "of the whole, such as general.jsonl=0.2; may be repeated",
)
@option(
    "--test-share",
    metavar="SHARE",
    type=float,
    help="share of the contexts to keep for testing, in a second file, or in a split of a "
    "datasets folder (default there 0.1)",
)
def mix(
    sources: tuple[str, ...],
    to: str,
    format: str,
    weights: tuple[str, ...],
    cap: int | None,
    max_repeat: float,
    replays: tuple[str, ...],
    test_share: float | None,
) -> None:
    """Mix several skills into one training set.

    Each row names its skill, and no question appears in two skills. A card with the table of the
    mix is written next to the file.

    Example:
      sdgkit mix runs/all --to train.jsonl
      sdgkit mix runs/all --to train.jsonl --cap 500 --with general.jsonl=0.2
    """
    from sdgkit.shelf.mix import mix as write_mix

    written = write_mix(
        list(sources),
        to,
        format,
        weights=_numbers_by_name("--weight", weights),
        cap=cap,
        max_repeat=max_repeat,
        replay={Path(file): share for file, share in _numbers_by_name("--with", replays).items()},
        test_share=test_share,
    )
    say(f"{written}\n\nWrote {pluralize(written.train, 'row')} to {written.path}")
    if written.test_path is not None:
        say(f"Held out {pluralize(written.test, 'row')} in {written.test_path}")
    say(f"The table is in {written.card}")
    if written.is_rehearsal:
        say(REHEARSAL_SAMPLES)


def _numbers_by_name(option_name: str, typed: tuple[str, ...]) -> dict[str, float]:
    """What was typed as NAME=NUMBER, by name."""
    pairs = {}
    for text in typed:
        name, _, number = text.rpartition("=")
        try:
            pairs[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise SettingsError(
                f"{option_name} {text!r} must be a name and a number: {option_name} NAME=0.5.",
                setting=option_name,
            )
    return pairs
