"""`sdgkit run`: the job as a notebook, executed without a browser."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from sdgkit.cli.help import Command
from sdgkit.cli.options import Job, Judge, Manners, Output, Place, option, takes
from sdgkit.cli.terminal import complain, say
from sdgkit.errors import SettingsError

QUICKSTART = "quickstart"
EXAMPLE = "feedback_to_table"  # the seeds of a tutorial that is not given any
NOTEBOOK = "The notebook"


class RunCommand(Command):
    """Takes `-p NAME VALUE`, two words, as papermill does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        joined, words = [], iter(args)
        for word in words:
            if word in ("-p", "--parameter"):
                pair = list(islice(words, 2))
                if len(pair) < 2 or "=" in pair[0]:
                    ctx.fail("-p takes a name and a value, such as: -p num_contexts 3")
                word = f"--parameter={'='.join(pair)}"
            joined.append(word)
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
        if unknown:
            has = ", ".join(self.parameters) or "none (no cell tagged `parameters`)"
            raise SettingsError(f"The notebook {self.name} has no parameter {unknown[0]!r}. It has {has}.")


@takes(place=Place, judge=Judge, manners=Manners, job=Job, output=Output)
def run(
    notebook: Annotated[
        str, typer.Argument(metavar="[NOTEBOOK]", help="a tutorial's name, or a notebook's path (default: quickstart)")
    ] = QUICKSTART,
    seeds: Annotated[str | None, option("the seed examples (those of the tutorial)", "FILE", group=NOTEBOOK)] = None,
    parameter: Annotated[
        list[str] | None, option("any parameter of it", "NAME VALUE", "-p", "--parameter", group=NOTEBOOK)
    ] = None,
    *,
    place: Place,
    judge: Judge,
    manners: Manners,
    job: Job,
    output: Output,
) -> int:
    """The same job as a notebook, executed: the quickstart, or another tutorial.

    The options fill in the parameters of the same names, in its cell tagged `parameters`. The executed notebook lies
    in the run's folder, to be read in JupyterLab. It is papermill that executes it.

    Examples:
      sdgkit run                                   the quickstart, on the rehearsal teacher
      sdgkit run --seeds seeds.jsonl --base-url http://localhost:8000/v1
      sdgkit run quickstart -p num_contexts 3      any parameter of a notebook
    """
    given = place.for_notebook() | judge.given() | manners.given() | job.given() | output.given()
    again = ["run", *([notebook] if notebook != QUICKSTART else []), *job.words()]
    if seeds is not None:
        given["seeds"] = seeds
        again += ["--seeds", seeds]
    for name, _, value in (text.partition("=") for text in parameter or []):
        given[name] = _literal(value)
        again += ["-p", name, value]
    found = _find(notebook)
    found.check(given)
    out = found.folder(given)
    if "out" in found.parameters:
        given["out"] = str(out)
    return _run(found, out, given, again)


def _run(notebook: Notebook, out: Path, given: Mapping[str, Any], again: list[str]) -> int:
    from sdgkit.cli.closing import close
    from sdgkit.cli.execution import execute

    target = out / f"{notebook.name}.ipynb"
    say(f"{notebook.name} to {target}\n")
    before = _written(out)
    status = execute(notebook.path, target, given, out)
    if status:
        complain("Interrupted. What is finished is kept; the same command again goes on.")
        return status
    if _written(out) == before:
        say(f"\nThe executed notebook: {target}")
        return 0
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    more_files = {target.name: "the notebook as it was executed, to be read in JupyterLab"}
    close(out, summary, again, more_files=more_files)
    return 0


def _find(name: str) -> Notebook:
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
        words = f"cannot be read ({error.strerror}). Give a tutorial's name or a notebook's path."
    except (ValueError, KeyError, TypeError, SyntaxError):
        words = "is not a notebook that can be run (format 4). Open it in JupyterLab and save it."
    raise SettingsError(f"{path}: {words}")


def _assigned(source: str) -> dict[str, Any]:
    """The names that a cell assigns, with the values that stand there as literals. (papermill's own inspection passes
    over a line whose comment holds a second `=`.)"""
    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = node.value.value if isinstance(node.value, ast.Constant) else None
            found |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return found


def _literal(text: str) -> Any:
    """A parameter's value as Python or JSON write it, or else a text."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def _written(out: Path) -> int:
    """When the folder's summary was written; 0 if there is none."""
    path = out / "summary.json"
    return path.stat().st_mtime_ns if path.exists() else 0
