"""Models without a system role: its text goes into the user's message instead.

The chat templates of some models (Gemma 2, older Mistral) refuse a system message, and each server
says so in words of its own. So what looks like such a refusal is checked by asking again.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sdgkit.teachers.diagnosis import Trouble, TroubleCause

SYSTEM = "system"
USER = "user"
# A request that is refused for its roles comes back with one of these.
_STATUSES = (None, 400, 405, 409, 415, 422, 424, 500, 501, 503)
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


def has_system(body: Mapping[str, Any]) -> bool:
    """Whether a request has a system message."""
    return any(message.get("role") == SYSTEM for message in body["messages"])


def tells_of_roles(trouble: Trouble) -> bool:
    """Whether a refusal speaks of roles, or of the template that puts them together."""
    return trouble.status in _STATUSES and bool(_WORDS.search(trouble.detail))


def may_be_about_roles(trouble: Trouble) -> bool:
    """Whether a refusal may be about a role without saying so, in words that anybody knows.

    Servers say it in any language, or only that the request was bad.
    """
    return trouble.cause is TroubleCause.BAD_REQUEST


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
