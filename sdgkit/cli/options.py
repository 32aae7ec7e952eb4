"""The options of the commands: how one is declared, and the groups that several commands share."""

import inspect
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from sdgkit.errors import SettingsError
from sdgkit.teachers.rehearsal import options as rehearsal

Result = TypeVar("Result")
TEACHER, AMOUNT, HOW, FOLDER, TRIAL = "The teacher", "How much", "How", "The run's folder", "Before paying"
REHEARSAL = "The rehearsal teacher (to see how a run bears its faults)"
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run, such as runs/seeds")]


def option(help: str, metavar: str | None = None, *flags: str, group: str | None = None, **more: Any) -> Any:
    """One option of a command, named after its parameter unless flags name it."""
    return typer.Option(*flags, help=help, metavar=metavar, rich_help_panel=group, show_default=False, **more)


def of(group: str, help: str, metavar: str | None = None, flag: str | None = None, **more: Any) -> Any:
    """One option of a group: a field of its class, None until it is given."""
    return field(default=None, metadata={"group": group, "flag": flag, "help": help, "metavar": metavar, **more})


@dataclass(frozen=True)
class Options:
    """A group of options. What was not given is None."""

    def given(self) -> dict[str, Any]:
        """What was given, by name; a single address by itself."""
        named = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        said = {name: value for name, value in named.items() if value is not None and value != []}
        return {name: value[0] if "url" in name and len(value) == 1 else value for name, value in said.items()}

    def words(self) -> list[str]:
        """What was given, as one types it."""
        said: list[str] = []
        for entry in fields(self):
            value = getattr(self, entry.name)
            for one in value if isinstance(value, list) else [value]:
                if one is True:
                    said.append(_flag(entry))
                elif one is not None:
                    said += [_flag(entry), f"{one:g}" if isinstance(one, float) else str(one)]
        return said


@dataclass(frozen=True)
class Place(Options):
    """Which teacher."""

    teacher: str | None = of(TEACHER, "vllm (any OpenAI-compatible server), openai, llama-stack or rehearsal", "KIND")
    base_url: list[str] | None = of(
        TEACHER,
        "its address, such as http://localhost:8000/v1; alone, it means vllm. Several, each after a --base-url, are "
        "servers of the same model that share the work",
        "URL",
    )
    model: str | None = of(TEACHER, "the model's name; may be left out where the server has only one", "NAME")
    key_file: str | None = of(
        TEACHER, "a file with the key, read again when it changes (default: the key in SDGKIT_API_KEY)", "FILE"
    )
    header: list[str] | None = of(
        TEACHER, "a header to send, with the value of this environment variable; any number", "NAME=VARIABLE"
    )

    def told(self) -> dict[str, Any]:
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

    judge_base_url: list[str] | None = of(
        TEACHER, "another server as the judge (its key: SDGKIT_JUDGE_API_KEY, else the usual)", "URL"
    )
    judge_model: str | None = of(TEACHER, "another model as the judge, on that server or the teacher's own", "NAME")

    def told(self, elsewhere: Mapping[str, Any]) -> dict[str, Any]:
        """What was given, in the words of `sdgkit.connect`. elsewhere: where it is if no server was named."""
        key = os.environ.get("SDGKIT_JUDGE_API_KEY")
        where = {"base_url": self.judge_base_url, "api_key": key} if self.judge_base_url else dict(elsewhere)
        return where | ({"model": self.judge_model} if self.judge_model else {})


@dataclass(frozen=True)
class Manners(Options):
    """How to treat it."""

    concurrency: int | None = of(TEACHER, "requests that may be with it at once (default 16: a polite guest)", "N")
    timeout: float | None = of(TEACHER, "longest time for one request (default 600)", "SECONDS", min=0.001)
    patience: float | None = of(
        TEACHER, "how long to wait for a teacher that has gone away (default 1800)", "SECONDS", min=0
    )


@dataclass(frozen=True)
class Job(Options):
    """What to make."""

    num_contexts: int | None = of(AMOUNT, "contexts for each seed example (default 10)", "N")
    num_questions: int | None = of(
        AMOUNT, "questions for each context (default 3); for each seed, if it has no contexts (default 30)", "N"
    )
    target: int | None = of(AMOUNT, "go on in rounds until so many samples are kept", "N")
    checks: list[str] | None = of(
        HOW,
        "what every response must pass; may be given several times: markdown_table[=HEAD,HEAD], "
        "valid_json[=SCHEMA.json], matches=REGEX, length=20..200 (words, or 20..900characters), same_language, "
        "no_refusal, facts_in_context, or FILE.py:FUNCTION",
        "NAME[=ARG]",
        "--check",
    )
    near_duplicates: float | None = of(
        HOW, "at the end, drop what is so similar to other samples or a seed (0.9)", "SHARE"
    )
    prompts: str | None = of(HOW, "prompts of your own, STAGE.yaml each; the shipped ones serve for the rest", "FOLDER")
    contexts: str | None = of(HOW, "your own contexts (a column `context`) in place of written ones", "FILE")
    questions: str | None = of(HOW, "only `seed`: ask the seed's own question of every context", "seed")
    vary: str | None = of(HOW, "named lists to draw from for each context: {{ vary.NAME }} in its prompt", "FILE.yaml")
    max_tokens: int | None = of(HOW, "longest reply (default 2048)", "N", min=1)
    structure: str | None = of(
        HOW, "let the server force the reply's form: auto (when it must be asked again), always, never", "WHEN"
    )
    system: str | None = of(HOW, "the system message of the training file, if it shall have one", "TEXT")

    def given(self) -> dict[str, Any]:
        """What was given; the lists to vary, read from their file. Raises SettingsError."""
        said = super().given()
        return said | {"vary": _lists_in(self.vary)} if self.vary is not None else said


@dataclass(frozen=True)
class Output(Options):
    """Where it goes."""

    out: str | None = of(FOLDER, "the folder (default runs/NAME OF THE SEED FILE)", "FOLDER")
    reuse: bool | None = of(FOLDER, "go on in the folder of another job, using its replies where they fit")


@dataclass(frozen=True)
class Trial(Options):
    """What it would take, before it is paid for."""

    dry_run: bool | None = of(TRIAL, "ask a few rows end to end, and say what the whole would take and bring")
    price_in: float | None = of(TRIAL, "price of a million tokens read", "PRICE", min=0)
    price_out: float | None = of(TRIAL, "price of a million tokens written", "PRICE", min=0)


def rehearsing(group: str | None, names: Sequence[str]) -> Any:
    """A group of these options of the rehearsal teacher's own."""

    def as_ours(entry: "Field[Any]") -> tuple[str, Any, Any]:
        words, kind = entry.metadata["help"], entry.type
        if entry.default and "default" not in words:
            words += f" (default {entry.default:g})"
        return entry.name, kind | None, of(group, words, entry.metadata["metavar"])  # type: ignore[operator, arg-type]

    theirs = [as_ours(entry) for entry in fields(rehearsal.Options) if entry.name in names]
    return make_dataclass("Rehearsal", theirs, bases=(Options,), frozen=True)


Rehearsal = rehearsing(
    REHEARSAL, ("mean_latency_ms", "slots", "error_rate", "rate_limit", "drop_rate", "hang_rate", "malformed_rate")
)


def takes(**groups: Any) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Give a command the options of these groups, each group handed to it as one object under its name here."""

    def wrap(command: Callable[..., Result]) -> Callable[..., Result]:
        hints = get_type_hints(command, include_extras=True)
        own = [p for p in inspect.signature(command).parameters.values() if p.name not in groups]
        own = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in own]
        theirs = [_parameter(entry) for group in groups.values() for entry in fields(group)]

        def called(**said: Any) -> Result:
            filled = {
                name: group(**{entry.name: said.pop(entry.name) for entry in fields(group)})
                for name, group in groups.items()
            }
            return command(**said, **filled)

        called.__doc__, called.__name__ = command.__doc__, command.__name__
        called.__signature__ = inspect.Signature([*own, *theirs])  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in (*own, *theirs)}
        return called

    return wrap


def command_line(*words: str) -> str:
    """A command as one types it here: quoted as a shell wants it, with the path of an `sdgkit` that has to be named."""
    called = sys.argv[0] if Path(sys.argv[0]).name == "sdgkit" and not shutil.which("sdgkit") else "sdgkit"
    return shlex.join([called, *words])


def _flag(entry: "Field[Any]") -> str:
    return entry.metadata["flag"] or f"--{entry.name.replace('_', '-')}"


def _parameter(entry: "Field[Any]") -> inspect.Parameter:
    """A group's field as a parameter of the command, in which typer finds the option."""
    told = {name: value for name, value in entry.metadata.items() if name != "flag"}
    kind: Any = entry.type
    annotation = Annotated[kind, option(told.pop("help"), told.pop("metavar"), _flag(entry), **told)]
    return inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _lists_in(path: str) -> Any:
    """The named lists in a YAML file. Raises SettingsError."""
    import yaml

    try:
        lists = yaml.safe_load(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"--vary {path}: cannot be read ({error.strerror}). Name a YAML file of lists.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        words = " ".join(str(error).split())
        raise SettingsError(f"--vary {path}: is not YAML: {words}.") from None
    return {} if lists is None else lists
