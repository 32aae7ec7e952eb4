"""The README: every block of Python and every sdgkit command in it runs as it stands, on the rehearsal teacher."""

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import datasets
import pytest
import yaml

import sdgkit as sk
from sdgkit import rehearsal

REPO = Path(__file__).parent.parent.parent
README = (REPO / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# The first two install sdgkit; whoever wants to know whether they work runs them in a fresh clone.
STEPS = [(kind, text) for kind, text in BLOCKS if kind in ("python", "bash")][2:]
ADDRESSES = ("http://localhost:8000", "http://localhost:8321")


def commands(*kinds: str) -> list[list[str]]:
    """The words of every line that calls sdgkit in the blocks of these kinds."""
    lines = [line for kind, text in BLOCKS if kind in kinds for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("sdgkit ")]


def sdgkit(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])
    }
    command = [sys.executable, "-m", "sdgkit", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@cache
def options_of(command: str) -> set[str]:
    done = sdgkit(command, "--help")
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", done.stdout))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_newcomer_who_follows_it_from_top_to_bottom_gets_through(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").write_text("a file: nothing can be written into it\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    names: dict[str, object] = {"__name__": "readme"}
    with rehearsal.start() as teacher:
        here = teacher.base_url.removesuffix("/v1")
        for kind, text in STEPS:
            for address in ADDRESSES:
                text = text.replace(address, here)
            if kind == "python":
                exec(compile(text, "README.md", "exec"), names)
                continue
            for line in text.splitlines():
                done = sdgkit(*shlex.split(line)[1:])
                assert (done.returncode, done.stderr) == (0, ""), f"{line}\n{done.stderr}"
    names["teacher"].close()  # type: ignore[attr-defined]
    samples = (tmp_path / "runs" / "twenty" / "dataset.jsonl").read_text().count("\n")
    assert samples == 20


@pytest.mark.slow
def test_every_option_of_a_command_is_one_of_its_own():
    told = {
        (words[1], word)
        for words in commands("bash", "sh")
        for word in words[2:]
        if re.match(r"--?[a-z]", word)
    }
    assert told
    assert not {(command, option) for command, option in told if option not in options_of(command)}


@pytest.mark.slow
def test_every_option_and_command_named_in_passing_exists():
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", prose)
    known = set().union(
        *(options_of(command) for command in ("generate", "check", "status", "run", "export"))
    )
    of_others = {"--tensor-parallel-size", "--insecure", "--allow-root", "--ip"}
    of_all = {"--debug"}
    options = {word for span in spans for word in re.findall(r"(?<!\S)--[a-z-]+", span)}
    assert options and options <= known | of_others | of_all
    for command in {span.split()[1] for span in spans if span.startswith("sdgkit ")}:
        options_of(command)


def test_what_it_shows_and_names_is_there():
    for path in re.findall(r'src="([^"]+)"', README) + re.findall(
        r"python (tests/\S+\.py)", README
    ):
        assert (REPO / path).is_file(), path
    layout = README.partition("## How the code is laid out")[2].partition("\n## ")[0]
    rooms = re.findall(
        r"`([\w/]+(?:\.py|/))`", "\n".join(re.findall(r"^\| (.+?) \|", layout, re.MULTILINE))
    )
    assert rooms and all((REPO / "sdgkit" / room).exists() for room in set(rooms) - {"sdgkit/"})


def test_the_line_that_it_shows_is_one_of_the_first_commands_training_file(tmp_path):
    shown = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    with contextlib.closing(sk.connect("rehearsal")) as teacher:
        sk.generate(REPO / "notebooks/seeds/feedback_to_table.jsonl", teacher=teacher, out=tmp_path)
    lines = (tmp_path / "rehearsal_train_messages.jsonl").read_text(encoding="utf-8").splitlines()
    assert shown and all(one in map(json.loads, lines) for one in shown)


def test_its_examples_of_files_are_well_formed():
    assert [yaml.safe_load(text)["server"]["port"] for kind, text in BLOCKS if kind == "yaml"] == [
        8321
    ]
