"""The grounded-skills method of LAB (arXiv 2403.01081): its stages under their own names, its two pipelines,
`generate`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.checks import read_checks, saved
from sdgkit.errors import RunError, SeedError, SettingsError
from sdgkit.journal import FILE
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt, load_prompt, load_prompts
from sdgkit.quality import check_threshold
from sdgkit.run import Run
from sdgkit.run.folder import read_values
from sdgkit.run.plans import Plan
from sdgkit.seeds import COLUMNS, flaw_of, read_seeds, row_key, skill
from sdgkit.seeds.files import read_file
from sdgkit.stages import Check, Combine, Generate, GenerateMany, Given, Judge, Keep, Stage
from sdgkit.teachers.teacher import Teacher

if TYPE_CHECKING:
    import datasets

JUDGED = ("evaluation", "score")
FIELDS = {"num_contexts": "per_row", "num_questions": "per_row"}  # of a stage, where a setting has another name


class StageFunction:
    """A stage that can be called on a Dataset, and given to a pipeline (`stage`).

    settings: what a caller may set of the stage.
    """

    def __init__(self, stage: Stage, *settings: str) -> None:
        self.stage, self.settings = stage, settings
        self.__name__ = self.name = stage.name
        self.__doc__ = (
            f"The stage {stage.name} on every row of a dataset: Dataset in, Dataset out, a line if rows were dropped. "
            f"teacher: whom to ask. out: a folder to resume in; without it nothing is kept. "
            f"Settings: {', '.join(['prompt', 'sampling', 'max_tokens', 'structure', *settings])}. Raises SdgkitError."
        )

    def __call__(self, rows: Any, **options: Any) -> "datasets.Dataset":
        run = self.run(rows, **options)
        line = run.funnel[0]
        dropped = line["tried"] - line["rows_out"]
        if dropped:
            reasons = ", ".join(f"{reason} {count}" for reason, count in line["dropped"].items())
            print(f"{self.name}: {line['rows_out']} of {line['tried']} rows go on, {dropped} dropped ({reasons}).")
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
        structure: str | None = None,
        reuse: bool = False,
        **settings: Any,
    ) -> Run:
        """The same, returning the finished `Run` with its drops, its funnel and the trace of every row."""
        unknown = sorted(set(settings) - set(self.settings))
        if unknown:
            known = ", ".join(["teacher", "out", "prompt", "sampling", "max_tokens", "structure", *self.settings])
            raise SettingsError(f"{self.name} has no setting {unknown[0]!r}. It has {known}.")
        if self.stage.role and teacher is None and judge is None:
            raise SettingsError(f"{self.name} asks a teacher: give teacher=sdgkit.connect(...).")
        pipeline = _with_settings(Pipeline(self.name, (self.stage,)), settings)
        method = FREEFORM.name if self.stage in FREEFORM.stages else GROUNDED.name
        given = {self.name: prompt} if prompt is not None else None
        by_stage = {self.name: dict(sampling)} if sampling else None
        prompts = _prompts(pipeline, method, given, by_stage, max_tokens)
        if isinstance(rows, str | Path):
            raise SettingsError(f"{self.name} takes rows, not a path. Load them: sdgkit.load_seeds({str(rows)!r}).")
        given_rows, when = [dict(row) for row in rows], structure or "auto"
        plan = Plan(pipeline, given_rows, prompts, teacher or judge, judge, name=self.name, structure=when)
        return Run(plan, out, reuse=reuse).start().wait()

    def __repr__(self) -> str:
        return f"<stage {self.name}: a function of a Dataset>"


gen_contexts = StageFunction(
    GenerateMany(name="gen_contexts", columns=("context",), letter="c", per_row=10, extra_tries=10),
    "num_contexts",
    "extra_tries",
    "vary",
)
gen_grounded_questions = StageFunction(
    GenerateMany(name="gen_grounded_questions", columns=("question",), letter="q", per_row=3, together=True),
    "num_questions",
)
eval_grounded_questions = StageFunction(Judge(name="eval_grounded_questions", scale=(0.0, 1.0)))
filter_grounded_questions = StageFunction(Keep(name="filter_grounded_questions", equals=1.0, remove=JUDGED))
gen_grounded_responses = StageFunction(Generate(name="gen_grounded_responses", columns=("response",)))
evaluate_grounded_qa_pair = StageFunction(Judge(name="evaluate_grounded_qa_pair", scale=(1.0, 2.0, 3.0)))
filter_grounded_qa_pair = StageFunction(Keep(name="filter_grounded_qa_pair", at_least=2.0))
combine_question_and_context = StageFunction(
    Combine(name="combine_question_and_context", column="question", parts=("context", "question"))
)

gen_questions = StageFunction(
    GenerateMany(name="gen_questions", columns=("question",), letter="q", per_row=30, together=True),
    "num_questions",
    "vary",
)
eval_questions = StageFunction(Judge(name="eval_questions", scale=(0.0, 1.0)))
filter_questions = StageFunction(Keep(name="filter_questions", equals=1.0, remove=JUDGED))
gen_responses = StageFunction(Generate(name="gen_responses", columns=("response",)))
evaluate_qa_pair = StageFunction(Judge(name="evaluate_qa_pair", scale=(1.0, 2.0, 3.0)))
filter_qa_pair = StageFunction(Keep(name="filter_qa_pair", at_least=2.0))


def _pipeline(name: str, *functions: StageFunction) -> Pipeline:
    return Pipeline(name, tuple(function.stage for function in functions))


GROUNDED = _pipeline(
    "grounded",
    gen_contexts,
    gen_grounded_questions,
    eval_grounded_questions,
    filter_grounded_questions,
    gen_grounded_responses,
    evaluate_grounded_qa_pair,
    filter_grounded_qa_pair,
    combine_question_and_context,
)
FREEFORM = _pipeline(
    "freeform", gen_questions, eval_questions, filter_questions, gen_responses, evaluate_qa_pair, filter_qa_pair
)
METHODS = {pipeline.name: pipeline for pipeline in (GROUNDED, FREEFORM)}


def generate(
    seeds: Any, *, teacher: Teacher, out: str | Path | None = None, reuse: bool = False, **settings: Any
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
    prompts: Mapping[str, Prompt | str | Path] | str | Path | None = None,
    num_contexts: int | None = None,
    num_questions: int | None = None,
    contexts: Any = None,
    questions: str | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    target: int | None = None,
    checks: Any = None,
    near_duplicates: float | None = None,
    sampling: Mapping[str, Mapping[str, Any]] | None = None,
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
    method = skill(rows) if pipeline is None else pipeline.name
    stages = pipeline or METHODS[method]
    settings = {"num_contexts": num_contexts, "num_questions": num_questions, "extra_tries": extra_tries, "vary": vary}
    given = _given_contexts(contexts) if contexts is not None else None
    own_checks = read_checks(checks)
    stages = _with_seed_questions(_with_contexts(stages, given, rows), questions)
    stages = _with_checks(_with_settings(stages, settings), own_checks)
    if target is not None:
        _check("target", target)
    if near_duplicates is not None:
        near_duplicates = check_threshold(near_duplicates)
    chosen: dict[str, Any] = {**settings, "questions": questions, "contexts": given, "structure": structure}
    chosen |= {"checks": [saved(check) for check in own_checks] or None, "near_duplicates": near_duplicates}
    return Plan(
        pipeline=stages,
        rows=rows,
        prompts=_prompts(stages, method if method in METHODS else GROUNDED.name, prompts, sampling, max_tokens),
        teacher=teacher,
        judge=judge,
        settings={name: value for name, value in chosen.items() if value is not None},
        target=target,
        near_duplicates=near_duplicates,
        system=system,
        name=source_name(seeds),
        structure=structure or "auto",
    )


def _again(folder: Path, given: dict[str, Any]) -> Plan:
    """The plan in a run's folder, with what the caller gave anew put over it."""
    config = read_values(folder, "config.json")
    base = given["pipeline"] or METHODS.get(config["pipeline"])
    if base is None:
        raise RunError(f"{folder} was made with a pipeline of your own ({config['pipeline']}): give pipeline= again.")
    saved = {name: Prompt.from_json(name, parts) for name, parts in config["prompts"].items()}
    kept = {**config["settings"], "target": config["target"], "system": config["system"]}
    fresh = {name: value for name, value in given.items() if value is not None and name not in ("seeds", "folder")}
    again = plan(folder / "seeds.jsonl", **{**kept, **fresh, "pipeline": replace(base, prompts=saved)})
    return replace(again, name=config.get("name") or "")


def _with_settings(stages: Pipeline, settings: Mapping[str, Any]) -> Pipeline:
    """The pipeline with the numbers that the user chose; a number for a stage that is not there is an error."""
    settable = {one.name: one.settings for one in (gen_contexts, gen_grounded_questions, gen_questions)}
    for setting, value in settings.items():
        if value is None:
            continue
        makers = [stage.name for stage in stages.stages if isinstance(stage, GenerateMany)]
        where = next((name for name in makers if setting in settable.get(name, ())), None)
        if where is None:
            names = ", ".join(stage.name for stage in stages.stages)
            raise SettingsError(f"{setting} has no stage to apply to: the stages are {names}.")
        _check(setting, value)
        stages = stages.change(where, **{FIELDS.get(setting, setting): value})
    return stages


def _check(setting: str, value: Any) -> None:
    if setting == "vary":
        good = isinstance(value, Mapping) and bool(value)
        if not good or not all(isinstance(entry, list | tuple) and entry for entry in value.values()):
            raise SettingsError("vary must be named lists: {'audience': ['children', 'experts'], 'mood': [...]}.")
        for name, entries in value.items():
            if flaw := next(filter(None, map(flaw_of, entries)), ""):
                raise SettingsError(f"vary, list {name}: {flaw}")
        return
    least = 0 if setting == "extra_tries" else 1
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingsError(f"{setting} must be a whole number of at least {least}, not {value!r}.")


def _given_contexts(source: Any) -> list[dict[str, Any]]:
    """The user's own contexts, from a file or rows; further columns travel along, but a seed's are the seed's."""
    given = [found.columns for found in read_file(Path(source))] if isinstance(source, str | Path) else list(source)
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
    return [{column: value for column, value in row.items() if column not in COLUMNS} for row in given]


def _with_contexts(
    stages: Pipeline, contexts: Sequence[Mapping[str, Any]] | None, seeds: Sequence[Mapping[str, Any]]
) -> Pipeline:
    """The pipeline with the user's contexts, if there are any, in the place of `gen_contexts`.

    Each context goes to the seed with which it makes the highest hash (rendezvous hashing): a seed more or less, or
    another order of either, moves no context between the other seeds.
    """
    if contexts is None:
        return stages
    if "gen_contexts" not in [stage.name for stage in stages.stages]:
        raise SettingsError("Own contexts take the place of gen_contexts, which a freeform skill does not have.")
    keys = [row_key(seed) for seed in seeds]
    mine: dict[str, list[tuple[int, Mapping[str, Any]]]] = {key: [] for key in keys}
    for number, row in enumerate(contexts, 1):
        text = row["context"]
        best = max(keys, key=lambda key: hashlib.sha256(f"{key}\x1f{text}".encode("utf-8", "surrogatepass")).digest())
        mine[best].append((number, row))
    return stages.put("gen_contexts", Given(name="given_contexts", rows=mine))


def _with_seed_questions(stages: Pipeline, questions: str | None) -> Pipeline:
    if questions is None:
        return stages
    if questions != "seed":
        raise SettingsError(f'questions can only be "seed" (ask the seed\'s own question), not {questions!r}.')
    names = [stage.name for stage in stages.stages]
    if "gen_grounded_questions" not in names:
        raise SettingsError("Asking the seed's own question needs contexts, which a freeform skill does not have.")
    own = Combine(name="seed_questions", column="question", parts=("seed_question",))
    return stages.put("gen_grounded_questions", own).without("eval_grounded_questions", "filter_grounded_questions")


def _with_checks(stages: Pipeline, checks: Sequence[Check]) -> Pipeline:
    """Each check after the stage that writes its column, in the order given."""
    for check in reversed(checks):
        column = getattr(check.function, "column", "response")
        writers = [stage.name for stage in stages.stages if column in stage.columns]
        writers += [s.name for s in stages.stages if isinstance(s, Combine) and s.column == column and not writers]
        if not writers:
            raise SettingsError(f"The check {check.name} looks at the column {column!r}, which no stage here writes.")
        stages = stages.after(writers[-1], check)
    return stages


def _prompts(
    stages: Pipeline,
    method: str,
    given: Mapping[str, Prompt | str | Path] | str | Path | None,
    sampling: Mapping[str, Mapping[str, Any]] | None,
    max_tokens: int | None,
) -> dict[str, Prompt]:
    """The prompts of the stages that ask, with the user's sampling settings put over their own."""
    names, sampling = stages.prompted, sampling or {}
    if not isinstance(sampling, Mapping) or not all(isinstance(one, Mapping) for one in sampling.values()):
        raise SettingsError("sampling must be settings by stage: {'gen_contexts': {'temperature': 0.9}}.")
    _refuse_unknown("sampling", sampling, names)
    if isinstance(given, Mapping):
        _refuse_unknown("prompts", given, names)
        mine = {name: one if isinstance(one, Prompt) else load_prompt(one) for name, one in given.items()}
        found = load_prompts(names, method, None, {**stages.prompts, **mine})
    else:
        found = load_prompts(names, method, given, stages.prompts)
    common = {"max_tokens": max_tokens} if max_tokens is not None else {}
    return {name: one.with_sampling(**{**common, **sampling.get(name, {})}) for name, one in found.items()}


def _refuse_unknown(what: str, given: Mapping[str, Any], names: Sequence[str]) -> None:
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise SettingsError(f"{what}: no stage {unknown[0]!r} asks a teacher here. These do: {', '.join(names)}.")


def run_folder(seeds: Any) -> Path | None:
    """The path if it is the folder of a run."""
    folder = Path(seeds) if isinstance(seeds, str | Path) else None
    if folder is None or not folder.is_dir():
        return None
    if not (folder / FILE).exists():
        raise SeedError(f"{folder} is a folder without a run. Give a seed file, or the folder of a run.")
    return folder


def source_name(seeds: Any) -> str:
    """The name of the file that the seeds came from, without its ending; "" if they did not."""
    if isinstance(seeds, str | Path):
        return Path(seeds).stem
    return str(getattr(getattr(seeds, "info", None), "dataset_name", None) or "")


def default_folder(seeds: Any) -> Path | None:
    """Where a run of these seeds goes if nobody says: its own folder, runs/NAME, or memory for seeds without a file."""
    folder = run_folder(seeds)
    name = source_name(seeds) if isinstance(seeds, str | Path) else ""
    return folder or (Path("runs") / name if name else None)
