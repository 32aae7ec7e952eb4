"""Environments with the libraries of trainers, built once and kept as those of the real servers."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from teachers.environments import Environment, Unavailable, clean_environment

import sdgkit as sk

HERE = Path(__file__).parent
TRAIN = Environment("train", "3.11")
LLAMA_FACTORY = Environment("llama_factory", "3.11")
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "DO_NOT_TRACK": "1"}
READING_SECONDS = 600

Read = list[dict[str, str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for the installation."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(1800))


def python_of(environment: Environment) -> Path:
    """Its Python. Skips where it cannot be built."""
    try:
        return environment.ready()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def training_python() -> Path:
    """A Python with TRL, PEFT and the small model."""
    return python_of(TRAIN)


@pytest.fixture(scope="session")
def tokenizer(training_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small model's tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    command = [str(training_python), str(HERE / "save_tokenizer.py"), str(folder)]
    subprocess.run(command, env=clean_environment(**OFFLINE), timeout=READING_SECONDS, check=True)
    return folder


@pytest.fixture(scope="session")
def llama_factory_python() -> Path:
    """A Python with LLaMA-Factory."""
    return python_of(LLAMA_FACTORY)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> sk.Shelf:
    """Two finished skills, one with contexts and one without."""
    folder = tmp_path_factory.mktemp("shelf")
    shipped = sk.shipped("notebooks") / "seeds"
    skills = {"tables": "feedback_to_table.jsonl", "writing/commits": "commit_messages.jsonl"}
    for name, file in skills.items():
        seeds = list(sk.load_seeds(shipped / file))[:2]
        sk.save_seeds(seeds, folder / "tree" / name / "seeds.jsonl")
    with sk.connect("rehearsal") as teacher:
        return sk.generate_shelf(
            folder / "tree",
            teacher=teacher,
            out=folder / "runs",
            num_contexts=2,
            num_questions=2,
            system="You write for the product team.",
        )


@pytest.fixture(scope="session")
def read() -> Callable[..., Read]:
    """Run one of the scripts of this folder, and return what it printed last."""

    def run(python: Path, script: str, *words: str | Path) -> Read:
        done = subprocess.run(
            [str(python), str(HERE / script), *map(str, words)],
            capture_output=True,
            text=True,
            timeout=READING_SECONDS,
            env=clean_environment(**OFFLINE),
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        printed: Any = json.loads(done.stdout.splitlines()[-1])
        return [dict(row) for row in printed]

    return run
