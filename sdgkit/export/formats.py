"""The training formats: what each of them makes of a sample.

`system` is always the user's own system message, never the teacher's; without one there is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NotRequired, TypedDict

from sdgkit.errors import RunError
from sdgkit.funnel import REHEARSAL
from sdgkit.samples import Row


class Message(TypedDict):
    """A chat message. role: system, user or assistant.

    reasoning_content: what the teacher thought before its answer, where that was kept.
    """

    role: str
    content: str
    reasoning_content: NotRequired[str]


class MessagesRow(TypedDict):
    """A sample as chat messages."""

    id: str | None
    messages: list[Message]


class InstructLabRow(MessagesRow):
    """The same for InstructLab. metadata: the system message, as a JSON text."""

    metadata: str


class AlpacaRow(TypedDict):
    """A sample in the format of Alpaca."""

    id: str | None
    instruction: str
    input: str
    output: str
    system: NotRequired[str]


# The keys of ShareGPT's turns, one of which is a Python keyword.
ShareGptTurn = TypedDict("ShareGptTurn", {"from": str, "value": str})


class ShareGptRow(TypedDict):
    """A sample in the format of ShareGPT."""

    id: str | None
    conversations: list[ShareGptTurn]


class PreferenceRow(TypedDict):
    """Two responses to one prompt, of which the chosen one is better."""

    id: str | None
    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]


# What a flow of another tool may call the question and the response.
_OTHER_NAMES = {
    "question": ("instruction", "prompt", "query"),
    "response": ("output", "answer", "completion"),
}
_SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt"}


def messages(sample: Row, system: str | None = None) -> MessagesRow:
    """Chat messages, as trainers read them.

    The user's message is the sample's `question`, which already contains the context in a grounded
    skill; the assistant's is its `response`. What a run kept of the teacher's reasoning goes into
    `reasoning_content`, where chat templates of reasoning models look for it.

    Raises:
        RunError: The sample has no question or no response.

    Example:
        >>> messages({"id": "s1/q1", "question": "Why?", "response": "Because."})["messages"][-1]
        {'role': 'assistant', 'content': 'Because.'}
    """
    *before, answer = _chat(sample, system)
    if sample.get("reasoning"):
        answer["reasoning_content"] = str(sample["reasoning"])
    return {"id": sample.get("id"), "messages": [*before, answer]}


def _chat(sample: Row, system: str | None) -> list[Message]:
    """The sample's chat without any reasoning."""
    chat: list[Message] = []
    if system:
        chat.append({"role": "system", "content": system})
    chat.append({"role": "user", "content": _required_text(sample, "question")})
    chat.append({"role": "assistant", "content": _required_text(sample, "response")})
    return chat


def instructlab(sample: Row, system: str | None = None) -> InstructLabRow:
    """A line of InstructLab's training files (instructlab/sdg, docs/dataset_formats.md)."""
    metadata = json.dumps({"system": system or ""}, ensure_ascii=False)
    return {"id": sample.get("id"), "messages": _chat(sample, system), "metadata": metadata}


def alpaca(sample: Row, system: str | None = None) -> AlpacaRow:
    """Alpaca's format (tatsu-lab/stanford_alpaca): question as instruction, context as input."""
    context = str(sample.get("context") or "")
    row: AlpacaRow = {
        "id": sample.get("id"),
        "instruction": _required_text(sample, "question").removeprefix(f"{context}\n\n"),
        "input": context,
        "output": _required_text(sample, "response"),
    }
    if system:
        row["system"] = system
    return row


def sharegpt(sample: Row, system: str | None = None) -> ShareGptRow:
    """ShareGPT's format: a conversation from human to gpt."""
    conversations: list[ShareGptTurn] = []
    for message in _chat(sample, system):
        conversations.append(
            {"from": _SHAREGPT_ROLES[message["role"]], "value": message["content"]}
        )
    return {"id": sample.get("id"), "conversations": conversations}


def table(sample: Row, system: str | None = None) -> dict[str, Any]:
    """Every column of the sample, and its chat messages."""
    return {**sample, **messages(sample, system)}


def preference(original: Row, edited: Row, system: str | None = None) -> PreferenceRow:
    """A preference pair, as TRL's trainers read it: the edited or better response is chosen.

    Args:
        original: The sample as the teacher wrote it, or one with a worse response.
        edited: The sample as a person edited it, or the one with the better response; its question
            is in the prompt of both responses.
        system: The user's own system message.
    """
    *prompt, chosen = _chat(edited, system)
    return {
        "id": edited.get("id"),
        "prompt": prompt,
        "chosen": [chosen],
        "rejected": [{"role": "assistant", "content": _required_text(original, "response")}],
    }


FORMATS: Mapping[str, Callable[[Row, str | None], Row]] = {
    "messages": messages,
    "instructlab": instructlab,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "parquet": table,
}


def train_file(teacher: str | None, format: str = "messages") -> str:
    """The name of a run's training file or folder.

    Args:
        teacher: The kind of teacher; a rehearsal is named in the file's name.
        format: The training format.

    Example:
        >>> train_file("vllm"), train_file("rehearsal", "parquet")
        ('train_messages.jsonl', 'rehearsal_train.parquet')
    """
    special_names = {"parquet": "train.parquet", "datasets": "datasets"}
    name = special_names.get(format, f"train_{format}.jsonl")
    return f"{REHEARSAL}_{name}" if teacher == REHEARSAL else name


def _required_text(sample: Row, column: str) -> str:
    text = training_text(sample, column)
    if text is None:
        raise RunError(
            f"Sample {sample.get('id')} has no text in the column {column!r}, "
            "which a training file needs."
        )
    return text


def training_text(sample: Row, column: str) -> str | None:
    """The question or the response of a sample, None if it is not clear which column has it.

    The flows of other tools may end in `output` and begin with `instruction`.

    Example:
        >>> training_text({"id": "s1", "text": "It rains.", "output": "rain"}, "question")
        'It rains.'
    """
    if isinstance(sample.get(column), str):
        return str(sample[column])
    others = []
    for name in _OTHER_NAMES[column]:
        if isinstance(sample.get(name), str):
            others.append(name)
    if not others and column == "question" and training_text(sample, "response") is not None:
        # What is left is the input, if it is one column.
        answer_columns = ("id", *_OTHER_NAMES["response"], "response")
        others = []
        for name, value in sample.items():
            if name not in answer_columns and value is not None:
                others.append(name)
    text = None
    if len(others) == 1:
        text = sample[others[0]]
    return text if isinstance(text, str) else None
