"""The options that several commands share, in groups: what may be said, and what was."""

import inspect
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from sdgkit.errors import SettingsError

Result = TypeVar("Result")
TEACHER, AMOUNT, HOW, FOLDER = "The teacher", "How much", "How", "The run's folder"
TRIAL = "Before paying"
REHEARSAL = "The rehearsal teacher's (to see how a run bears them)"


def option(group: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    """An option of this group; its name is that of its field."""
    return typer.Option(help=help, metavar=metavar, rich_help_panel=group, show_default=False, **more)


class Options:
    """A group of options. What was not given is None."""

    def given(self) -> dict[str, Any]:
        """What was given, by name."""
        named = {entry.name: getattr(self, entry.name) for entry in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in named.items() if value is not None and value != []}

    def words(self) -> list[str]:
        """What was given, as one types it."""
        said = []
        for name, value in self.given().items():
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, list):
                said += [word for one in value for word in (flag.removesuffix("s"), one)]
                continue
            number = f"{value:g}" if isinstance(value, float) else str(value)
            said += [flag] if value is True else [flag, number]
        return said


@dataclass(frozen=True)
class Place(Options):
    """Which teacher."""

    teacher: Annotated[
        str | None,
        option(TEACHER, "vllm (any OpenAI-compatible server), openai, llama-stack or rehearsal", "KIND"),
    ] = None
    base_url: Annotated[
        list[str] | None,
        option(
            TEACHER,
            "its address, such as http://localhost:8000/v1; alone, it means vllm. Several, each after a --base-url, "
            "are servers of the same model that share the work",
            "URL",
        ),
    ] = None
    model: Annotated[
        str | None, option(TEACHER, "the model's name; may be left out where the server has only one", "NAME")
    ] = None
    key_file: Annotated[
        str | None,
        option(TEACHER, "a file with the key, read again when it changes (default: the key in SDGKIT_API_KEY)", "FILE"),
    ] = None
    header: Annotated[
        list[str] | None,
        option(TEACHER, "a header to send, with the value of this environment variable; any number", "NAME=VARIABLE"),
    ] = None

    def given(self) -> dict[str, Any]:
        """What was given; one address by itself, several as a list."""
        said = super().given()
        return said | {"base_url": said["base_url"][0]} if len(said.get("base_url", ())) == 1 else said

    def as_told(self) -> dict[str, Any]:
        """What was given, in the words of `sdgkit.connect`."""
        return {{"teacher": "kind", "header": "headers"}.get(name, name): value for name, value in self.given().items()}

    def for_notebook(self) -> dict[str, Any]:
        """What was given, as a notebook's parameters. What only the way there needs goes into the environment."""
        said = self.given()
        headers, key_file = said.pop("header", None), said.pop("key_file", None)
        if self.teacher and (headers or key_file):
            # What is in the environment holds for the kind that is named there, see `teachers.settings.settle`.
            os.environ |= {"SDGKIT_TEACHER": self.teacher, "SDGKIT_BASE_URL": "", "SDGKIT_MODEL": ""}
        if headers:
            os.environ["SDGKIT_HEADERS"] = ",".join(headers)
        if key_file:
            os.environ["SDGKIT_KEY_FILE"] = os.path.abspath(key_file)
        return said


@dataclass(frozen=True)
class Judge(Options):
    """Another teacher for the judging."""

    judge_base_url: Annotated[
        list[str] | None,
        option(TEACHER, "another server as the judge (its key: SDGKIT_JUDGE_API_KEY, else the usual)", "URL"),
    ] = None
    judge_model: Annotated[
        str | None, option(TEACHER, "another model as the judge, on that server or the teacher's own", "NAME")
    ] = None


@dataclass(frozen=True)
class Manners(Options):
    """How to treat it."""

    concurrency: Annotated[
        int | None, option(TEACHER, "requests that may be with it at once (default 16: a polite guest)", "N", min=1)
    ] = None
    timeout: Annotated[
        float | None, option(TEACHER, "longest time for one request (default 600)", "SECONDS", min=0.001)
    ] = None
    patience: Annotated[
        float | None,
        option(TEACHER, "how long to wait for a teacher that has gone away (default 1800)", "SECONDS", min=0),
    ] = None


@dataclass(frozen=True)
class Job(Options):
    """What to make."""

    num_contexts: Annotated[int | None, option(AMOUNT, "contexts for each seed example (default 10)", "N")] = None
    num_questions: Annotated[
        int | None,
        option(
            AMOUNT, "questions for each context (default 3); for each seed, if it has no contexts (default 30)", "N"
        ),
    ] = None
    target: Annotated[int | None, option(AMOUNT, "go on in rounds until so many samples are kept", "N")] = None
    checks: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            help="what every response must pass; may be given several times: markdown_table[=HEAD,HEAD], "
            "valid_json[=SCHEMA.json], matches=REGEX, length=20..200 (words, or 20..900characters), same_language, "
            "no_refusal, facts_in_context, or FILE.py:FUNCTION",
            metavar="NAME[=ARG]",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None
    near_duplicates: Annotated[
        float | None, option(HOW, "at the end, drop what is so similar to other samples or a seed (0.9)", "SHARE")
    ] = None
    prompts: Annotated[
        str | None, option(HOW, "prompts of your own, STAGE.yaml each; the shipped ones serve for the rest", "FOLDER")
    ] = None
    contexts: Annotated[
        str | None, option(HOW, "your own contexts (a column `context`) in place of written ones", "FILE")
    ] = None
    questions: Annotated[
        str | None, option(HOW, "only `seed`: ask the seed's own question of every context", "seed")
    ] = None
    vary: Annotated[
        str | None, option(HOW, "named lists to draw from for each context: {{ vary.NAME }} in its prompt", "FILE.yaml")
    ] = None
    max_tokens: Annotated[int | None, option(HOW, "longest reply (default 2048)", "N", min=1)] = None
    structure: Annotated[
        str | None,
        option(HOW, "let the server force the reply's form: auto (when it must be asked again), always, never", "WHEN"),
    ] = None
    system: Annotated[
        str | None, option(HOW, "the system message of the training file, if it shall have one", "TEXT")
    ] = None

    def given(self) -> dict[str, Any]:
        """What was given; the lists to vary, read from their file. Raises SettingsError."""
        said = super().given()
        return said | {"vary": read_lists(self.vary)} if self.vary is not None else said


@dataclass(frozen=True)
class Output(Options):
    """Where it goes."""

    out: Annotated[str | None, option(FOLDER, "the folder (default runs/NAME OF THE SEED FILE)", "FOLDER")] = None
    reuse: Annotated[
        bool | None, option(FOLDER, "go on in the folder of another job, using its replies where they fit")
    ] = None


@dataclass(frozen=True)
class Trial(Options):
    """What it would take, before it is paid for."""

    dry_run: Annotated[
        bool | None, option(TRIAL, "ask a few rows end to end, and say what the whole would take and bring")
    ] = None
    price_in: Annotated[float | None, option(TRIAL, "price of a million tokens read", "PRICE", min=0)] = None
    price_out: Annotated[float | None, option(TRIAL, "price of a million tokens written", "PRICE", min=0)] = None


@dataclass(frozen=True)
class Rehearsal(Options):
    """How the rehearsal teacher behaves."""

    mean_latency_ms: Annotated[
        float | None, option(REHEARSAL, "mean reply time; 0 answers at once (default)", "MS")
    ] = None
    slots: Annotated[int | None, option(REHEARSAL, "requests it works on at once (default 64)", "N")] = None
    error_rate: Annotated[float | None, option(REHEARSAL, "share answered with status 500", "SHARE")] = None
    rate_limit: Annotated[float | None, option(REHEARSAL, "share answered with status 429", "SHARE")] = None
    drop_rate: Annotated[float | None, option(REHEARSAL, "share whose connection breaks off", "SHARE")] = None
    hang_rate: Annotated[float | None, option(REHEARSAL, "share never answered (mind --timeout)", "SHARE")] = None
    malformed_rate: Annotated[float | None, option(REHEARSAL, "share that breaks the form asked for", "SHARE")] = None


def takes(**groups: type[Options]) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Give a command the options of these groups, each group handed to it as one object under its name here."""

    def wrap(command: Callable[..., Result]) -> Callable[..., Result]:
        hints = get_type_hints(command, include_extras=True)
        own = [p for p in inspect.signature(command).parameters.values() if p.name not in groups]
        own = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in own]
        theirs = [
            inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=entry.default, annotation=entry.type)
            for group in groups.values()
            for entry in fields(group)  # type: ignore[arg-type]
        ]

        def called(**said: Any) -> Result:
            filled = {
                name: group(**{entry.name: said.pop(entry.name) for entry in fields(group)})  # type: ignore[arg-type]
                for name, group in groups.items()
            }
            return command(**said, **filled)

        called.__doc__, called.__name__ = command.__doc__, command.__name__
        called.__signature__ = inspect.Signature([*own, *theirs])  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in (*own, *theirs)}
        return called

    return wrap


def command_line(*words: str) -> str:
    """A command as one types it, with quotes where a shell wants them."""
    return shlex.join(["sdgkit", *words])


def read_lists(path: str) -> Mapping[str, Any]:
    """The named lists in a YAML file. Raises SettingsError."""
    import yaml

    try:
        lists = yaml.safe_load(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"--vary {path}: cannot be read ({error.strerror}). Name a YAML file of lists.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        words = " ".join(str(error).split())
        raise SettingsError(f"--vary {path}: is not YAML: {words}.") from None
    good = isinstance(lists, dict) and lists and all(isinstance(one, list) and one for one in lists.values())
    if not good:
        raise SettingsError(
            f"--vary {path}: must hold named lists, one a line, such as `audience: [children, experts]`."
        )
    return {str(name): values for name, values in lists.items()}
