"""`sdgkit run`: the job as a notebook, executed without a browser."""

import ast
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdgkit.cli.options import Command, Given
from sdgkit.cli.runs import close
from sdgkit.cli.terminal import say
from sdgkit.errors import SettingsError

EXAMPLE = "feedback_to_table"  # the seeds of the quickstart, if it is not given any


@Command
def run(
    notebook: str,
    seeds: str | None,
    more: Any,
    teacher: Given,
    judge: Given,
    manners: Given,
    job: Given,
    output: Given,
) -> None:
    """The same job as a notebook, executed: the quickstart, or another tutorial.

    The options fill in the parameters of the same names, in its cell tagged `parameters`. The executed notebook lies
    in the run's folder, to be read in JupyterLab. It is papermill that executes it.

    Examples:
      sdgkit run                                   the quickstart, on the rehearsal teacher
      sdgkit run --seeds seeds.jsonl --base-url http://localhost:8000/v1
      sdgkit run quickstart -p num_contexts 3      any parameter of a notebook
    """
    from sdgkit.cli.execution import execute
    from sdgkit.run import open_run

    path, parameters = _found(notebook)
    given = (
        for_kernel(teacher) | judge | manners | job | output | ({"seeds": seeds} if seeds else {})
    )
    given |= {name: _literal(text) for name, text in more}
    if unknown := given.keys() - parameters.keys():
        has = ", ".join(parameters) or "none (no cell tagged `parameters`)"
        raise SettingsError(
            f"The notebook {path.stem} has no parameter {min(unknown)!r}. It has {has}."
        )
    values = parameters | given
    example = EXAMPLE if path.stem == "quickstart" else path.stem
    out = Path(values.get("out") or Path("runs", Path(values.get("seeds") or example).stem))
    if "out" in parameters:
        given["out"] = str(out)
    executed = out / path.name
    say(f"{path.stem} to {executed}\n")
    execute(path, executed, given)
    say(f"\nThe executed notebook: {executed}")
    if (out / "summary.json").exists():
        close(open_run(out))


def _found(notebook: str) -> tuple[Path, dict[str, Any]]:
    """The notebook of this path, or of this name among the tutorials; the parameters in its cell tagged so, with their
    values where these are plain. Raises SettingsError."""
    from sdgkit.files import shipped

    path, tutorials = Path(notebook), shipped("notebooks")
    if path.suffix != ".ipynb" and not path.is_file():
        path = tutorials / f"{notebook}.ipynb"
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        tagged = [
            "".join(cell["source"])
            for cell in cells
            if "parameters" in cell["metadata"].get("tags", [])
        ]
        return path, _assigned(tagged[0]) if tagged else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError):
        names = ", ".join(sorted(found.stem for found in tutorials.glob("*.ipynb")))
        raise SettingsError(
            f"{notebook} is no notebook (of format 4), nor one of the tutorials: {names}."
        ) from None


def _assigned(source: str) -> dict[str, Any]:
    """The names that a cell assigns. (papermill's own inspection passes over a line whose comment holds a `=`.)"""
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
        with suppress(ValueError, SyntaxError):
            return read(text)
    return text


def for_kernel(teacher: Given) -> Given:
    """The teacher as a notebook's parameters. What only the way there needs goes into the kernel's environment."""
    told = {"teacher" if name == "kind" else name: value for name, value in teacher.items()}
    headers, key_file = told.pop("headers", None), told.pop("key_file", None)
    if "teacher" in told and (headers or key_file):
        # What is in the environment holds for the kind that is named there, see `teachers.settings.settle`.
        os.environ |= {"SDGKIT_TEACHER": told["teacher"], "SDGKIT_BASE_URL": "", "SDGKIT_MODEL": ""}
    if headers:
        os.environ["SDGKIT_HEADERS"] = headers if isinstance(headers, str) else ",".join(headers)
    if key_file:
        os.environ["SDGKIT_KEY_FILE"] = os.path.abspath(key_file)
    return told
