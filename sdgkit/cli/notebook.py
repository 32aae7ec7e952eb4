"""`sdgkit run`: the job as a notebook, executed without a browser."""

import ast
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdgkit.cli.commands import argument, command, is_from_file, option
from sdgkit.cli.exit_status import DONE
from sdgkit.cli.options import (
    JobOptions,
    JudgeOptions,
    LimitOptions,
    OutputOptions,
    TeacherOptions,
    job_options,
    judge_options,
    limit_options,
    output_options,
    reports_progress,
    teacher_options,
)
from sdgkit.cli.output import print_document
from sdgkit.cli.runs import print_ending
from sdgkit.cli.terminal import say, tell
from sdgkit.errors import FolderInUse, SettingsError
from sdgkit.teachers.settings_file import JOB_SETTINGS

QUICKSTART = "quickstart"
NOTEBOOK_LOCK = ".notebook.lock"
TEXT_PARAMETERS = (
    "seeds",
    "out",
    "teacher",
    "base_url",
    "model",
    "judge_base_url",
    "judge_model",
    "prompts",
    "contexts",
    "questions",
    "profile",
    "structure",
    "system",
)
"""Parameters of the tutorials that are text: figures stay as they are typed."""

UNREADABLE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    SyntaxError,
    RecursionError,
    MemoryError,
)
"""What reading a file as a notebook raises where it is none. What is nested very deep leads to the
last two."""

QUICKSTART_SEEDS = "feedback_to_table"


@dataclass(frozen=True)
class Notebook:
    """A notebook and the parameters in its cell tagged `parameters`.

    Attributes:
        path: Its file.
        parameters: By name, with their values where these are plain, otherwise None.
    """

    path: Path
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        """The file's name, without its ending."""
        return self.path.stem

    def out(self, values: dict[str, Any]) -> Path:
        """The folder for a notebook that runs with these values."""
        if values.get("out"):
            return Path(values["out"])
        default_seeds = self.name
        if self.name == QUICKSTART:
            default_seeds = QUICKSTART_SEEDS
        return Path("runs", Path(values.get("seeds") or default_seeds).stem)


@command(takes=JOB_SETTINGS)
@reports_progress
@argument(
    "notebook",
    metavar="[NOTEBOOK]",
    default=QUICKSTART,
    help="the name of a tutorial, or the path of a notebook (default: quickstart)",
)
@option("--seeds", metavar="FILE", help="your seed examples (default: the tutorial's)")
@option(
    "-p",
    "--parameter",
    "assignments",
    metavar="NAME VALUE",
    nargs=2,
    multiple=True,
    help="set any parameter of the notebook; may be repeated",
)
@teacher_options
@judge_options
@limit_options
@job_options
@output_options
def run(
    notebook: str,
    seeds: str | None,
    assignments: tuple[tuple[str, str], ...],
    teacher: TeacherOptions,
    judge: JudgeOptions,
    limits: LimitOptions,
    job: JobOptions,
    output: OutputOptions,
) -> int:
    """Execute the same job as a notebook: the quickstart, or another tutorial.

    The options set the parameters of the same names, in the notebook's cell tagged `parameters`.
    papermill executes it and saves the executed notebook in the run's folder, where you can read
    it in JupyterLab. The exit status is that of the run, as for `generate`.

    Examples:
      sdgkit run                                   the quickstart, on the rehearsal teacher
      sdgkit run --seeds seeds.jsonl --base-url http://localhost:8000/v1
      sdgkit run quickstart -p num_contexts 3      any parameter of a notebook
    """
    from sdgkit.cli.execution import execute
    from sdgkit.run import open_run

    source = find_notebook(notebook)
    values = teacher_parameters(teacher.typed())
    for group in (judge, limits, job, output):
        values |= group.typed()
    if seeds:
        values["seeds"] = seeds
    for name, text in assignments:
        value = parse_value(text)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and _is_text(name, source):
            values[name] = text
        else:
            values[name] = value
    min_samples = values.get("min_samples")
    if "min_samples" not in source.parameters:
        values.pop("min_samples", None)  # the exit status needs no help of the notebook
    for name in [*values]:
        is_of_no_use = name not in source.parameters and is_from_file(name)
        if is_of_no_use:  # the file is for every notebook, and not all have the same parameters
            del values[name]
    _refuse_unknown(values, source)
    out = source.out(source.parameters | values)
    if "out" in source.parameters:
        values["out"] = str(out)
    executed = out / source.path.name
    tell(f"{source.name} to {executed}\n")
    with _own_folder(out):
        execute(source.path, executed, values)
    say(f"\nThe executed notebook: {executed}")
    if not (out / "summary.json").exists():
        print_document("run", {"notebook": str(executed), "exit_status": DONE})
    if (out / "summary.json").exists():
        return print_ending(open_run(out), min_samples, command="run", notebook=str(executed))
    return DONE


@contextmanager
def _own_folder(out: Path) -> Iterator[None]:
    """Keep a folder to this command until the end of the block.

    Raises:
        FolderInUse: Another process is writing it, or executing a notebook in it.
    """
    import filelock

    from sdgkit.files import refuse_way_out
    from sdgkit.journal import refuse_busy

    refuse_busy(out)
    refuse_way_out(out / NOTEBOOK_LOCK)
    out.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(out / NOTEBOOK_LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise FolderInUse(
            f"Another `sdgkit run` is executing a notebook in {out}. Wait for it, stop it, or "
            "choose another --out.",
            folder=out,
        ) from None
    try:
        yield
    finally:
        (out / NOTEBOOK_LOCK).unlink(missing_ok=True)
        lock.release()


def _is_text(name: str, notebook: Notebook) -> bool:
    """Whether a parameter is text, so that figures stay as they are typed."""
    return name in TEXT_PARAMETERS or isinstance(notebook.parameters.get(name), str)


def _refuse_unknown(values: dict[str, Any], notebook: Notebook) -> None:
    unknown = values.keys() - notebook.parameters.keys()
    if unknown:
        parameters = ", ".join(notebook.parameters) or "none (no cell is tagged `parameters`)"
        name = min(unknown)
        raise SettingsError(
            f"The notebook {notebook.name} has no parameter {name!r}. Its parameters: "
            f"{parameters}.",
            setting=name,
            choices=tuple(notebook.parameters),
        )


def find_notebook(name: str) -> Notebook:
    """The notebook at this path, or the tutorial of this name.

    Raises:
        SettingsError: There is neither.
    """
    from sdgkit.files import refuse_endless, shipped

    path = Path(name)
    tutorials = shipped("notebooks")
    if path.suffix != ".ipynb" and not path.is_file():
        path = tutorials / f"{name}.ipynb"
    try:
        refuse_endless(path)
        cells = json.loads(path.read_text("utf-8"))["cells"]
        return Notebook(path, _parameters(cells))
    except UNREADABLE:
        names = sorted(tutorial.stem for tutorial in tutorials.glob("*.ipynb"))
        raise SettingsError(
            f"{name} is not a notebook (format 4) or one of the tutorials: {', '.join(names)}.",
            setting="notebook",
            choices=names,
        ) from None


def _parameters(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The names that the cell tagged `parameters` assigns, with their values where these are plain.

    papermill's own inspection skips a line whose comment holds a `=`.
    """
    for cell in cells:
        if "parameters" in cell["metadata"].get("tags", []):
            return _assignments("".join(cell["source"]))
    return {}


def _assignments(source: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        value = None
        if isinstance(node.value, ast.Constant):
            value = node.value.value
        for target in targets:
            if isinstance(target, ast.Name):
                values[target.id] = value
    return values


def parse_value(text: str) -> Any:
    """A parameter's value as JSON or Python write it; anything else is a text."""
    for parse in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return parse(text)
    return text


def teacher_parameters(teacher: dict[str, Any]) -> dict[str, Any]:
    """The teacher as a notebook's parameters.

    Headers and a key file are put into the environment, which the notebook's kernel inherits: an
    executed notebook must not hold them."""
    parameters = dict(teacher)
    headers = parameters.pop("headers", None)
    key_file = parameters.pop("key_file", None)
    if "kind" in parameters:
        parameters["teacher"] = parameters.pop("kind")
    if "teacher" in parameters and (headers or key_file):
        # Settings in the environment apply to the kind that is named there (see
        # sdgkit.teachers.settings).
        os.environ["SDGKIT_TEACHER"] = parameters["teacher"]
        os.environ["SDGKIT_BASE_URL"] = ""
        os.environ["SDGKIT_MODEL"] = ""
    if headers:
        os.environ["SDGKIT_HEADERS"] = headers if isinstance(headers, str) else ",".join(headers)
    if key_file:
        os.environ["SDGKIT_KEY_FILE"] = os.path.abspath(key_file)
    return parameters
