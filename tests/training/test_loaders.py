"""A mixed set is read back by the code that trainers read it with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from training.conftest import Read

import sdgkit as sk

SYSTEM = "You write for the product team."
END_OF_TURN = "<|im_end|>"


def messages_of(file: Path) -> list[list[dict[str, str]]]:
    lines = file.read_text("utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


def assert_it_is_learned_as_written(rows: Read, chats: list[list[dict[str, str]]]) -> None:
    """Each row has its whole chat, and learns exactly the assistant's message."""
    assert len(rows) == len(chats) > 5
    for row, chat in zip(rows, chats, strict=True):
        *before, answer = chat
        assert [turn["role"] for turn in before] == ["system", "user"]
        assert before[0]["content"] == SYSTEM
        places = [row["text"].find(turn["content"]) for turn in chat]
        assert -1 not in places and places == sorted(places)
        assert row["learned"].strip().removesuffix(END_OF_TURN) == answer["content"]


@pytest.mark.parametrize("format, name", [("messages", "a.jsonl"), ("instructlab", "b.jsonl")])
def test_trl_trains_on_each_chat_of_a_mix_and_learns_its_answer(
    shelf: sk.Shelf,
    tmp_path: Path,
    training_python: Path,
    read: Callable[..., Read],
    format: str,
    name: str,
) -> None:
    mix = sk.mix(shelf, tmp_path / name, format=format)
    rows = read(training_python, "read_with_trl.py", mix.path)
    assert_it_is_learned_as_written(rows, messages_of(mix.path))


def test_trl_reads_the_train_split_of_a_folder_as_it_reads_the_file(
    shelf: sk.Shelf, tmp_path: Path, training_python: Path, read: Callable[..., Read]
) -> None:
    whole = messages_of(sk.mix(shelf, tmp_path / "all.jsonl").path)
    mix = sk.mix(shelf, tmp_path / "folder", format="datasets", test_share=0.3)
    rows = read(training_python, "read_with_trl.py", mix.path)
    train = [chat for chat in whole if any(chat[1]["content"] in row["text"] for row in rows)]
    assert len(train) == mix.train < len(whole)
    assert_it_is_learned_as_written(rows, train)


@pytest.mark.parametrize("format", ["messages", "instructlab", "sharegpt"])
def test_llama_factory_reads_each_chat_of_a_mix_and_learns_its_answer(
    shelf: sk.Shelf,
    tmp_path: Path,
    training_python: Path,
    llama_factory_python: Path,
    read: Callable[..., Read],
    tokenizer: Path,
    format: str,
) -> None:
    whole = messages_of(sk.mix(shelf, tmp_path / "all.jsonl").path)
    mix = sk.mix(shelf, tmp_path / "mix.jsonl", format=format)
    declared = "sharegpt" if format == "sharegpt" else "messages"
    script = "read_with_llama_factory.py"
    rows = read(llama_factory_python, script, mix.path, declared, tokenizer)
    assert_it_is_learned_as_written(rows, whole)


def test_llama_factory_puts_alpacas_instruction_before_its_input(
    shelf: sk.Shelf,
    tmp_path: Path,
    llama_factory_python: Path,
    read: Callable[..., Read],
    tokenizer: Path,
) -> None:
    mix = sk.mix(shelf, tmp_path / "mix.jsonl", format="alpaca")
    rows = read(llama_factory_python, "read_with_llama_factory.py", mix.path, "alpaca", tokenizer)
    lines = [json.loads(line) for line in mix.path.read_text("utf-8").splitlines()]
    assert len(rows) == len(lines) > 5
    for row, line in zip(rows, lines, strict=True):
        prompt = "\n".join(filter(None, [line["instruction"], line["input"]]))
        assert prompt in row["text"] and SYSTEM in row["text"]
        assert row["learned"].strip().removesuffix(END_OF_TURN) == line["output"]
