"""Options that several commands share: each group is a decorator and the value it passes on.

A command takes a group by its decorator, `@teacher_options`, and receives one frozen value,
`teacher: TeacherOptions`. An option that only one command has is declared beside its function.
"""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click

from sdgkit.cli.commands import option
from sdgkit.cli.option_groups import OptionGroup, option_group
from sdgkit.cli.output import Output, reporting
from sdgkit.cli.value_types import AMOUNT, COUNT, FOLDER, PATH, SHARE, ListsFile, Number
from sdgkit.errors import SettingsError


@dataclass(frozen=True)
class TeacherOptions(OptionGroup):
    """Which teacher to ask: arguments of `sdgkit.connect`."""

    kind: str | None = None
    base_url: tuple[str, ...] = ()
    model: str | None = None
    key_file: str | None = None
    headers: tuple[str, ...] = ()


_teacher_option = functools.partial(option, section="The teacher")
teacher_options = option_group(
    "teacher",
    TeacherOptions,
    _teacher_option(
        "--teacher",
        "kind",
        metavar="KIND",
        help="vllm (any OpenAI-compatible server), openai, llama-stack or rehearsal",
    ),
    _teacher_option(
        "--base-url",
        metavar="URL",
        multiple=True,
        help="the server's address, such as http://localhost:8000/v1; without --teacher, it "
        "means vllm. Repeat it for several servers of the same model, which then share the work",
    ),
    _teacher_option(
        "--model",
        metavar="NAME",
        help="the model's name; not needed if the server has only one",
    ),
    _teacher_option(
        "--key-file",
        metavar="FILE",
        type=PATH,
        help="a file that holds the key, read again when it changes (default: the key in "
        "SDGKIT_API_KEY)",
    ),
    _teacher_option(
        "--header",
        "headers",
        metavar="NAME=VARIABLE",
        multiple=True,
        help="a header to send, with the value of this environment variable; may be repeated",
    ),
)


@dataclass(frozen=True)
class JudgeOptions(OptionGroup):
    """Which other model judges."""

    judge_base_url: tuple[str, ...] = ()
    judge_model: str | None = None

    def connect_arguments(self, teacher: dict[str, Any]) -> dict[str, Any]:
        """The arguments of `connect` for the judge, at its own server or the teacher's."""
        address = self.typed().get("judge_base_url")
        return beside(teacher, address, self.judge_model, os.environ.get("SDGKIT_JUDGE_API_KEY"))


def beside(
    teacher: dict[str, Any],
    base_url: str | Sequence[str] | None,
    model: str | None,
    api_key: str | None = None,
) -> dict[str, Any]:
    """The arguments of `connect` for a second model, at its own server or the first one's."""
    arguments = dict(teacher)
    if base_url:
        arguments = {"base_url": base_url, "api_key": api_key}
    if model:
        arguments["model"] = model
    return arguments


_judge_option = functools.partial(option, section="Another model as the judge")
judge_options = option_group(
    "judge",
    JudgeOptions,
    _judge_option(
        "--judge-base-url",
        metavar="URL",
        multiple=True,
        help="the address of the judge's server (its key: SDGKIT_JUDGE_API_KEY, or else the "
        "teacher's)",
    ),
    _judge_option(
        "--judge-model",
        metavar="NAME",
        help="the judge's model, on that server or on the teacher's",
    ),
)


@dataclass(frozen=True)
class LimitOptions(OptionGroup):
    """How many requests at once, and how long to wait."""

    concurrency: str | None = None
    timeout: float | None = None
    patience: float | None = None


_limit_option = functools.partial(option, section="Limits")
limit_options = option_group(
    "limits",
    LimitOptions,
    _limit_option(
        "--concurrency",
        metavar="N|auto",
        help='maximum concurrent requests: a number; "auto", which finds the level at which the '
        'throughput stops growing; or "auto:N", with an upper bound (default: auto for vLLM and '
        "several servers, otherwise 16)",
    ),
    _limit_option(
        "--timeout",
        metavar="SECONDS",
        type=Number(min=0, min_open=True),
        help="maximum time for one request (default 600)",
    ),
    _limit_option(
        "--patience",
        metavar="SECONDS",
        type=AMOUNT,
        help="how long to wait for a teacher that stops answering (default 1800)",
    ),
)


@dataclass(frozen=True)
class JobOptions(OptionGroup):
    """What to generate: arguments of `sdgkit.plan`."""

    num_contexts: int | None = None
    num_questions: int | None = None
    target: int | None = None
    max_requests: int | None = None
    min_samples: int | None = None
    checks: tuple[str, ...] = ()
    near_duplicates: float | None = None
    twins: str | None = None
    responses: int | None = None
    repair: bool = False
    keep_reasoning: bool = False
    min_score: float | None = None
    prompts: str | None = None
    contexts: str | None = None
    split_contexts: str | None = None
    questions: str | None = None
    vary: object | None = None
    profile: str | None = None
    no_profile: bool = False
    max_tokens: int | None = None
    structure: str | None = None
    system: str | None = None

    def typed(self) -> dict[str, Any]:
        """What you typed, by name; `profile` is False for --no-profile."""
        typed = super().typed()
        if typed.pop("no_profile", False):
            if self.profile is not None:
                raise SettingsError(
                    "Use either --profile or --no-profile, not both.",
                    setting="profile",
                )
            typed["profile"] = False
        return typed


@dataclass(frozen=True)
class SeedOptions(OptionGroup):
    """How to read a seed file: arguments of `sdgkit.load_seeds`."""

    encoding: str | None = None
    task: str | None = None
    columns: tuple[str, ...] = ()


SEEDS_HELP = (
    "seed examples: a jsonl, json, csv, tsv, xlsx, parquet or qna.yaml file, a folder with one or "
    "from save_to_disk, or a dataset on the Hub (hub:owner/name)"
)
_seed_option = functools.partial(option, section="The seed file")
seed_options = option_group(
    "reading",
    SeedOptions,
    _seed_option(
        "--task",
        metavar="TEXT",
        help="the task description of all seeds, instead of what the file says",
    ),
    _seed_option(
        "--column",
        "columns",
        metavar="NAME=COLUMN",
        multiple=True,
        help="a column that has another name, such as seed_response=answer; may be repeated",
    ),
    _seed_option(
        "--encoding",
        metavar="NAME",
        help="the encoding of a text file that is not UTF-8, such as cp1252",
    ),
)

_job_option = functools.partial(option, section="The job")
min_samples_option = _job_option(
    "--min-samples",
    metavar="N",
    type=COUNT,
    help="exit with status 3 if the run ends with fewer than N samples",
)
job_options = option_group(
    "job",
    JobOptions,
    _job_option(
        "--num-contexts",
        metavar="N",
        type=int,
        help="contexts to write for each seed example (default 10)",
    ),
    _job_option(
        "--num-questions",
        metavar="N",
        type=int,
        help="questions for each context (default 3); for each seed, if it has no context "
        "(default 30)",
    ),
    _job_option(
        "--target", metavar="N", type=int, help="continue in rounds until N samples are kept"
    ),
    _job_option(
        "--max-requests",
        metavar="N",
        type=COUNT,
        help="with --target, begin no round that would exceed N requests (default: no limit as "
        "long as new samples come)",
    ),
    min_samples_option,
    _job_option(
        "--check",
        "checks",
        metavar="NAME[=ARG]",
        multiple=True,
        help="a check for every response; may be repeated: markdown_table[=HEAD,HEAD], "
        "valid_json[=SCHEMA.json], matches=REGEX, length=20..200 (words, or 20..900characters), "
        "same_language, "
        "no_refusal, facts_in_context, or FILE.py:FUNCTION",
    ),
    _job_option(
        "--near-duplicates",
        metavar="SHARE",
        type=SHARE,
        help="at the end, drop samples that are this similar to another or to a seed, such as 0.9",
    ),
    _job_option(
        "--twins",
        metavar="WHAT",
        help="samples that give the same answer to the same context, however worded: keep (the "
        "default) or drop (all but the first)",
    ),
    _job_option(
        "--min-score",
        metavar="SCORE",
        type=float,
        help="the lowest score at which a sample is kept (default 2, on a scale from 1 to 3); "
        "changing it repeats no request",
    ),
    _job_option(
        "--responses",
        metavar="N",
        type=COUNT,
        help="responses to each question, of which the best is kept (default 1); `export --format "
        "preference` pairs them",
    ),
    _job_option(
        "--repair",
        is_flag=True,
        help="revise once each response that did not get the highest score, judge it again, and "
        "keep the better version",
    ),
    _job_option(
        "--keep-reasoning",
        is_flag=True,
        help="keep the teacher's reasoning before each response, in the column `reasoning`",
    ),
    _job_option(
        "--prompts",
        metavar="FOLDER",
        type=FOLDER,
        help="your own prompts, one STAGE.yaml each; the shipped ones are used for the rest",
    ),
    _job_option(
        "--contexts",
        metavar="FILES",
        type=PATH,
        help="your own contexts instead of generated ones: a folder or 'PATTERN' of .txt and .md "
        "files, or a table with a column `context` (and, optionally, `question`)",
    ),
    _job_option(
        "--split-contexts",
        metavar="HOW",
        help="split text files into contexts: whole (the default), heading, or a number of words",
    ),
    _job_option(
        "--questions",
        metavar="seed",
        help="`seed`: ask the seed's own question about every context; if you bring "
        "contexts, all seeds must ask the same question",
    ),
    _job_option(
        "--vary",
        metavar="FILE.yaml",
        type=ListsFile(),
        help="named lists from which each context draws: {{ vary.NAME }} in its prompt",
    ),
    _job_option(
        "--profile",
        metavar="FILE.yaml",
        type=PATH,
        help="the profile of the skill, as `sdgkit study` writes it (default: the one in the run's "
        "folder, or else the teacher studies the seeds first)",
    ),
    _job_option("--no-profile", is_flag=True, help="run without a profile"),
    _job_option(
        "--max-tokens", metavar="N", type=COUNT, help="the longest reply, in tokens (default 2048)"
    ),
    _job_option(
        "--structure",
        metavar="WHEN",
        help="enforce the form of replies, if the server supports structured output: auto (after a "
        "malformed reply; "
        "the default), always, never",
    ),
    _job_option("--system", metavar="TEXT", help="a system message for the training file"),
)


Function = TypeVar("Function", bound=Callable[..., Any])

json_option = option("--json", "as_json", is_flag=True, help="print one JSON document on stdout")


def reports(function: Function) -> Function:
    """A decorator for a command that reports: gives it --json."""

    @functools.wraps(function)
    def call(*args: object, as_json: bool, **values: object) -> Any:
        with reporting(Output(as_json)):
            return function(*args, **values)

    return json_option(call)  # type: ignore[return-value]


def reports_progress(function: Function) -> Function:
    """A decorator for a command that works for a while: gives it --json, --log and --quiet."""

    @functools.wraps(function)
    def call(
        *args: object, as_json: bool, log: Literal["text", "json"], quiet: bool, **values: object
    ) -> Any:
        with reporting(Output(as_json, log, quiet)):
            return function(*args, **values)

    decorated = _output_option("--quiet", is_flag=True, help="print nothing until the end")(call)
    decorated = _output_option(
        "--log",
        type=click.Choice(["text", "json"]),
        default="text",
        help="how to report progress on stderr: as text (the default) or as JSON lines",
    )(decorated)
    return _output_option(  # type: ignore[return-value]
        "--json", "as_json", is_flag=True, help="print the result as one JSON document on stdout"
    )(decorated)


_output_option = functools.partial(option, section="What is printed")


@dataclass(frozen=True)
class OutputOptions(OptionGroup):
    """Where the run's folder is."""

    out: str | None = None
    reuse: bool = False


_folder_option = functools.partial(option, section="The run's folder")
output_options = option_group(
    "output",
    OutputOptions,
    _folder_option(
        "--out",
        metavar="FOLDER",
        type=FOLDER,
        help="the run's folder (default: runs/, then the name of the seed file)",
    ),
    _folder_option(
        "--reuse",
        is_flag=True,
        help="continue in the folder of a different job, and reuse its replies where they fit",
    ),
)
