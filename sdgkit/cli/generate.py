"""`sdgkit generate`: the job itself."""

import shlex
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.cli.cluster import ClusterOptions, cluster_options, join, prepared, refuse_teacher
from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.documents import estimate_document
from sdgkit.cli.exit_status import DONE
from sdgkit.cli.option_groups import OptionGroup, option_group, rehearsal_options
from sdgkit.cli.options import (
    SEEDS_HELP,
    JobOptions,
    JudgeOptions,
    LimitOptions,
    OutputOptions,
    SeedOptions,
    TeacherOptions,
    job_options,
    judge_options,
    limit_options,
    output_options,
    reports_progress,
    seed_options,
    teacher_options,
)
from sdgkit.cli.output import print_document
from sdgkit.cli.runs import print_ending
from sdgkit.cli.terminal import REHEARSAL_SAMPLES, is_live, say, tell
from sdgkit.cli.value_types import AMOUNT
from sdgkit.errors import SdgkitError, SettingsError
from sdgkit.formatting import pluralize, visible
from sdgkit.seeds import are_seeds
from sdgkit.teachers.settings_file import JOB_SETTINGS

if TYPE_CHECKING:
    from sdgkit.run import Run
    from sdgkit.run.elsewhere import Elsewhere
    from sdgkit.run.plan import Plan
    from sdgkit.teachers import Teacher

FRAME_S = 1 / 8
STOP_S = 5.0  # how long an interrupted run may take to write its files
FAULTS = (
    "mean_latency_ms",
    "slots",
    "error_rate",
    "rate_limit",
    "drop_rate",
    "hang_rate",
    "malformed_rate",
)


@dataclass(frozen=True)
class TrialOptions(OptionGroup):
    """Whether to try a few rows only, and what tokens cost."""

    dry_run: bool = False
    price_prompt: float | None = None
    price_completion: float | None = None


@command(takes=JOB_SETTINGS)
@reports_progress
@argument(
    "seeds",
    metavar="SEEDS",
    help=f"{SEEDS_HELP}; or the folder of a skill, of several skills, or of a run "
    "(`sdgkit lab --no-open` copies some seed files)",
)
@seed_options
@teacher_options
@judge_options
@limit_options
@job_options
@output_options
@cluster_options
@option_group(
    "trial",
    TrialOptions,
    option(
        "--dry-run",
        is_flag=True,
        section="Before you pay",
        help="try a few rows end to end, and estimate the cost and yield of the whole run",
    ),
    option(
        "--price-in",
        "price_prompt",
        metavar="PRICE",
        type=AMOUNT,
        section="Before you pay",
        help="price of a million prompt tokens",
    ),
    option(
        "--price-out",
        "price_completion",
        metavar="PRICE",
        type=AMOUNT,
        section="Before you pay",
        help="price of a million completion tokens",
    ),
)
@option(
    "--only",
    metavar="PATTERN",
    multiple=True,
    help="which skills of a tree to run, such as 'writing/**'; '!writing/**' leaves them out; "
    "may be repeated",
)
@rehearsal_options("faults", "The rehearsal teacher (to see how a run copes with faults)", FAULTS)
def generate(
    seeds: str,
    reading: SeedOptions,
    teacher: TeacherOptions,
    judge: JudgeOptions,
    limits: LimitOptions,
    job: JobOptions,
    output: OutputOptions,
    cluster: ClusterOptions,
    trial: TrialOptions,
    only: tuple[str, ...],
    faults: dict[str, Any],
) -> int:
    """Generate a training set from seed examples.

    The teacher writes contexts, questions and responses in the style of the seeds, and judges them.
    Run the same command again to resume an interrupted run; recorded requests are not repeated.
    Ctrl-C stops the run and keeps every finished sample. A tree of skills (folders with seeds, or a
    taxonomy with qna.yaml files) runs as a whole, each skill in its own folder below --out.

    Examples:
      sdgkit generate seeds.jsonl                  a rehearsal, without a model
      sdgkit generate seeds.jsonl --base-url http://localhost:8000/v1
      sdgkit generate seeds.jsonl --target 500     until 500 samples are kept
      sdgkit generate seeds.jsonl --dry-run        estimate cost and yield first
      sdgkit generate runs/seeds                   resume or repeat a run
      sdgkit generate skills --out runs/all        all skills in a tree
      sdgkit generate seeds.jsonl --ray auto       on the machines of a Ray cluster
    """
    from sdgkit.cli.shelf import TreeJob, generate_tree
    from sdgkit.method import default_folder, plan, run_folder
    from sdgkit.shelf import is_tree

    if trial.as_typed() and not trial.dry_run:
        raise SettingsError("--price-in and --price-out need --dry-run.", setting="dry_run")
    if is_tree(seeds):
        return generate_tree(
            TreeJob(
                seeds, only, reading, teacher, judge, limits, job, output, cluster, trial, faults
            )
        )
    if only:
        raise SettingsError(
            "--only selects skills in a tree, but this is a single skill. Leave it out.",
            setting="only",
        )
    if run_folder(seeds) is not None:
        # A run that is repeated has settings of its own.
        job = job.as_typed()
        output = output.as_typed()
    # Mistakes in the seeds and the options show before a teacher is connected.
    planned = plan(seeds, **reading.typed(), **job.typed())
    out = Path(output.out or default_folder(seeds) or "")
    with ExitStack() as connections:
        first_notes: list[str] = []
        elsewhere = None
        if cluster and not trial.dry_run:
            elsewhere = join(connections, cluster)
        if cluster.serve and elsewhere is not None:
            refuse_teacher(teacher)
        else:
            teacher_arguments = _recorded_teacher(seeds, teacher) | teacher.typed()
            connected, referee = connect_teachers(
                connections, teacher_arguments, judge, limits, faults
            )
            planned = replace(planned, teacher=connected, judge=referee)
            first_notes = connected.notes
        if trial.dry_run:
            _print_estimate(planned, out, trial)
            return DONE
        if elsewhere is not None:
            planned = prepared(elsewhere, planned, out, teacher, limits)
        tell(opening(planned, out))
        connections.enter_context(without_pandas())
        run = follow(planned, out, output.reuse, first_notes, elsewhere)
    return print_ending(run)


def connect_teachers(
    connections: ExitStack,
    teacher_arguments: dict[str, Any],
    judge: JudgeOptions,
    limits: LimitOptions,
    faults: dict[str, Any],
) -> tuple["Teacher", "Teacher | None"]:
    """Connect the teacher, and the judge if it is another model."""
    from sdgkit.teachers import connect

    teacher = connections.enter_context(connect(**teacher_arguments, **limits.typed(), **faults))
    if not judge:
        return teacher, None
    judge_arguments = judge.connect_arguments(teacher_arguments)
    return teacher, connections.enter_context(connect(**judge_arguments, **limits.typed()))


def _recorded_teacher(seeds: str, teacher: TeacherOptions) -> dict[str, Any]:
    """The rehearsal teacher for a run's folder that was made with it, unless you name another one.

    A folder may come from a stranger, so it never decides where requests and a key are sent: you
    have to name any teacher that is a model.

    Raises:
        SettingsError: A model made the folder, and no option or setting names a teacher.
    """
    from sdgkit.method import run_folder
    from sdgkit.run import open_run
    from sdgkit.run.folder import read_config
    from sdgkit.teachers.settings import REHEARSAL, is_teacher_set

    folder = run_folder(seeds)
    is_named = bool(teacher.kind or teacher.base_url or teacher.model)
    if folder is None or is_named or is_teacher_set():
        return {}
    config = read_config(folder)
    if not config.teacher:
        return {}
    if config.teacher != REHEARSAL:
        model = visible(config.model or config.teacher)
        place = ""
        advice = "--base-url URL or --teacher KIND"
        address = visible(open_run(folder).snapshot().base_url or "")
        if address:
            place = f" at {address}"
            options = " ".join(f"--base-url {shlex.quote(url)}" for url in address.split(", "))
            advice = f"{options}, if that is still right"
        raise SettingsError(
            f"The run in {folder} was made by {model}{place}. A folder does not choose the "
            f"teacher: name the teacher with {advice} (--teacher rehearsal needs none).",
            setting="teacher",
        )
    return {"kind": REHEARSAL}


def _print_estimate(planned: "Plan", out: Path, trial: TrialOptions) -> None:
    from sdgkit.evaluation.estimate import estimate
    from sdgkit.report.tables import beside_seeds

    estimated = estimate(
        planned,
        out,
        price_prompt=trial.price_prompt,
        price_completion=trial.price_completion,
    )
    print_document("estimate", estimate_document(estimated, out))
    requests = pluralize(estimated.asked, "request")
    if estimated.examples:
        say(f"{beside_seeds(estimated.examples)}")
    say(
        f"{estimated}\n\nThis took {requests}. The replies are kept in {out}, and the run reuses "
        "them."
    )
    if planned.teacher is not None and planned.teacher.is_rehearsal:
        say(REHEARSAL_SAMPLES)


def opening(planned: "Plan", out: Path) -> str:
    """What a run is about to do, in a line."""
    teacher = planned.teacher
    judge = planned.judge
    kind = "row"
    if are_seeds(planned.rows):
        kind = "seed example"
    seeds = pluralize(len(planned.rows), kind)
    contexts = planned.settings.get("contexts")
    if contexts:
        seeds = f"{seeds} and {pluralize(len(contexts), 'context')}"
    judged = ""
    if judge:
        judged = f", judged by {judge.model} at {judge.base_url}"
    asked = ""
    if teacher is not None:
        asked = f", with {teacher.model} at {teacher.base_url}"
    return f"{seeds} to {out}{asked}{judged}."


def follow(
    planned: "Plan",
    out: Path,
    reuse: bool,
    first_notes: list[str],
    elsewhere: "Elsewhere | None" = None,
) -> "Run":
    """Run the plan and show its progress until it is over. Ctrl-C stops it within a moment."""
    from sdgkit.cli.progress import ProgressView
    from sdgkit.run import Run

    notes = deque(first_notes)  # the run adds to it from its own thread; this thread prints it
    run = Run(planned, out, reuse=reuse, on_note=notes.append, elsewhere=elsewhere)
    try:
        run.start()
        renewable = _teachers_with_renewable_keys(run)
        with ProgressView() as view:
            while not run.finished:
                _print_all(notes)
                run.wait(FRAME_S)
                view.show(run.snapshot())
                for teacher in renewable:
                    if teacher.wants_key:
                        view.ask_for_key(teacher)
        run.wait()
    except BaseException as error:
        was_started = run.is_running or run.error is not None
        run.cancel()  # the terminal that reads all this may be what went away
        with suppress(SdgkitError):
            run.wait(STOP_S)
        if isinstance(error, SdgkitError) and was_started:
            error.add_note(
                f"Every finished sample is kept in {run.out}. Run the same command again to resume."
            )
        raise
    finally:
        _print_all(notes)
    return run


def _teachers_with_renewable_keys(run: "Run") -> list["Teacher"]:
    """The teachers for which you can type a new key at the terminal when one expires."""
    if not (is_live() and sys.stdin.isatty()):
        return []
    renewing = []
    for teacher in run.teachers:
        if teacher.offer_renewal():
            renewing.append(teacher)
    return renewing


def _print_all(notes: deque[str]) -> None:
    while notes:
        tell(notes.popleft())


class _NoPandas:
    """An import hook that keeps pandas out of this process.

    pyarrow loads it with its first array, which costs half a second and 60 MB for nothing.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Asked at every import; raising says that there is no such module."""
        if name == "pandas":
            raise ModuleNotFoundError("sdgkit generate does without pandas.", name=name)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Keep pandas out of this process while the block runs."""
    hook: Any = _NoPandas()
    sys.meta_path.insert(0, hook)
    try:
        yield
    finally:
        sys.meta_path.remove(hook)
