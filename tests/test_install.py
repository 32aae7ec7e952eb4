"""What the wheel alone gives: in an empty folder, without a checkout, with a HOME that cannot be
written.
"""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# The folders, as the package itself finds them.
WHERE = """
import sdgkit
from sdgkit.files import shipped
for folder in (sdgkit.__file__, shipped("prompts"), shipped("notebooks")):
    print(folder)
"""


@pytest.fixture(scope="module")
def wheel(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        folder,
        repo,
    ]
    # Building fetches the build backend: the one thing here that needs the package index.
    subprocess.run(build, check=True, env=online())
    [built] = folder.glob("sdgkit-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; its dependencies are those of the tests' own
    environment.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        wheel,
    ]
    subprocess.run(install, check=True, env=online())
    site_packages = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    # A path file adds the folder itself and not its path files: an editable sdgkit there stays out.
    (Path(site_packages.strip()) / "dependencies.pth").write_text(
        sysconfig.get_path("purelib") + "\n"
    )
    return folder


def online() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@dataclass(frozen=True)
class Outside:
    """Runs an installed command in an empty folder, with a HOME where nothing can be written."""

    programs: Path
    folder: Path
    home: Path

    def __call__(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": str(self.folder.parent),
            "PYTHONPATH": os.environ["PYTHONPATH"],
        }
        return subprocess.run(
            [self.programs / command, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def outside(installed: Path, tmp_path: Path) -> Outside:
    work = tmp_path / "work"
    work.mkdir()
    home = tmp_path / "home"
    home.write_text("a file: not even root can write into it\n")
    return Outside(programs=installed / "bin", folder=work, home=home)


def files_in(folder: Path) -> list[Path]:
    """What is kept of a folder, caches and notebook checkpoints apart."""
    passing = {"__pycache__", ".ipynb_checkpoints"}
    return [path for path in folder.rglob("*") if path.is_file() and not passing & set(path.parts)]


def test_the_wheel_holds_every_prompt_notebook_and_seed_file_of_the_checkout(
    repo: Path, wheel: Path
) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [*files_in(repo / "prompts"), *files_in(repo / "notebooks")]
    assert files
    assert [
        path for path in files if f"sdgkit/shipped/{path.relative_to(repo).as_posix()}" not in held
    ] == []


def test_the_wheel_holds_the_whole_package_and_no_tests(repo: Path, wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = files_in(repo / "sdgkit")
    assert [path for path in files if path.relative_to(repo).as_posix() not in held] == []
    assert not [name for name in held if "tests" in Path(name).parts]


def test_an_installed_sdgkit_finds_its_own_prompts_and_notebooks(
    repo: Path, outside: Outside, installed: Path
) -> None:
    result = outside("python", "-c", WHERE)
    assert result.returncode == 0, result.stderr
    package, prompts, notebooks = map(Path, result.stdout.splitlines())
    assert package.is_relative_to(installed), "the installed package, not the checkout"
    assert prompts.is_relative_to(installed)
    assert notebooks.is_relative_to(installed)
    for name, found in (("prompts", prompts), ("notebooks", notebooks)):
        expected = {path.relative_to(repo / name) for path in files_in(repo / name)}
        assert expected == {path.relative_to(found) for path in files_in(found)}


def test_the_installed_command_explains_itself(outside: Outside) -> None:
    result = outside("sdgkit", "--help")
    assert result.returncode == 0, result.stderr
    assert "generate" in result.stdout


def test_the_installed_command_does_its_job_in_an_empty_folder(
    outside: Outside, installed: Path
) -> None:
    [seeds] = installed.glob(
        "lib/python3*/site-packages/sdgkit/shipped/notebooks/seeds/feedback_to_table.jsonl"
    )
    result = outside("sdgkit", "generate", str(seeds), "--num-contexts", "2", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert (outside.folder / "out" / "summary.json").is_file()
    assert [path.name for path in outside.folder.iterdir()] == ["out"]
