"""The plan of a run of the method: from seeds and options, or from the folder of an earlier run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, cast

from sdgkit.checks import read_checks, saved
from sdgkit.errors import RunError, SettingsError
from sdgkit.keywords import as_text, known_keywords
from sdgkit.method.best_response import with_responses, with_temperature_to_differ
from sdgkit.method.choose_prompts import choose_prompts, study_prompts
from sdgkit.method.context_files import ContextReading
from sdgkit.method.least_score import with_min_score
from sdgkit.method.options import (
    MAKER_OPTIONS,
    PlanOptions,
    check_number,
    read_profile,
    with_maker_options,
)
from sdgkit.method.own_contexts import (
    bring_questions,
    read_contexts,
    share_out,
    without_questions,
)
from sdgkit.method.pipelines import (
    METHODS,
    questions_together,
    with_questions_in_one_request,
)
from sdgkit.method.repair import with_repair
from sdgkit.method.sources import PlanSource, run_folder, skill_folder, source_name
from sdgkit.pipeline import Pipeline
from sdgkit.profile import PROFILE_FILE
from sdgkit.prompts import Prompt
from sdgkit.quality import check_threshold, check_twins
from sdgkit.run.folder import read_config
from sdgkit.run.own_seeds import own_seed_file
from sdgkit.run.plan import Plan
from sdgkit.run.profiles import folders_profile
from sdgkit.samples import Row, normalized
from sdgkit.seeds import (
    CONTEXT_COLUMNS,
    Seed,
    are_seeds,
    parse_columns,
    read_rows,
    read_seeds,
    skill,
)
from sdgkit.seeds.documents import parse_split
from sdgkit.skill_folder import SkillFolder
from sdgkit.stages import Check, Combine, Given
from sdgkit.teachers.source import TeacherSource, teacher_of

QUESTIONS = ("seed", "context")
"""Where questions can come from if the teacher does not write them."""


@known_keywords
def plan(
    seeds: PlanSource, *, teacher: TeacherSource | None = None, **options: Unpack[PlanOptions]
) -> Plan:
    """Plan a run of the method, without starting it.

    Args:
        seeds: Anything that `load_seeds` accepts; or the folder of a skill, or of a run to repeat,
            with the options given here in place of its own.
        teacher: The teacher that the stages ask; it may be missing until the run is started.
        judge: Another teacher for the judging (default: the teacher judges its own work).
        pipeline: The stages (default: `GROUNDED` or `FREEFORM`, as the seeds require).
        prompts: Prompts by stage name, or a folder of YAML files named after the stages (default:
            the shipped ones).
        num_contexts: Contexts for each seed (default 10).
        num_questions: Questions for each context (default 3), or for each seed of a freeform skill
            (default 30).
        contexts: Your own contexts in place of `gen_contexts`: a folder or a pattern of `.txt` and
            `.md` files, a table, or rows with a column `context`. If they have a column `question`
            as well, those questions are used.
        questions: "seed" asks the seed's own question about every context instead of new ones.
        vary: Lists from which a value is drawn for each context:
            `{"audience": ["children", "experts"]}`.
        profile: The profile of the skill, or its file; False to run without one (default: the one
            in the run's folder, or the one that the teacher writes first by studying the seeds).
        target: Continue in rounds until this many samples are kept (default: one pass over the
            seeds). The rounds end early when ten in a row bring nothing new.
        max_requests: The most requests that the rounds of a target may take, including recorded
            ones; retries of malformed replies may add a few (default: no limit).
        min_samples: How many samples a run has to keep; with fewer, it has finished short
            (`Run.shortfall`, exit status 3).
        checks: Checks from `sdgkit.checks`, or Python functions of a row; each follows the stage
            that writes its column.
        near_duplicates: At the end, drop each sample that is at least this similar to an earlier
            one or to a seed, such as 0.9: above 0 and at most 1 (default: drop none).
        twins: "drop" keeps only the first of the samples that give the same answer to the same
            context, in whatever words (default "keep": they are only counted).
        responses: Responses to each question, of which the best is kept: the highest score, then
            the lowest ordinal (default 1). `export("preference", …)` pairs them.
        repair: Revise once each response that did not get the highest score, with the judge's
            comments; judge it again, and keep the better version (default False).
        keep_reasoning: Keep the teacher's reasoning before each response, in the column
            `reasoning`.
        min_score: The lowest score from the last judge with which a sample is kept (default 2, on
            a scale from 1 to 3). Changing it in a run's folder repeats no request.
        sampling: Sampling settings by stage name, over those of the prompts.
        max_tokens: The longest reply, in tokens (default: as each prompt says).
        extra_tries: Extra contexts (in a freeform skill, questions) to request for a seed, one
            for each duplicate or malformed one (default 10).
        system: Your own system message, for training files.
        structure: When the server enforces the form of a reply, if it can: "auto" (default) where a
            malformed reply is requested again, "always" from the first request on, or "never".
        encoding: The encoding of a seed file that is not UTF-8, such as "cp1252".
        task: The task description of all seeds, in place of what the seed file says.
        columns: Columns of the seed file, or of your contexts, that have other names:
            `{"seed_response": "answer"}`.
        split_contexts: How text files are split into contexts: "whole" (default), "heading", or a
            number of words.

    Returns:
        The plan. You can look at its rows, pipeline and prompts, and `estimate` says what it would
        cost.

    Raises:
        SettingsError: An option cannot be used.
        SeedError: The seeds or the contexts cannot be used.
        PromptError: A prompt cannot be used.
        RunError: The folder's run cannot be repeated.

    Example:
        >>> import sdgkit as sk
        >>> seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
        >>> sk.plan(seeds, num_contexts=3).pipeline.stage("gen_contexts").per_row
        3
    """
    folder = run_folder(seeds)
    if folder is not None:
        return _plan_again(folder, teacher, options)
    return _plan_from_seeds(seeds, teacher, _completed(seeds, options))


def _completed(source: PlanSource, options: PlanOptions) -> PlanOptions:
    """The options, completed from the skill's folder where the source is one."""
    folder = skill_folder(source)
    if folder is None:
        return options
    chosen = {}
    for name, value in options.items():
        if value is not None:
            chosen[name] = value
    return cast(PlanOptions, {**SkillFolder.open(folder).options, **chosen})


def _plan_again(folder: Path, teacher: TeacherSource | None, options: PlanOptions) -> Plan:
    """The plan of the run in a folder, with new options in place of its own."""
    config = read_config(folder)
    pipeline = options.get("pipeline") or METHODS.get(config.pipeline)
    if pipeline is None:
        raise RunError(
            f"{folder} was made with a pipeline of your own ({config.pipeline}): "
            "give pipeline= again.",
            folder=folder,
        )
    if config.settings.questions_together is None:
        pipeline = with_questions_in_one_request(pipeline)
    recorded_prompts = {}
    for name, parts in config.prompts.items():
        recorded_prompts[name] = Prompt.from_json(name, parts)
    settings = config.settings.chosen()
    settings.pop("questions_together", None)  # the pipeline says it
    recorded = {**settings, "target": config.target, "system": config.system}
    if config.settings.contexts is not None and config.settings.questions != "context":
        # Such a column was replaced by written questions when this folder was begun.
        recorded["contexts"] = without_questions(config.settings.contexts)
    chosen = {}
    for name, value in options.items():
        if value is not None:
            chosen[name] = value
    merged = {**recorded, **chosen, "pipeline": replace(pipeline, prompts=recorded_prompts)}
    seed_file = own_seed_file(folder)
    if merged.get("profile") is None and (folder / PROFILE_FILE).exists():
        merged["profile"] = folders_profile(folder)
    again = _plan_from_seeds(seed_file, teacher, cast(PlanOptions, merged))
    drew = config.settings.vary is not None or (folder / PROFILE_FILE).exists()
    if drew and again.can_draw:
        again = again.with_draws_from(config.draw_starts or {})
    return replace(again, name=config.name)


def _plan_from_seeds(
    seeds: PlanSource, teacher: TeacherSource | None, options: PlanOptions
) -> Plan:
    rows = _read_input(seeds, options)
    contexts = options.get("contexts")
    own_contexts = None
    if contexts is not None:
        own_contexts = read_contexts(contexts, _context_reading(options))
    checks = read_checks(options.get("checks"))
    near_duplicates = options.get("near_duplicates")
    if near_duplicates is not None:
        near_duplicates = check_threshold(near_duplicates)
    twins = check_twins(options.get("twins") or "keep")
    target = options.get("target")
    if target is not None:
        check_number("target", target, 1)
    _check_limits(options)

    questions = _questions_wanted(options.get("questions"), own_contexts, rows)
    pipeline = options.get("pipeline") or METHODS[skill(rows)]
    if own_contexts is not None:
        pipeline = _with_own_contexts(pipeline, own_contexts, rows, questions)
    pipeline = _with_questions(pipeline, questions)
    responses = options.get("responses")
    if responses is None:
        responses = 1
    check_number("responses", responses, 1)
    pipeline = with_responses(pipeline, responses)
    pipeline = with_maker_options(pipeline, options)
    if _is_on("repair", options.get("repair")):
        pipeline = with_repair(pipeline)
    pipeline = with_min_score(pipeline, options.get("min_score"))
    pipeline = pipeline.with_checks(checks)

    profile = read_profile(options.get("profile"))
    planned = Plan(
        pipeline=pipeline,
        rows=rows,
        prompts=with_temperature_to_differ(
            choose_prompts(
                pipeline,
                options.get("prompts"),
                options.get("sampling"),
                options.get("max_tokens"),
            ),
            responses,
            options.get("sampling"),
        ),
        teacher=teacher_of(teacher),
        judge=teacher_of(options.get("judge")),
        settings=_settings(options, pipeline, own_contexts, questions, checks, near_duplicates),
        target=target,
        max_requests=options.get("max_requests"),
        min_samples=options.get("min_samples"),
        near_duplicates=near_duplicates,
        twins=twins,
        responses=responses,
        system=as_text("system", options.get("system")),
        name=source_name(seeds),
        structure=options.get("structure") or "auto",
        study=study_prompts(pipeline, options),
    )
    if profile is None:
        return planned
    return planned.with_profile(profile)


def _is_on(name: str, value: object) -> bool:
    """Whether a switch is on; None is off. Raises SettingsError."""
    if value is not None and not isinstance(value, bool):
        raise SettingsError(f"{name} must be True or False.", setting=name)
    return bool(value)


def _check_limits(options: PlanOptions) -> None:
    """Refuse limits that are not numbers, or that limit nothing. Raises SettingsError."""
    min_samples = options.get("min_samples")
    if min_samples is not None:
        check_number("min_samples", min_samples, 1)
    max_requests = options.get("max_requests")
    if max_requests is None:
        return
    check_number("max_requests", max_requests, 1)
    if options.get("target") is None:
        raise SettingsError(
            "max_requests (--max-requests) limits the rounds of a target: give target (--target) "
            "as well.",
            setting="max_requests",
        )


def _context_reading(options: PlanOptions) -> ContextReading:
    columns = parse_columns(options.get("columns"))
    context_columns = {}
    for name in columns:
        if name in CONTEXT_COLUMNS:
            context_columns[name] = columns[name]
    return ContextReading(
        split=parse_split(options.get("split_contexts")),
        encoding=options.get("encoding"),
        columns=context_columns,
    )


def _read_input(seeds: PlanSource, options: PlanOptions) -> list[Seed]:
    """The seeds; for a pipeline of your own, rows with whatever columns its prompts need."""
    encoding = options.get("encoding")
    pipeline = options.get("pipeline")
    if pipeline is not None and pipeline.name not in METHODS:
        rows = read_rows(seeds, encoding=encoding)
        is_mapped = bool(options.get("columns") or options.get("task"))
        if not is_mapped and not are_seeds(rows):
            return rows
    return read_seeds(
        seeds,
        encoding=encoding,
        task=as_text("task", options.get("task")),
        columns=options.get("columns"),
    )


def _settings(
    options: PlanOptions,
    pipeline: Pipeline,
    own_contexts: Sequence[Row] | None,
    questions: str | None,
    checks: Sequence[Check],
    near_duplicates: float | None,
) -> dict[str, Any]:
    """The options as JSON values, enough to plan the run again."""
    settings: dict[str, Any] = {option.name: options.get(option.name) for option in MAKER_OPTIONS}
    settings["questions_together"] = questions_together(pipeline)
    settings["responses"] = options.get("responses")
    settings["repair"] = options.get("repair") or None
    settings["twins"] = options.get("twins")
    settings["min_score"] = options.get("min_score")
    settings["questions"] = questions
    settings["contexts"] = own_contexts
    settings["profile"] = None
    if options.get("profile") is False:
        settings["profile"] = False
    settings["structure"] = options.get("structure")
    settings["checks"] = [saved(check) for check in checks] or None
    settings["near_duplicates"] = near_duplicates
    settings["max_requests"] = options.get("max_requests")
    settings["min_samples"] = options.get("min_samples")
    recorded = {}
    for name, value in settings.items():
        if value is not None:
            recorded[name] = value
    return recorded


# The pipeline -------------------------------------------------------------------------------------


def _questions_wanted(
    choice: str | None, contexts: Sequence[Row] | None, seeds: Sequence[Row]
) -> str | None:
    """Where the questions come from: "seed", "context", or None where the teacher writes them.

    Raises:
        SettingsError: The choice is unknown, or does not fit the contexts or the seeds.
    """
    if choice not in (None, *QUESTIONS):
        raise SettingsError(
            f'questions can only be "seed" (ask the seed\'s own question) or "context" (ask the '
            f"questions that come with your contexts), not {choice!r}.",
            setting="questions",
            choices=QUESTIONS,
        )
    brings_questions = contexts is not None and bring_questions(contexts)
    if brings_questions and choice == "seed":
        raise SettingsError(
            'Your contexts have questions of their own, but questions="seed" asks those of the '
            "seeds. Leave out one of the two.",
            setting="questions",
        )
    if choice == "context" and not brings_questions:
        raise SettingsError(
            'questions="context" needs contexts of your own, each with a text in the column '
            "'question'.",
            setting="questions",
        )
    if choice == "seed" and contexts is not None:
        _refuse_differing_questions(seeds)
    if brings_questions:
        return "context"
    return choice


def _refuse_differing_questions(seeds: Sequence[Row]) -> None:
    """Refuse seeds that ask different questions: a context may go to any of them."""
    different = {normalized(seed, ["seed_question"]) for seed in seeds}
    if len(different) > 1:
        raise SettingsError(
            f"The seeds ask {len(different)} different questions, but each of your contexts goes "
            "to one of the seeds whatever that seed asks. Give each context its own text "
            "in a column 'question', or all seeds the same question; or leave out "
            'questions="seed" (--questions), so that the teacher writes the questions.',
            setting="questions",
        )


def _with_own_contexts(
    pipeline: Pipeline, contexts: Sequence[Row], seeds: Sequence[Row], questions: str | None
) -> Pipeline:
    """The pipeline with your own contexts in place of written ones."""
    columns: tuple[str, ...] = ("context",)
    if questions == "context":
        columns = ("context", "question")
    hand_out = Given(name="given_contexts", columns=columns, rows=share_out(contexts, seeds))
    return pipeline.put("gen_contexts", hand_out)


def _with_questions(pipeline: Pipeline, questions: str | None) -> Pipeline:
    """The pipeline without a stage that writes questions, if they come from elsewhere.

    The judge of questions stays: a question that fits its seed need not fit another context.
    """
    if questions == "context":
        return pipeline.without("gen_grounded_questions")
    if questions == "seed":
        copy = Combine(name="seed_questions", column="question", parts=("seed_question",))
        return pipeline.put("gen_grounded_questions", copy)
    return pipeline
