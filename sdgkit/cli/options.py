"""Options that several commands share: each group is a decorator and the value it passes on.

A command takes a group by its decorator, `@teacher_options`, and receives one frozen value,
`teacher: TeacherOptions`. An option that only one command has is declared beside its function.
"""

import functools
import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click
from click.shell_completion import CompletionItem

from sdgkit.errors import RunError, SettingsError
from sdgkit.rehearsal.options import Options as RehearsalSettings
from sdgkit.teachers.settings_file import job_settings

if TYPE_CHECKING:
    from sdgkit.run import Run

Function = TypeVar("Function", bound=Callable[..., Any])
Group = TypeVar("Group", bound="OptionGroup")
Decorator = Callable[[Function], Function]
AS_WRITTEN = "\b\n"  # click fills the lines of a paragraph unless this stands before it

# Pages of help ------------------------------------------------------------------------------------


class Option(click.Option):
    """An option with the heading under which a page of help lists it."""

    def __init__(self, *args: Any, section: str = "Options", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.section = section


class Command(click.Command):
    """A command whose page lists options under headings and shows examples as written.

    Attributes:
        settings: The settings of a job in `sdgkit.toml` that it takes.
    """

    def __init__(
        self,
        name: str | None,
        help: str | None = None,
        takes: Collection[str] = (),
        **settings: Any,
    ) -> None:
        self.settings = takes
        page = inspect.cleandoc(help or "").replace("\n\nExample", f"\n\n{AS_WRITTEN}Example")
        settings.setdefault("short_help", page.partition("\n")[0])
        super().__init__(name, help=page, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what `sdgkit.toml` says of a job for the options that are not typed."""
        if self.settings and not set(args) & {"-h", "--help"}:
            ctx.default_map = settings_for(self)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading, in the order in which the parameters are declared."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if not isinstance(parameter, click.Option):
                continue  # click lists the arguments
            record = parameter.get_help_record(ctx)
            if record is not None:
                title = parameter.section if isinstance(parameter, Option) else "Options"
                sections.setdefault(title, []).append(record)
        own_options = sections.pop("Options", [])
        sections["Options"] = own_options
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def settings_for(command: Command) -> dict[str, Any]:
    """What `sdgkit.toml` says for the options of a command, by the names of its parameters."""
    values: dict[str, Any] = {}
    for name, value in job_settings().items():
        if name == "profile" and isinstance(value, bool):
            values["no_profile"] = not value
        elif name in command.settings:
            values[name] = [value] if name in REPEATABLE and isinstance(value, str) else value
    return values


def is_from_file(name: str) -> bool:
    """Whether the value of a parameter of the running command comes from `sdgkit.toml`."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.DEFAULT_MAP


REPEATABLE = ("checks", "columns", "judge_base_url")
"""Settings of a job that are options to be repeated."""

LIMIT_SETTINGS = ("concurrency", "timeout", "patience", "judge_base_url", "judge_model")
"""The settings of a job that every command takes which asks a teacher for minutes."""

command = functools.partial(click.command, cls=Command)
argument = click.argument
option = functools.partial(click.option, cls=Option)

# Types of values ----------------------------------------------------------------------------------


class Number(click.FloatRange):
    """A number; click names the type in its own messages."""

    name = "number"


class WholeNumber(click.IntRange):
    """A whole number."""

    name = "whole number"


class RunFolder(click.ParamType["Run"]):
    """The folder of a run, opened to be looked at."""

    name = "run"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Run":
        """Open the run. Raises SettingsError where the folder holds none."""
        from sdgkit.run import open_run

        try:
            return open_run(value)
        except RunError as error:
            raise SettingsError(str(error), setting="RUN") from None

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Let the shell complete folders."""
        return [CompletionItem(incomplete, type="dir")]


class ListsFile(click.ParamType[object]):
    """A YAML file of named lists, read."""

    name = "file"

    def convert(
        self,
        value: str | Mapping[str, object],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> object:
        """Read the lists. Raises SettingsError where the file does not hold lists."""
        from sdgkit.method.lists_file import read_lists

        return value if isinstance(value, Mapping) else read_lists(value)


RUN = RunFolder()
COUNT = WholeNumber(min=1)
AMOUNT = Number(min=0)
SHARE = click.FLOAT
PATH = click.Path()
FOLDER = click.Path(file_okay=False)

# Groups of options --------------------------------------------------------------------------------


@dataclass(frozen=True)
class OptionGroup:
    """What you typed of a group of options; None or () for options that you left out."""

    def given(self) -> dict[str, Any]:
        """What you typed, by name; a repeatable option that was typed once is a single value."""
        typed: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, tuple) and len(value) == 1:
                typed[entry.name] = value[0]
            elif isinstance(value, tuple) and value:
                typed[entry.name] = list(value)
            elif value is not None and value is not False and value != ():
                typed[entry.name] = value
        return typed

    def as_typed(self) -> Self:
        """The same without what comes from `sdgkit.toml`."""
        unset = {entry.name: entry.default for entry in fields(self) if is_from_file(entry.name)}
        return replace(self, **unset)

    def __bool__(self) -> bool:
        return bool(self.given())


def option_group(
    parameter: str, kind: type[Group], *declarations: Decorator[Any]
) -> Decorator[Any]:
    """A decorator that gives a command these options, and passes what was typed as one value.

    Args:
        parameter: The name of the function's parameter that receives the value.
        kind: The class of the value; its fields are named as the options are.
        declarations: The options, in the order of the page.
    """
    names = [entry.name for entry in fields(kind)]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: Any, **values: Any) -> Any:
            typed = {name: values.pop(name) for name in names}
            return function(*args, **{parameter: kind(**typed)}, **values)

        decorated = call
        for declare in reversed(declarations):
            decorated = declare(decorated)
        return decorated  # type: ignore[return-value]

    return decorate


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
        help="the model's name; not needed where the server has only one",
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
        address = self.given().get("judge_base_url")
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
        help="the address of the judge's server (its key: SDGKIT_JUDGE_API_KEY, otherwise the "
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

    concurrency: int | None = None
    timeout: float | None = None
    patience: float | None = None


_limit_option = functools.partial(option, section="Limits")
limit_options = option_group(
    "limits",
    LimitOptions,
    _limit_option(
        "--concurrency", metavar="N", type=int, help="maximum concurrent requests (default 16)"
    ),
    _limit_option(
        "--timeout",
        metavar="SECONDS",
        type=Number(min=0, min_open=True),
        help="longest time for one request (default 600)",
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
    questions: str | None = None
    vary: object | None = None
    profile: str | None = None
    no_profile: bool = False
    max_tokens: int | None = None
    structure: str | None = None
    system: str | None = None

    def given(self) -> dict[str, Any]:
        """What you typed, by name; `profile` is False for --no-profile."""
        typed = super().given()
        if typed.pop("no_profile", False):
            if self.profile is not None:
                raise SettingsError(
                    "--profile and --no-profile exclude each other. Leave one of them out.",
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
    "seed examples: a jsonl, json, csv, tsv, xlsx, parquet or qna.yaml file, a folder of one or of "
    "save_to_disk, or a dataset on the Hub (hub:owner/name)"
)
_seed_option = functools.partial(option, section="The seed file")
seed_options = option_group(
    "reading",
    SeedOptions,
    _seed_option(
        "--task",
        metavar="TEXT",
        help="the task description of all seeds, in place of what the file says",
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
    help="exit with status 3 if the run is done with fewer than N samples",
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
        help="end the rounds of a target before they take more than N requests (default: no limit, "
        "as long as new samples come)",
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
        help="samples that give the same answer to the same context, in whatever words: keep (the "
        "default) or drop (all but the first)",
    ),
    _job_option(
        "--min-score",
        metavar="SCORE",
        type=float,
        help="the lowest score with which a sample is kept (default 2, on a scale from 1 to 3); "
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
        help="revise each response once that the judge did not give the highest score, judge it "
        "anew, and keep the better one",
    ),
    _job_option(
        "--keep-reasoning",
        is_flag=True,
        help="keep what the teacher thought before a response, as the column `reasoning`",
    ),
    _job_option(
        "--prompts",
        metavar="FOLDER",
        type=FOLDER,
        help="your own prompts, one STAGE.yaml each; the shipped ones are used for the rest",
    ),
    _job_option(
        "--contexts",
        metavar="FILE",
        type=PATH,
        help="your own contexts (a column `context` and, optionally, `question`) instead of "
        "generated ones",
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
    _job_option("--no-profile", is_flag=True, help="do without a profile"),
    _job_option(
        "--max-tokens", metavar="N", type=COUNT, help="the longest reply, in tokens (default 2048)"
    ),
    _job_option(
        "--structure",
        metavar="WHEN",
        help="force the form of replies, if the server supports structured output: auto (after a "
        "malformed reply; "
        "the default), always, never",
    ),
    _job_option("--system", metavar="TEXT", help="a system message for the training file"),
)


@dataclass(frozen=True)
class OutputOptions(OptionGroup):
    """Where the run's folder is."""

    out: str | None = None
    reuse: bool = False


_output_option = functools.partial(option, section="The run's folder")
output_options = option_group(
    "output",
    OutputOptions,
    _output_option(
        "--out",
        metavar="FOLDER",
        type=FOLDER,
        help="the run's folder (default: runs/, then the name of the seed file)",
    ),
    _output_option(
        "--reuse",
        is_flag=True,
        help="continue in the folder of a different job, and reuse its replies where they fit",
    ),
)


def rehearsal_options(parameter: str, section: str, names: Sequence[str]) -> Decorator[Any]:
    """A decorator that gives a command these settings of the rehearsal teacher as options.

    Args:
        parameter: The function's parameter, which receives a dictionary of what was typed.
        section: The heading on the page of help.
        names: Fields of `sdgkit.rehearsal.options.Options`.
    """
    settings = [entry for entry in fields(RehearsalSettings) if entry.name in names]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: Any, **values: Any) -> Any:
            typed = {name: values.pop(name) for name in names}
            given = {name: value for name, value in typed.items() if value is not None}
            return function(*args, **{parameter: given}, **values)

        decorated = call
        for setting in reversed(settings):
            help_text = setting.metadata["help"]
            if setting.default and "default" not in help_text:
                help_text = f"{help_text} (default {setting.default:g})"
            declare = option(
                f"--{setting.name.replace('_', '-')}",
                metavar=setting.metadata["metavar"],
                type=int if setting.type is int else click.FLOAT,
                help=help_text,
                section=section,
            )
            decorated = declare(decorated)
        return decorated  # type: ignore[return-value]

    return decorate
