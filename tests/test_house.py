"""House rules a machine can check: who imports whom, what an import costs, what is declared."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import sdgkit

REPO = Path(__file__).parent.parent
PACKAGE = REPO / "sdgkit"
FILES = sorted(PACKAGE.rglob("*.py"))

# The rooms from top to bottom: a file imports only from its own room and from those above it.
ROOMS = [
    ["formatting"],
    ["errors", "limits"],
    ["files", "keywords", "log", "toml_text"],
    ["recorded"],
    ["samples", "funnel"],
    ["texts"],
    ["prompts"],
    ["seeds"],
    ["rehearsal"],
    ["teachers"],
    ["fingerprint"],
    ["stages"],
    ["checks", "flows"],
    ["profile"],
    ["skill_folder"],
    ["journal"],
    ["decisions"],
    ["pipeline"],
    ["stream"],
    ["studies"],
    ["pages"],
    ["quality"],
    ["export"],
    ["report"],
    ["run"],
    ["method"],
    ["shelf"],
    ["cluster"],
    ["review", "evaluation", "publish", "training"],
    ["panels"],
    ["cli"],
    ["__init__", "__main__"],
]
ROW_OF = {name: row for row, room in enumerate(ROOMS) for name in room}
# Too slow to load before they are needed: seconds, where `import sdgkit` may take 0.3 in all.
HEAVY = {
    "aiohttp",
    "datasets",
    "IPython",
    "ipywidgets",
    "jsonschema",
    "llama_stack_client",
    "matplotlib",
    "nbformat",
    "openai",
    "pandas",
    "papermill",
    "py3langid",
    "pyarrow",
    "regex",
    "rich",
    "tomlkit",
    "torch",
    "transformers",
}
TOP_LEVEL_FOLDERS = {".ci", "notebooks", "prompts", "sdgkit", "tests"}


def pyproject() -> dict[str, Any]:
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """`teachers` for `sdgkit/teachers/adapters.py`, `seeds` for `sdgkit/seeds.py`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Full names of all that a file imports, anywhere in it; of `from a import b` both `a` and
    `a.b`.
    """
    package = ["sdgkit", *path.relative_to(PACKAGE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            found |= {source} | {f"{source}.{name.name}" for name in node.names}
    return found


def names_imported_by(path: Path) -> set[str]:
    """The package's own files that a file imports; what comes from `sdgkit` itself comes from all
    of them.
    """
    names = [name.split(".") for name in imported_modules(path)]
    inner = {parts[1] for parts in names if parts[0] == "sdgkit" and len(parts) > 1} - {
        "__version__"
    }
    return {name if name in ROW_OF else "__init__" for name in inner}


def relative(path: Path) -> str:
    return str(path.relative_to(REPO))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_imports_only_from_its_room_and_those_above(path: Path) -> None:
    name = name_of(path)
    assert name in ROW_OF, (
        f"the house has no room for {name}: give it one in ROOMS, or another name"
    )
    below = {other for other in names_imported_by(path) if ROW_OF[other] > ROW_OF[name]}
    assert not below, f"{relative(path)} imports from below: {', '.join(sorted(below))}"


def test_every_library_that_is_imported_is_declared() -> None:
    ours = pyproject()["project"]
    # Where a room needs an extra, its own first words say so.
    needed = [*ours["dependencies"], *ours["optional-dependencies"]["train"]]
    needed += ours["optional-dependencies"]["cluster"]
    declared = {canonical(entry) for entry in needed}
    distributions = importlib.metadata.packages_distributions()
    undeclared: dict[str, str] = {}
    for path in FILES:
        for name in {name.partition(".")[0] for name in imported_modules(path)} - {
            "sdgkit",
            "__future__",
        }:
            if name in sys.stdlib_module_names:
                continue
            if not {canonical(owner) for owner in distributions.get(name, [name])} & declared:
                undeclared.setdefault(name, relative(path))
    assert not undeclared


def canonical(requirement: str) -> str:
    """The name of a requirement's distribution, spelled as the package index spells it."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPO)
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in json.loads(result.stdout.splitlines()[-1])}


def test_importing_sdgkit_loads_no_heavy_library() -> None:
    assert not loaded_by("import sdgkit") & HEAVY


def test_no_room_but_the_panels_loads_a_heavy_library_when_imported() -> None:
    names = sorted({name_of(path) for path in FILES} - {"panels", "__init__", "__main__"})
    assert not loaded_by("\n".join(f"import sdgkit.{name}" for name in names)) & HEAVY


def test_every_public_name_is_there() -> None:
    missing = [name for name in sdgkit.__all__ if not hasattr(sdgkit, name)]
    assert not missing


def test_the_installed_version_is_the_packages_and_the_changelogs() -> None:
    changelog = (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert newest
    assert sdgkit.__version__ == importlib.metadata.version("sdgkit") == newest[1]


def test_environment_yml_asks_for_what_pyproject_asks_for() -> None:
    environment = yaml.safe_load((REPO / "environment.yml").read_text(encoding="utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    project = pyproject()["project"]
    assert f"python{project['requires-python']}" in conda
    assert sorted(pip) == sorted([*project["dependencies"], "-e ."])


def test_there_are_no_other_top_level_folders() -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: cannot tell the project's folders from others")
    folders = {name.partition("/")[0] for name in listed.stdout.splitlines() if "/" in name}
    assert folders <= TOP_LEVEL_FOLDERS


def test_no_two_test_files_have_the_same_name() -> None:
    """Pytest imports them all by their names alone."""
    names = Counter(path.name for path in (REPO / "tests").rglob("test_*.py"))
    twice = [name for name, number in names.items() if number > 1]
    assert not twice


@pytest.mark.parametrize("path", sorted((REPO / "notebooks").rglob("*.ipynb")), ids=relative)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    ran = [cell for cell in notebook["cells"] if cell.get("outputs") or cell.get("execution_count")]
    assert not ran
    assert "widgets" not in notebook["metadata"]
