"""The grounded-skills method of LAB (arXiv 2403.01081): its stages under their own names, its two pipelines,
`generate`."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.checks import read_checks, saved
from sdgkit.errors import RunError, SeedError, SettingsError
from sdgkit.journal import JOURNAL_FILE
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt, load_prompt, load_prompts
from sdgkit.quality import check_threshold
from sdgkit.run import Run
from sdgkit.run.folder import read_config
from sdgkit.run.plan import Plan
from sdgkit.samples import Row
from sdgkit.seeds import COLUMNS, flaw_of, read_seeds, row_key, skill
from sdgkit.seeds.files import read_file
from sdgkit.stages import Check, Combine, Generate, GenerateMany, Given, Judge, Keep, Stage
from sdgkit.teachers.teacher import Teacher

if TYPE_CHECKING:
    import datasets

Prompts = Mapping[str, Prompt | str | Path] | str | Path | None  # by stage, or a folder
Sampling = Mapping[str, Mapping[str, Any]] | None  # settings, by stage

# The method -----------------------------------------------------------------------------------------------------------

JUDGED = ("evaluation", "score")
GROUNDED = Pipeline(
    "grounded",
    (
        GenerateMany(
            name="gen_contexts", columns=("context",), letter="c", per_row=10, extra_tries=10
        ),
        GenerateMany(
            name="gen_grounded_questions",
            columns=("question",),
            letter="q",
            per_row=3,
            together=True,
        ),
        Judge(name="eval_grounded_questions", scale=(0.0, 1.0)),
        Keep(name="filter_grounded_questions", equals=1.0, remove=JUDGED),
        Generate(name="gen_grounded_responses", columns=("response",)),
        Judge(name="evaluate_grounded_qa_pair", scale=(1.0, 2.0, 3.0)),
        Keep(name="filter_grounded_qa_pair", at_least=2.0),
        Combine(
            name="combine_question_and_context", column="question", parts=("context", "question")
        ),
    ),
)
FREEFORM = Pipeline(
    "freeform",
    (
        GenerateMany(
            name="gen_questions", columns=("question",), letter="q", per_row=30, together=True
        ),
        Judge(name="eval_questions", scale=(0.0, 1.0)),
        Keep(name="filter_questions", equals=1.0, remove=JUDGED),
        Generate(name="gen_responses", columns=("response",)),
        Judge(name="evaluate_qa_pair", scale=(1.0, 2.0, 3.0)),
        Keep(name="filter_qa_pair", at_least=2.0),
    ),
)
METHODS = {pipeline.name: pipeline for pipeline in (GROUNDED, FREEFORM)}
# What the user may set of the stages that make rows: of which of them, under which name there, at least how much.
SETTINGS: dict[str, tuple[tuple[str, ...], str, int]] = {
    "num_contexts": (("gen_contexts",), "per_row", 1),
    "num_questions": (("gen_grounded_questions", "gen_questions"), "per_row", 1),
    "extra_tries": (("gen_contexts",), "extra_tries", 0),
    "vary": (("gen_contexts", "gen_questions"), "vary", 1),
}


@dataclass(frozen=True)
class StageFunction:
    """A stage of the method as a function of a dataset: Dataset in, Dataset out, a line if rows were dropped.

    Options: see `run`. Raises SdgkitError.
    """

    stage: Stage

    def __post_init__(self) -> None:  # what help() shows: this stage, its kind, its options
        kind, options = inspect.getdoc(type(self.stage)), inspect.getdoc(self.run)
        said = f"The stage {self.stage.name}: Dataset in, Dataset out, a line if rows were dropped.\n\n{self.stage}"
        object.__setattr__(self, "__doc__", f"{said}\n{kind}\n\n{self.stage.name}.run: {options}")
        object.__setattr__(
            self, "__signature__", inspect.signature(self.run).replace(return_annotation="Dataset")
        )

    def __repr__(self) -> str:
        return f"<sdgkit.{self.stage.name}: a stage, Dataset in, Dataset out; help(sdgkit.{self.stage.name})>"

    def __call__(self, rows: Any, **options: Any) -> "datasets.Dataset":
        run = self.run(rows, **options)
        line = run.funnel[0]
        dropped = line.dropped_rows
        if dropped:
            reasons = ", ".join(f"{reason} {count}" for reason, count in line.dropped.items())
            print(
                f"{line.name}: {line.rows_out} of {line.tried} rows go on, {dropped} dropped ({reasons})."
            )
        return run.dataset

    def run(
        self,
        rows: Any,
        *,
        teacher: Teacher | None = None,
        judge: Teacher | None = None,
        out: str | Path | None = None,
        prompt: Prompt | str | Path | None = None,
        sampling: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        structure: str = "auto",
        reuse: bool = False,
        **settings: Any,
    ) -> Run:
        """The same, returning the finished `Run` with its drops, its funnel and the trace of every row.

        rows: a Dataset, dictionaries, or the path of a seed file. teacher, judge: whom to ask. out: a folder to resume
        in; without it nothing is kept. settings: num_contexts, extra_tries and vary of `gen_contexts`; num_questions
        of those that write questions. The others: as of `plan`, for this stage. Raises SdgkitError.
        """
        name = self.stage.name
        pipeline = _with_settings(Pipeline(name, (self.stage,)), settings)
        own, by_stage = (
            {name: prompt} if prompt is not None else None,
            {name: sampling} if sampling else None,
        )
        prompts = _prompts(pipeline, own, by_stage, max_tokens)
        given = read_seeds(rows) if isinstance(rows, str | Path) else [dict(row) for row in rows]
        plan = Plan(
            pipeline, given, prompts, teacher or judge, judge, name=name, structure=structure
        )
        return Run(plan, out, reuse=reuse).start().wait()


(
    gen_contexts, gen_grounded_questions, eval_grounded_questions, filter_grounded_questions, gen_grounded_responses,
    evaluate_grounded_qa_pair, filter_grounded_qa_pair, combine_question_and_context,
) = map(StageFunction, GROUNDED.stages)  # fmt: skip
(
    gen_questions, eval_questions, filter_questions, gen_responses, evaluate_qa_pair, filter_qa_pair,
) = map(StageFunction, FREEFORM.stages)  # fmt: skip


def generate(
    seeds: Any,
    *,
    teacher: Teacher,
    out: str | Path | None = None,
    reuse: bool = False,
    **settings: Any,
) -> Run:
    """The whole method, streamed; returns the finished `Run`, or goes on where an earlier one in `out` stopped.

    seeds: what `load_seeds` takes, or the folder of a run to do again. out: the run's folder; by default runs/NAME for
    the path of a seed file NAME, otherwise all is kept in memory. reuse: go on in the folder of another job.
    settings: see `plan`. Raises SdgkitError; Ctrl-C leaves a run that can be resumed.
    """
    folder = default_folder(seeds) if out is None else out
    return Run(plan(seeds, teacher=teacher, **settings), folder, reuse=reuse).start().wait()


def plan(
    seeds: Any,
    *,
    teacher: Teacher | None = None,
    judge: Teacher | None = None,
    pipeline: Pipeline | None = None,
    prompts: Prompts = None,
    num_contexts: int | None = None,
    num_questions: int | None = None,
    contexts: Any = None,
    questions: str | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    target: int | None = None,
    checks: Any = None,
    near_duplicates: float | None = None,
    sampling: Sampling = None,
    max_tokens: int | None = None,
    extra_tries: int | None = None,
    system: str | None = None,
    structure: str | None = None,
) -> Plan:
    """The plan of a run of the method.

    pipeline: default `GROUNDED` or `FREEFORM`, as the seeds choose. prompts: a folder of YAML files or prompts by
    stage name; the shipped ones serve where it has none. num_contexts: for each seed (10). num_questions: for each
    context (3), or for each seed of a freeform skill (30). contexts: your own, in the place of `gen_contexts`: a file
    or rows with a `context` column. questions: "seed" asks the seed's own question of every context. vary: lists
    drawn from for each context. target: go on until so many samples are kept. checks: what `sdgkit.checks` makes, or
    Python functions of a row; each is put after the stage that writes its column. near_duplicates: at the end, drop
    samples that repeat an earlier one or a seed, from this similarity on (such as 0.9; default: none is dropped).
    sampling: settings by stage name, over the prompts' own; max_tokens: of every reply. extra_tries: further contexts
    asked for a seed in place of duplicate and malformed ones (10). judge: another teacher for the judging. system: the
    system message of the training file.
    structure: "auto" (default) asks a malformed reply again with its form enforced by the server, if that can do it;
    "always" enforces it from the first ask on, "never" never.
    """
    if (folder := run_folder(seeds)) is not None:
        return _again(folder, dict(locals()))
    rows = read_seeds(seeds)
    chosen = pipeline or METHODS[skill(rows)]
    numbers = {
        "num_contexts": num_contexts,
        "num_questions": num_questions,
        "extra_tries": extra_tries,
        "vary": vary,
    }
    given = _given_contexts(contexts) if contexts is not None else None
    if given is not None:
        chosen = chosen.put(
            "gen_contexts", Given(name="given_contexts", rows=_shared_out(given, rows))
        )
    if questions == "seed":
        own = Combine(name="seed_questions", column="question", parts=("seed_question",))
        chosen = chosen.put("gen_grounded_questions", own)
        chosen = chosen.without("eval_grounded_questions", "filter_grounded_questions")
    elif questions is not None:
        raise SettingsError(
            f'questions can only be "seed" (ask the seed\'s own question), not {questions!r}.'
        )
    own_checks = read_checks(checks)
    chosen = _with_checks(_with_settings(chosen, numbers), own_checks)
    if target is not None:
        _check("target", target, 1)
    if near_duplicates is not None:
        near_duplicates = check_threshold(near_duplicates)
    settings: dict[str, Any] = {
        **numbers,
        "questions": questions,
        "contexts": given,
        "structure": structure,
    }
    settings |= {
        "checks": [saved(check) for check in own_checks] or None,
        "near_duplicates": near_duplicates,
    }
    return Plan(
        pipeline=chosen,
        rows=rows,
        prompts=_prompts(chosen, prompts, sampling, max_tokens),
        teacher=teacher,
        judge=judge,
        settings={name: value for name, value in settings.items() if value is not None},
        target=target,
        near_duplicates=near_duplicates,
        system=system,
        name=source_name(seeds),
        structure=structure or "auto",
    )


def _again(folder: Path, given: dict[str, Any]) -> Plan:
    """The plan in a run's folder, with what the caller gave anew put over it."""
    config = read_config(folder)
    base = given["pipeline"] or METHODS.get(config.pipeline)
    if base is None:
        raise RunError(
            f"{folder} was made with a pipeline of your own ({config.pipeline}): give pipeline= again."
        )
    saved = {name: Prompt.from_json(name, parts) for name, parts in config.prompts.items()}
    kept = {**config.settings, "target": config.target, "system": config.system}
    fresh = {
        name: value
        for name, value in given.items()
        if value is not None and name not in ("seeds", "folder")
    }
    again = plan(
        folder / "seeds.jsonl", **{**kept, **fresh, "pipeline": replace(base, prompts=saved)}
    )
    return replace(again, name=config.name)


def _with_settings(pipeline: Pipeline, settings: Mapping[str, Any]) -> Pipeline:
    """The pipeline with what the user set; a setting for a stage that is not there is an error."""
    for setting, value in settings.items():
        names, field, least = SETTINGS.get(setting, ((), "", 0))
        makers = [
            stage.name
            for stage in pipeline.stages
            if stage.name in names and field in stage.field_names
        ]
        if value is not None:
            if not makers:
                stages, known = ", ".join(pipeline.names), ", ".join(SETTINGS)
                words = f"{setting} has no stage to apply to: the stages are {stages}. What can be set is {known}."
                raise SettingsError(words)
            _check(setting, value, least)
            pipeline = pipeline.change(makers[0], **{field: value})
    return pipeline


def _check(setting: str, value: Any, least: int) -> None:
    if setting != "vary":
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SettingsError(
                f"{setting} must be a whole number of at least {least}, not {value!r}."
            )
        return
    lists = value if isinstance(value, Mapping) else {}
    if not lists or not all(
        isinstance(entries, list | tuple) and entries for entries in lists.values()
    ):
        raise SettingsError(
            "vary must be named lists: {'audience': ['children', 'experts'], 'mood': [...]}."
        )
    for name, entries in lists.items():
        if flaw := next(filter(None, map(flaw_of, entries)), ""):
            raise SettingsError(f"vary, list {name}: {flaw}")


def _given_contexts(source: Any) -> list[dict[str, Any]]:
    """The user's own contexts, from a file or rows; further columns travel along, but a seed's are the seed's."""
    given = (
        [found.columns for found in read_file(Path(source))]
        if isinstance(source, str | Path)
        else list(source)
    )
    name = source_name(source) or "contexts"
    for number, row in enumerate(given, 1):
        text = row.get("context") if isinstance(row, Mapping) else None
        if not isinstance(text, str) or not text.strip():
            raise SeedError(f"{name}, row {number}: no text in the column 'context'.")
        for column, value in row.items():
            if flaw := flaw_of(value):
                raise SeedError(f"{name}, row {number}, column {column}: {flaw}")
    if not given:
        raise SeedError("There are no contexts in it. Give a file or rows with a column 'context'.")
    return [
        {column: value for column, value in row.items() if column not in COLUMNS} for row in given
    ]


def _shared_out(contexts: Sequence[Row], seeds: Sequence[Row]) -> dict[str, list[tuple[int, Row]]]:
    """The user's contexts, numbered, by the key of the seed that each goes to.

    That is the one with which it makes the highest hash (rendezvous hashing): a seed more or less, or another order of
    either, moves no context between the other seeds.
    """
    mine: dict[str, list[tuple[int, Row]]] = {row_key(seed): [] for seed in seeds}
    for number, row in enumerate(contexts, 1):
        hashed = {
            hashlib.sha256(f"{key}\x1f{row['context']}".encode()).digest(): key for key in mine
        }
        mine[hashed[max(hashed)]].append((number, row))
    return mine


def _with_checks(stages: Pipeline, checks: Sequence[Check]) -> Pipeline:
    """Each check after the stage that writes its column, in the order given."""
    for check in reversed(checks):
        column = check.column
        makers = [stage.name for stage in stages.stages if column in stage.columns]
        writers = makers or [stage.name for stage in stages.stages if column in stage.written_columns]
        if not writers:
            raise SettingsError(
                f"The check {check.name} looks at the column {column!r}, which no stage here writes."
            )
        stages = stages.after(writers[-1], check)
    return stages


def _prompts(
    pipeline: Pipeline, given: Prompts, sampling: Sampling, max_tokens: int | None
) -> dict[str, Prompt]:
    """The prompts of the stages that ask, with the user's sampling settings put over their own."""
    sampling = sampling or {}
    if not isinstance(sampling, Mapping) or not all(
        isinstance(one, Mapping) for one in sampling.values()
    ):
        raise SettingsError(
            "sampling must be settings by stage: {'gen_contexts': {'temperature': 0.9}}."
        )
    folder, own = (None, given) if isinstance(given, Mapping) else (given, {})
    names = pipeline.prompted
    for what, chosen in (("sampling", sampling), ("prompts", own)):
        if unknown := sorted(set(chosen) - set(names)):
            raise SettingsError(
                f"{what}: no stage {unknown[0]!r} asks a teacher here. These do: {', '.join(names)}."
            )
    mine = {name: one if isinstance(one, Prompt) else load_prompt(one) for name, one in own.items()}
    method = next(
        (name for name, known in METHODS.items() if set(known.prompted) & set(names)), GROUNDED.name
    )
    found = load_prompts(names, method, folder, {**pipeline.prompts, **mine})
    common = {"max_tokens": max_tokens} if max_tokens is not None else {}
    return {
        name: one.with_sampling(**{**common, **sampling.get(name, {})})
        for name, one in found.items()
    }


def run_folder(seeds: Any) -> Path | None:
    """The path if it is the folder of a run."""
    if not isinstance(seeds, str | Path) or not Path(seeds).is_dir():
        return None
    if not (Path(seeds) / JOURNAL_FILE).exists():
        raise SeedError(
            f"{seeds} is a folder without a run. Give a seed file, or the folder of a run."
        )
    return Path(seeds)


def source_name(seeds: Any) -> str:
    """The name of the file that the seeds came from, without its ending; "" if they did not."""
    return Path(seeds).stem if isinstance(seeds, str | Path) else ""


def default_folder(seeds: Any) -> Path | None:
    """Where a run of these seeds goes if nobody says: its own folder, runs/NAME, or memory for seeds without a file."""
    return run_folder(seeds) or (
        Path("runs") / source_name(seeds) if isinstance(seeds, str | Path) else None
    )
