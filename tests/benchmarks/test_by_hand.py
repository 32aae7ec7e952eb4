"""A teacher played by hand: its letters, and the replies that sdgkit gets."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import by_hand
import pytest
from by_hand import Letters, shown
from servers import free_port

import sdgkit as sk

PATIENCE_S = 60


def wait_for_letters(folder: Path, number: int) -> dict[str, str]:
    """The letters in a folder, as soon as there are so many."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        letters = Letters(folder).waiting()
        if len(letters) >= number:
            return letters
        time.sleep(0.05)
    raise TimeoutError(f"There are no {number} letters in {folder}.")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose letters are in `tmp_path`."""
    port = free_port()
    command = [sys.executable, str(by_hand.__file__), "serve", str(port), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1"
        server.terminate()


def test_a_reply_that_is_written_by_hand_is_the_teachers_reply(
    address: str, tmp_path: Path
) -> None:
    with sk.connect("vllm", base_url=address) as teacher, ThreadPoolExecutor() as threads:
        asked = threads.submit(teacher.ask, [{"role": "user", "content": "What is a seed?"}])
        [(number, letter)] = wait_for_letters(tmp_path, 1).items()
        Letters(tmp_path).answer(f"=== {number}\nAn example,\n\ndone well.\n")
        assert "What is a seed?" in letter
        assert asked.result(PATIENCE_S).text == "An example,\n\ndone well."
    assert Letters(tmp_path).waiting() == {}


def test_letters_are_shown_without_what_they_share(tmp_path: Path) -> None:
    letters = Letters(tmp_path)
    for question in ("How much?", "How far?"):
        letters.add([{"role": "user", "content": f"A long beginning\n{question}"}])
    text = shown(letters.waiting())
    assert text.count("A long beginning") == 1
    assert "How much?" in text
    assert "How far?" in text


def test_several_letters_are_answered_in_one_file(tmp_path: Path) -> None:
    letters = Letters(tmp_path)
    first = letters.add([{"role": "user", "content": "one"}])
    second = letters.add([{"role": "user", "content": "two"}])
    answered = letters.answer(f"=== {second}\n2\n=== a heading\n\n=== {first}\n1\n")
    assert answered == [second, first]
    assert (tmp_path / "out" / f"{second}.txt").read_text("utf-8") == "2\n=== a heading"


def test_a_reply_to_no_letter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no letter 0007"):
        Letters(tmp_path).answer("=== 0007\nHello\n")
