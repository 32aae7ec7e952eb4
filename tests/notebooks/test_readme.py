"""README and guide: every example in them runs as it stands, on the rehearsal teacher.

An example that cannot run here says so, and why, in its first line: `# Not run in the tests:
REASON.` These are counted, so that none is added unnoticed.
"""

import ast
import contextlib
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

import sdgkit as sk
from sdgkit import rehearsal
from sdgkit.cli.main import root
from sdgkit.skill_folder import SKILL_SETTINGS
from sdgkit.teachers.settings_file import JOB_SETTINGS, SETTING_NAMES

REPO = Path(__file__).parent.parent.parent
README = REPO / "README.md"
GUIDE = REPO / "notebooks" / "guide"
INDEX = GUIDE / "index.md"
PAGES = [README, INDEX, *sorted(set(GUIDE.glob("*.md")) - {INDEX})]
# Addresses in the examples, where the rehearsal teacher stands in for a real server.
ADDRESSES = ("http://localhost:8000", "http://localhost:8321")
NOT_RUN = re.compile(r"# Not run in the tests: .+\.$")
# How many examples of each page are not run.
NOT_RUN_ON = {
    "README.md": 2,
    "cluster.md": 4,
    "headless.md": 1,
    "layout.md": 1,
    "panels.md": 1,
    "performance.md": 2,
    "prompts.md": 2,
    "quality.md": 1,
    "teachers.md": 5,
    "training.md": 3,
    "weather.md": 1,
}
# Options in the text that belong to other programs.
OTHER_OPTIONS = {
    "--address",
    "--allow-root",
    "--block",
    "--exclude",
    "--head",
    "--insecure",
    "--ip",
    "--list",
    "--nodelist",
    "--nodes",
    "--ntasks",
    "--simulated-time",
    "--tensor-parallel-size",
}


@dataclass(frozen=True)
class Block:
    """One fenced block of a page. kind: the language after the fence."""

    page: str
    kind: str
    text: str

    @property
    def runs(self) -> bool:
        """Whether it is an example that the tests run."""
        return self.kind in ("python", "bash") and not self.says_that_it_is_not_run

    @property
    def says_that_it_is_not_run(self) -> bool:
        """Whether its first line gives a reason why the tests cannot run it."""
        return bool(NOT_RUN.match(self.text.splitlines()[0]))


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(page.name, kind, text) for kind, text in fences]


BLOCKS = list(chain.from_iterable(map(blocks_of, PAGES)))
# The first two install sdgkit; to know whether they work, run them in a fresh clone.
INSTALLATION = blocks_of(README)[:2]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks_of_kind(kind: str) -> list[str]:
    """The texts of all blocks in this language."""
    return [block.text for block in BLOCKS if block.kind == kind]


def commands() -> list[list[str]]:
    """The words of every sdgkit command in a bash block, run or not."""
    commands = []
    for text in blocks_of_kind("bash"):
        lines = text.replace("\\\n", " ").splitlines()
        commands += [shlex.split(line) for line in lines if line.startswith("sdgkit ")]
    return commands


def spans() -> list[str]:
    """Whatever the text of a page has between backticks."""
    spans = []
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        spans += re.findall(r"`([^`\n]+)`", prose)
    return spans


def environment() -> dict[str, str]:
    """This environment, in which Python finds the checkout."""
    path = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path}


@cache
def options_of(command: str) -> set[str]:
    """The options on the help page of this command, which must exist."""
    help_page = subprocess.run(
        [sys.executable, "-m", "sdgkit", command, "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert help_page.returncode == 0, help_page.stderr
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", help_page.stdout))


class Reader:
    """Somebody who follows a page: types its commands into a shell and its Python into one session.

    Attributes:
        folder: Where they work.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.chdir(folder)
        home = folder.with_name(f"{folder.name}.home")
        home.write_text("a file: nothing can be written into it\n")
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "datasets")
        self._bin = folder.with_name(f"{folder.name}.bin")
        self._bin.mkdir()
        command = self._bin / "sdgkit"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sdgkit "$@"\n')
        command.chmod(0o755)

    def follow(self, blocks: list[Block]) -> None:
        """Run these blocks in order."""
        names: dict[str, object] = {"__name__": "guide"}
        with rehearsal.start() as server:
            try:
                for block in blocks:
                    text = block.text
                    for address in ADDRESSES:
                        text = text.replace(address, server.base_url.removesuffix("/v1"))
                    if block.kind == "python":
                        exec(compile(text, block.page, "exec"), names)
                    else:
                        self._type(text)
            finally:
                for value in names.values():
                    if isinstance(value, sk.Teacher):
                        value.close()

    def _type(self, text: str) -> None:
        path = os.pathsep.join([str(self._bin), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env=environment() | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{text}\n{done.stderr}"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the guide's examples take for granted, made as its first page says."""
    folder = tmp_path_factory.mktemp("guide") / "start"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as monkeypatch:
        Reader(folder, monkeypatch).follow([block for block in blocks_of(INDEX) if block.runs])
    yield folder


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("guide")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in (README, INDEX)], ids=lambda page: page.stem
)
def test_the_examples_of_a_guide_page_run_from_top_to_bottom(
    page: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(start, tmp_path / "work"))
    Reader(folder, monkeypatch).follow([block for block in blocks_of(page) if block.runs])


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("guide")
def test_a_newcomer_who_follows_the_readme_gets_a_training_file_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    Reader(folder, monkeypatch).follow(
        [block for block in blocks_of(README) if block.runs and block not in INSTALLATION]
    )
    assert (folder / "train.jsonl").read_text().count("\n") > 100
    assert (folder / "runs" / "my_seeds" / "rehearsal_train_messages.jsonl").stat().st_size
    assert (folder / "runs" / "my_seeds-real" / "dataset.jsonl").stat().st_size


@pytest.mark.slow
@pytest.mark.xdist_group("guide")
def test_the_page_on_versions_knows_the_number_of_the_journals_format(start: Path) -> None:
    with contextlib.closing(sqlite3.connect(start / "runs/my_seeds/journal.sqlite")) as journal:
        [number] = journal.execute("PRAGMA user_version").fetchone()
    assert f"`PRAGMA user_version`, now {number})" in (GUIDE / "versions.md").read_text("utf-8")


def test_the_guide_mentions_every_command() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in root.commands if f"sdgkit {name}" not in text] == []


def test_the_readme_begins_with_two_commands_of_one_line() -> None:
    assert [block.kind for block in INSTALLATION] == ["bash", "bash"]
    assert all(block.text.count("\n") == 1 for block in INSTALLATION)


def test_an_example_that_is_not_run_says_why_and_is_at_least_well_formed() -> None:
    not_run = [block for block in BLOCKS if block.says_that_it_is_not_run]
    assert Counter(block.page for block in not_run) == NOT_RUN_ON
    for block in not_run:
        if block.kind == "python":
            compile(block.text, block.page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        else:
            subprocess.run(["bash", "-n", "-c", block.text], check=True)


def test_no_example_hides_behind_another_language() -> None:
    assert {block.kind for block in BLOCKS} == {"bash", "json", "python", "toml", "yaml"}


@pytest.mark.slow
def test_every_option_of_a_command_is_one_of_its_own() -> None:
    for _, command, *words in commands():
        options = {word for word in words if re.match(r"--?[a-z]", word)}
        assert options <= options_of(command), f"sdgkit {command}"


@pytest.mark.slow
def test_every_option_and_command_named_in_passing_exists() -> None:
    known = {"--debug", *OTHER_OPTIONS}
    for command in ("generate", "check", "status", "run", "export", "mix", "push", "studio"):
        known |= options_of(command)
    named = set(re.findall(r"(?<!\S)--[a-z-]+", "\n".join(spans())))
    assert named and named <= known
    for span in spans():
        if re.match(r"sdgkit [a-z]", span):
            options_of(span.split()[1])


@every_page
def test_what_a_page_shows_and_links_to_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = re.findall(r'src="([^"]+)"', text) + re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    local = [target for target in targets if not re.match(r"https?:", target)]
    assert [target for target in local if not (page.parent / target).is_file()] == []


def test_the_scripts_that_it_names_are_there() -> None:
    scripts = re.findall(r"python (tests/\S+\.py)", "\n".join(spans()))
    assert scripts and all((REPO / path).is_file() for path in scripts)


def test_the_layout_lists_every_room_of_the_house() -> None:
    package = REPO / "sdgkit"
    page = (GUIDE / "layout.md").read_text("utf-8")
    table, _, _ = page.partition("Outside the package")
    first_cells = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    listed = re.findall(r"`([\w/]+(?:\.py|/))`", "\n".join(first_cells))
    files = {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert sorted(listed) == sorted(files | folders)


def test_the_line_that_it_shows_is_one_of_the_first_commands_training_file(tmp_path: Path) -> None:
    shown = [json.loads(text) for text in blocks_of_kind("json")]
    with contextlib.closing(sk.connect("rehearsal")) as teacher:
        sk.generate(REPO / "notebooks/seeds/feedback_to_table.jsonl", teacher=teacher, out=tmp_path)
    lines = (tmp_path / "rehearsal_train_messages.jsonl").read_text("utf-8").splitlines()
    samples = [json.loads(line) for line in lines]
    assert shown and all(sample in samples for sample in shown)


def test_its_examples_of_files_are_well_formed() -> None:
    files = [yaml.safe_load(text) for text in blocks_of_kind("yaml")]
    [stack] = [file for file in files if "server" in file]
    assert stack["server"]["port"] == 8321
    for settings in map(tomllib.loads, blocks_of_kind("toml")):
        is_skills = settings.keys() <= SKILL_SETTINGS.keys()
        assert is_skills or settings.keys() <= {*SETTING_NAMES, *JOB_SETTINGS}


# The page about clusters ------------------------------------------------------------------------


def test_the_slurm_job_is_a_script_that_bash_understands() -> None:
    job = _slurm_job()
    assert job.startswith("#!/bin/bash\n#SBATCH ")
    subprocess.run(["bash", "-n", "-c", job], check=True)
    options = re.findall(r"^#SBATCH --([a-z-]+)=", job, re.MULTILINE)
    assert {"nodes", "ntasks-per-node", "gpus-per-node", "time"} <= set(options)


def test_the_commands_in_the_cluster_examples_are_commands_that_sdgkit_takes() -> None:
    [manifest] = _manifests()
    entrypoint = manifest["spec"]["entrypoint"]
    commands = re.findall(r"^sdgkit (?:.*\\\n)*.*$", _slurm_job(), re.MULTILINE)
    assert len(commands) == 1
    for text in (entrypoint, commands[0].replace("\\\n", " ")):
        words = shlex.split(text)
        options = [word for word in words if word.startswith("--")]
        assert words[:2] == ["sdgkit", "generate"]
        told = subprocess.run(
            [sys.executable, "-m", "sdgkit", "generate", "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert [option for option in options if option not in told] == []


def test_the_kubernetes_job_gives_every_worker_the_volume_of_the_run() -> None:
    [manifest] = _manifests()
    assert manifest["kind"] == "RayJob"
    cluster = manifest["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        volumes = [volume["name"] for volume in pod["volumes"]]
        for container in pod["containers"]:
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert set(mounts) <= set(volumes)
            assert "/data" in mounts.values()


def _slurm_job() -> str:
    page = (GUIDE / "cluster.md").read_text("utf-8")
    [job] = re.findall(r"^sbatch <<'JOB'\n(.*?)^JOB$", page, re.MULTILINE | re.DOTALL)
    return str(job)


def _manifests() -> list[dict[str, Any]]:
    page = (GUIDE / "cluster.md").read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]
