"""`sdgkit run`: the job as a notebook, executed without a browser."""

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sdgkit.cli.help import Command
from sdgkit.cli.options import Job, Manners, Output, Place, command_line, option, takes
from sdgkit.cli.terminal import complain, say
from sdgkit.errors import SettingsError

QUICKSTART = "quickstart"
EXAMPLE = "feedback_to_table"  # the seeds of a tutorial that is not given any
NOTEBOOK = "The notebook"
LONGEST_CELL_S = 86_400.0  # a stalled kernel must not wait for ever; a run with a large model may well take hours
WORDS = {"True": True, "False": False, "None": None}


class RunCommand(Command):
    """Takes `-p NAME VALUE`, two words, as papermill does; and NAME=VALUE."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        joined, words = [], iter(args)
        for word in words:
            joined.append(word)
            if word in ("-p", "--parameter"):
                name = next(words, "")
                value = None if "=" in name else next(words, None)
                if "=" not in name and value is None:
                    ctx.fail("-p takes a name and a value, such as: -p num_contexts 3")
                joined.append(name if value is None else f"{name}={value}")
        return super().parse_args(ctx, joined)


@dataclass(frozen=True)
class Notebook:
    """A notebook to execute. parameters: those of its `parameters` cell, with their defaults (None: no plain value)."""

    path: Path
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem

    def folder(self, given: Mapping[str, Any]) -> Path:
        """Where its run goes: as given, or runs/ and the name of the seed file, or else that of the notebook, so that a
        tutorial leaves the quickstart's run alone."""
        values = {**self.parameters, **given}
        if given.get("out"):
            return Path(given["out"])
        if values.get("out") and not given.get("seeds"):
            return Path(values["out"])
        if values.get("seeds") or self.name == QUICKSTART:
            return Path("runs") / Path(values.get("seeds") or EXAMPLE).stem
        return Path("runs") / self.name

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises SettingsError for a parameter that it does not have."""
        unknown = [name for name in given if name not in self.parameters]
        if not unknown:
            return
        has = (
            f"It has {', '.join(self.parameters)}." if self.parameters else "It has none (no cell tagged `parameters`)."
        )
        raise SettingsError(f"The notebook {self.name} has no parameter {unknown[0]!r}. {has}")


@takes(place=Place, manners=Manners, job=Job, output=Output)
def run(
    notebook: Annotated[str, typer.Argument(metavar="[NOTEBOOK]", show_default=False)] = QUICKSTART,
    seeds: Annotated[str | None, option(NOTEBOOK, "the seed examples (those of the tutorial)", "FILE")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME VALUE", help="any parameter of it", rich_help_panel=NOTEBOOK),
    ] = None,
    cell_timeout: Annotated[
        float, option(NOTEBOOK, "longest time for one cell (default 86400)", "SECONDS", min=1)
    ] = LONGEST_CELL_S,
    *,
    place: Place,
    manners: Manners,
    job: Job,
    output: Output,
) -> Callable[[], int]:
    """Execute a tutorial notebook from beginning to end, with papermill: the quickstart, if you name none.

    NOTEBOOK is the name of a tutorial or the path of a notebook. The options fill in the parameters of the same names,
    in its cell tagged `parameters`. The executed notebook lies in the run's folder, to be read in JupyterLab.

    Examples:
      sdgkit run                                   the quickstart, on the rehearsal teacher
      sdgkit run --seeds seeds.jsonl --base-url http://localhost:8000/v1
      sdgkit run quickstart -p num_contexts 3      any parameter of a notebook
    """
    given = place.for_notebook()
    given |= {name: value for group in (manners, job, output) for name, value in group.given().items()}
    given |= {"seeds": seeds} if seeds is not None else {}
    named = [notebook] if notebook != QUICKSTART else []
    again = ["run", *named, *(["--seeds", seeds] if seeds is not None else []), *job.words()]
    for text in parameter or []:
        name, _, value = text.partition("=")
        given[name] = _value(value)
        again += ["-p", name, value]
    return lambda: _run(find(notebook), given, cell_timeout, again)


def _run(notebook: Notebook, given: dict[str, Any], cell_timeout: float, again: list[str]) -> int:
    from sdgkit.cli.execution import Interrupted, execute

    notebook.check(given)
    out = notebook.folder(given)
    if "out" in notebook.parameters:
        given["out"] = str(out)
    target = out / f"{notebook.name}.ipynb"
    say(f"{notebook.name} \u2192 {target}\n")
    before = _summary_state(out)
    try:
        execute(notebook.path, target, given, out, cell_timeout)
    except Interrupted as interrupted:
        complain("Interrupted. What is finished is kept; the same command again goes on.")
        return interrupted.status
    if _summary_state(out) == before:
        say(f"\nThe executed notebook: {target}")
        return 0
    from sdgkit.cli.closing import close, next_steps

    summary = json.loads((out / "summary.json").read_text("utf-8"))
    close(out, summary, {target.name: "the notebook as it was executed, to be read in JupyterLab"})
    there = ("--base-url", "http://localhost:8000/v1", "--out", f"{out}-real")
    next_steps(out, summary, command_line(*again, *there))
    return 0


def find(name: str) -> Notebook:
    """The notebook of this name or path. Raises SettingsError."""
    from sdgkit.prompts import shipped

    path = Path(name)
    if not (path.suffix == ".ipynb" or path.is_file()):
        tutorials = shipped("notebooks")
        path = tutorials / f"{name}.ipynb"
        if not path.is_file():
            names = ", ".join(sorted(found.stem for found in tutorials.glob("*.ipynb")))
            raise SettingsError(f"There is no tutorial {name!r}. There are: {names}; or give the path of a notebook.")
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        return Notebook(path, _assigned("".join(tagged[0]["source"])) if tagged else {})
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error.strerror}). Give a tutorial's name or a notebook's path."
        ) from None
    except (ValueError, KeyError, TypeError, SyntaxError):
        raise SettingsError(
            f"{path}: is not a notebook that can be run (format 4). Open it in JupyterLab and save it."
        ) from None


def _assigned(source: str) -> dict[str, Any]:
    """The names that a cell assigns, with the values that stand there as literals."""
    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign):
                found[target.id] = node.value.value if isinstance(node.value, ast.Constant) else None
    return found


def _value(text: str) -> Any:
    """A parameter's value: JSON, Python's True, False and None, or else a text."""
    try:
        return json.loads(text)
    except ValueError:
        return WORDS.get(text, text)


def _summary_state(out: Path) -> int:
    """When the folder's summary was written; 0 if there is none."""
    path = out / "summary.json"
    return path.stat().st_mtime_ns if path.exists() else 0
