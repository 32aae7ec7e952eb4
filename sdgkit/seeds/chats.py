"""Chats as training files have them, read as one question and its answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

# Who speaks, in OpenAI's words and in ShareGPT's.
_USERS = ("user", "human")
_ASSISTANTS = ("assistant", "gpt", "model", "bot")
_SYSTEMS = ("system", "developer")


@dataclass(frozen=True)
class Exchange:
    """One question and its answer.

    Attributes:
        question: What the user says.
        answer: What the assistant says.
        system: What the system message says; empty without one.
    """

    question: str
    answer: str
    system: str = ""


def question_and_answer(chat: object) -> Exchange:
    """Read a chat of one question and one answer.

    Args:
        chat: A list of messages with `role` and `content` (or `from` and `value`), or its JSON.

    Raises:
        ValueError: It is something else, with a sentence for the user.

    Example:
        >>> question_and_answer(
        ...     [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]
        ... ).answer
        '2'
    """
    if isinstance(chat, str):
        try:
            chat = json.loads(chat)
        except ValueError:
            chat = None
    if not isinstance(chat, list) or not all(isinstance(message, Mapping) for message in chat):
        raise ValueError("a chat is a list of messages, each with role and content.")
    spoken = [(_role(message), _turn_text(message)) for message in chat]
    system = "\n\n".join(text for role, text in spoken if role in _SYSTEMS)
    turns = []
    for role, text in spoken:
        if role not in _SYSTEMS:
            turns.append((role, text))
    roles = [role for role, _ in turns]
    is_one_exchange = len(roles) == 2 and roles[0] in _USERS and roles[1] in _ASSISTANTS
    if not is_one_exchange:
        raise ValueError(
            f"a seed is one question and one answer; this chat has {', '.join(roles) or 'nothing'}."
            " Leave out conversations of several turns."
        )
    return Exchange(question=turns[0][1], answer=turns[1][1], system=system)


def _role(message: Mapping[str, object]) -> str:
    return str(message.get("role") or message.get("from") or "nobody").lower()


def _turn_text(message: Mapping[str, object]) -> str:
    content = message.get("content", message.get("value"))
    if isinstance(content, list):
        parts = []
        for part in content:
            if isinstance(part, Mapping):
                parts.append(part.get("text"))
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str):
        raise ValueError(f"the content of the {_role(message)} is not text.")
    return content
