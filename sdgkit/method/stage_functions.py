"""The stages of the method as functions of a dataset, to take one stage at a time."""

import inspect
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Unpack

from sdgkit.keywords import check_keywords, known_keywords
from sdgkit.log import is_interactive, log
from sdgkit.method.choose_prompts import choose_prompts
from sdgkit.method.options import MAKER_OPTIONS, StageOptions, read_profile, with_maker_options
from sdgkit.method.pipelines import FREEFORM, GROUNDED
from sdgkit.pipeline import Pipeline
from sdgkit.run import Run
from sdgkit.run.plan import Plan
from sdgkit.run.progress import ProgressLine
from sdgkit.samples import Row
from sdgkit.seeds import are_seeds, read_rows, read_seeds
from sdgkit.stages import Stage
from sdgkit.teachers.source import teacher_of

if TYPE_CHECKING:
    import datasets

Rows: TypeAlias = str | Path | Iterable[Row]
"""A dataset, dictionaries, or the path of a seed file."""

DEFAULTS = {"structure": "auto", "reuse": False}

ARGUMENTS = {
    "rows": "A dataset, dictionaries, or the path of a seed file.",
    "teacher": "The teacher that the stage asks.",
    "judge": "The teacher that a judging stage asks (default: `teacher`).",
    "out": "A folder to resume in (default: everything is kept in memory).",
    "prompt": "The prompt, or its file (default: the shipped one).",
    "sampling": "Sampling settings, which override those of the prompt.",
    "max_tokens": "The longest reply, in tokens (default: the prompt's).",
    "structure": 'When the server enforces the form of a reply: "auto", "always" or "never".',
    "reuse": "Continue in the folder of another job and reuse its recorded replies.",
    "num_contexts": "Contexts for each seed.",
    "num_questions": "Questions for each row.",
    "extra_tries": "Extra rows to request for a seed, one for each duplicate or malformed one.",
    "vary": "Lists from which a value is drawn for each new row.",
    "keep_reasoning": "Whether to keep the teacher's reasoning, in the column `reasoning`.",
    "profile": "The profile of the skill, or its file: the prompt gets its criteria and lists.",
}
"""What `help` says about each argument of a stage function."""


@dataclass(frozen=True)
class StageFunction:
    """A stage of the method as a function of a dataset.

    Attributes:
        stage: The stage.
        sentence: What it does, in a sentence.
    """

    stage: Stage
    sentence: str

    def __post_init__(self) -> None:
        # So `help` and Shift-Tab show this stage: its sentence, and the options that it has.
        object.__setattr__(self, "__signature__", self._signature())
        object.__setattr__(self, "__doc__", self._documentation())

    def __repr__(self) -> str:
        return f"<sdgkit.{self.stage.name}: {self.sentence}>"

    def __call__(self, rows: Rows, **options: Unpack[StageOptions]) -> "datasets.Dataset":
        """Run the stage on these rows; a notebook shows a line if any were dropped."""
        self._check_names(options)
        run = self.run(rows, **options)
        line = run.funnel[0]
        if line.dropped:
            reasons = ", ".join(f"{reason} {number}" for reason, number in line.dropped.items())
            kept = f"kept {line.rows_out} of {line.tried} rows"
            sentence = f"{line.name}: {kept}, dropped {line.dropped_rows} ({reasons})."
            log(
                logging.INFO,
                "rows_dropped",
                sentence,
                stage=line.name,
                tried=line.tried,
                rows_out=line.rows_out,
                dropped=dict(line.dropped),
            )
            if is_interactive():
                print(sentence)
        return run.dataset

    @known_keywords
    def run(self, rows: Rows, **options: Unpack[StageOptions]) -> Run:
        """Run the stage on these rows.

        Args:
            rows: A dataset, dictionaries, or the path of a seed file.
            **options: As for the function itself.

        Returns:
            The finished run, with its drops, its funnel and the trace of every row.

        Raises:
            SdgkitError: The stage cannot start, or stopped.
        """
        self._check_names(options)
        name = self.stage.name
        pipeline = with_maker_options(Pipeline(name, (self.stage,)), options)
        prompt = options.get("prompt")
        sampling = options.get("sampling")
        prompts = choose_prompts(
            pipeline,
            {name: prompt} if prompt is not None else None,
            {name: sampling} if sampling else None,
            options.get("max_tokens"),
        )
        judge = teacher_of(options.get("judge"))
        plan = Plan(
            pipeline=pipeline,
            rows=_read_rows(rows, has_own_prompt=prompt is not None),
            prompts=prompts,
            teacher=teacher_of(options.get("teacher")) or judge,
            judge=judge,
            name=name,
            structure=options.get("structure") or "auto",
        )
        profile = read_profile(options.get("profile"))
        if profile is not None:
            plan = plan.with_profile(profile, checked=False)  # a check is a stage of its own
        reuse = options.get("reuse", False)
        run = Run(plan, options.get("out"), reuse=reuse).start()
        with ProgressLine(name) as progress:
            return run.wait(progress=progress)

    def _check_names(self, options: StageOptions) -> None:
        check_keywords(self.stage.name, options, inspect.signature(self).parameters)

    # Help -----------------------------------------------------------------------------------------

    def _signature(self) -> inspect.Signature:
        """The signature with the options that this stage has, and with their defaults."""
        signature = inspect.signature(self.run)
        parameters = []
        for parameter in signature.parameters.values():
            if self._has_option(parameter.name):
                default = self._default(parameter)
                parameters.append(parameter.replace(default=default))
        return signature.replace(parameters=parameters, return_annotation="datasets.Dataset")

    def _has_option(self, name: str) -> bool:
        """Whether the stage has an option; not all stages make new rows."""
        for option in MAKER_OPTIONS:
            if option.name == name:
                return self.stage.name in option.stages
        return True

    def _default(self, parameter: inspect.Parameter) -> object:
        for option in MAKER_OPTIONS:
            if option.name == parameter.name:
                return getattr(self.stage, option.field)
        return DEFAULTS.get(parameter.name, parameter.default)

    def _documentation(self) -> str:
        names = inspect.signature(self).parameters
        arguments = [f"    {name}: {ARGUMENTS[name]}" for name in names]
        return _DOCUMENTATION.format(
            sentence=self.sentence,
            arguments="\n".join(arguments),
            stage=self.stage,
            name=self.stage.name,
        )


_DOCUMENTATION = """{sentence}

Prints a line if rows were dropped; `{name}.run(...)` returns the whole `Run` instead.

Args:
{arguments}

Returns:
    The rows that moved on, as a dataset.

Raises:
    SdgkitError: The stage cannot start, or stopped.

The stage in a pipeline:
    {stage}
"""


def _read_rows(rows: Rows, *, has_own_prompt: bool) -> list[Row]:
    if not isinstance(rows, str | os.PathLike):
        return [dict(row) for row in rows]
    if has_own_prompt:
        # Your prompt says which columns it uses; they need not be those of seeds.
        read = read_rows(rows)
        if not are_seeds(read):
            return list(read)
    return list(read_seeds(rows))


gen_contexts = StageFunction(
    GROUNDED.stage("gen_contexts"),
    "Write ten new contexts for each seed.",
)
gen_grounded_questions = StageFunction(
    GROUNDED.stage("gen_grounded_questions"),
    "Ask three new questions about each context.",
)
eval_grounded_questions = StageFunction(
    GROUNDED.stage("eval_grounded_questions"),
    "Judge each question about its context, 0 or 1.",
)
filter_grounded_questions = StageFunction(
    GROUNDED.stage("filter_grounded_questions"),
    "Keep the questions that the judge gave a 1.",
)
gen_grounded_responses = StageFunction(
    GROUNDED.stage("gen_grounded_responses"),
    "Answer each question about its context in the style of the seed's response.",
)
evaluate_grounded_qa_pair = StageFunction(
    GROUNDED.stage("evaluate_grounded_qa_pair"),
    "Judge each question about a context together with its response, 1 to 3; name the faults.",
)
filter_grounded_qa_pair = StageFunction(
    GROUNDED.stage("filter_grounded_qa_pair"),
    "Keep the pairs of question and response that the judge gave a 2 or a 3.",
)
combine_question_and_context = StageFunction(
    GROUNDED.stage("combine_question_and_context"),
    "Put each context above its question, as one text.",
)
gen_questions = StageFunction(
    FREEFORM.stage("gen_questions"),
    "Write thirty new questions for each seed.",
)
eval_questions = StageFunction(
    FREEFORM.stage("eval_questions"),
    "Judge each question, 0 or 1.",
)
filter_questions = StageFunction(
    FREEFORM.stage("filter_questions"),
    "Keep the questions that the judge gave a 1.",
)
gen_responses = StageFunction(
    FREEFORM.stage("gen_responses"),
    "Answer each question in the style of the seed's response.",
)
evaluate_qa_pair = StageFunction(
    FREEFORM.stage("evaluate_qa_pair"),
    "Judge each question together with its response, 1 to 3; name the faults.",
)
filter_qa_pair = StageFunction(
    FREEFORM.stage("filter_qa_pair"),
    "Keep the pairs of question and response that the judge gave a 2 or a 3.",
)
