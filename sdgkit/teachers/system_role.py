"""Models without a system role: its text goes into the user's message instead.

The chat templates of some models (Gemma 2, older Mistral) refuse a system message, and each server
says so in words of its own. So what looks like such a refusal is checked by asking again.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sdgkit.teachers.diagnosis import Trouble

SYSTEM = "system"
USER = "user"
# A request that is refused for its roles comes back with one of these.
_STATUSES = (400, 405, 409, 415, 422, 500, 501, 503)
# "System role not supported", "roles must alternate user/assistant", "Developer instruction is not
# enabled", "Input should be 'user' or 'assistant'", an exception of the template itself.
_WORDS = re.compile(
    r"(?i)\broles?\b|\balternat|\bsystem\b.{0,60}\b(?:message|prompt|instruction|content|template)"
    r"|\b(?:message|prompt|instruction)s?\b.{0,60}\bsystem\b"
    r"|developer instruction|system_instruction"
    r"|\bsystem\b.{0,40}\b(?:support|allow|permit|accept|enabled|invalid|unexpected)"
    r"|(?:invalid|unexpected|unsupported|not).{0,40}\bsystem\b"
    r"|['\"]user['\"].{0,20}['\"]assistant['\"]|raise_exception|chat.?template|\bjinja"
)


def may_refuse_system(trouble: Trouble, body: Mapping[str, Any]) -> bool:
    """Whether a request may have been refused because it has a system message."""
    has_system = any(message.get("role") == SYSTEM for message in body["messages"])
    return has_system and trouble.status in _STATUSES and bool(_WORDS.search(trouble.detail))


def with_system_in_user(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages with the system's text at the beginning of the first one of the user.

    Example:
        >>> with_system_in_user(
        ...     [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
        ... )
        [{'role': 'user', 'content': 'Be brief.\\n\\nWhy?'}]
    """
    instructions = []
    others = []
    for entry in messages:
        if entry.get("role") == SYSTEM:
            instructions.append(str(entry["content"]))
        else:
            others.append(dict(entry))
    if not instructions:
        return others
    for entry in others:
        if entry.get("role") == USER and isinstance(entry["content"], str):
            entry["content"] = "\n\n".join([*instructions, entry["content"]])
            return others
    return [{"role": USER, "content": "\n\n".join(instructions)}, *others]
