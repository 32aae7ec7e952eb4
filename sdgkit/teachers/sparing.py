"""What a server refuses to be told is left out of every later request: found out once, by its own words.

Some servers take no `seed`, some models only their own temperature ("Unsupported value: 'temperature' …"), OpenAI's
reasoning models want `max_completion_tokens` in place of `max_tokens`. A request's key, its name in the journal, covers
what the plan asks for, so it stays the same whatever a server is spared.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from sdgkit.teachers.exchange import Exchange, Reply

# What a model can do without, and the name under which some servers want it all the same.
OPTIONAL = ("seed", "temperature", "top_p", "max_tokens", "max_completion_tokens")
RENAMED = {"max_tokens": "max_completion_tokens"}

# A refusal of the parameter as such, or of every value but the default; not of a value that is too large.
_REFUSED = re.compile(
    r"unsupported|not (?:support|allow|permit|accept)|unrecognized|unknown|unexpected|forbidden|deprecated",
    re.IGNORECASE,
)


class Sparing:
    """An adapter's `exchange`, without what its server refuses. notes: gets a sentence for each such thing."""

    def __init__(self, exchange: Exchange, notes: list[str]) -> None:
        self._exchange, self._notes = exchange, notes
        self._changes: dict[str, str | None] = {}  # a parameter's other name, None to leave it out

    async def exchange(self, body: Mapping[str, Any]) -> Reply:
        """One chat completion. Sent again only when the server refuses a parameter that it can be spared."""
        while True:
            sent = self._spared(body)
            try:
                return await self._exchange(sent)
            except Exception as error:
                refused = refused_parameter(error, sent)
                if refused is None:
                    raise
                self._spare(refused, str(getattr(error, "body", "")), body)

    def _spared(self, body: Mapping[str, Any]) -> dict[str, Any]:
        sent = dict(body)
        for name, other in self._changes.items():
            if name in sent:
                value = sent.pop(name)
                if other is not None:
                    sent.setdefault(other, value)
        return sent

    def _spare(self, name: str, words: str, body: Mapping[str, Any]) -> None:
        if name in self._changes:
            return  # another request has found it out meanwhile
        other = RENAMED.get(name)
        if other is not None and other in words and other not in body and other not in self._changes:
            self._changes[name] = other
            self._notes.append(f"The server takes no {name}; it is told {other} instead.")
        else:
            self._changes[name] = None
            self._notes.append(f"The server takes no {name}, so it is left out, and the server's own holds.")


def refused_parameter(error: BaseException, sent: Mapping[str, Any]) -> str | None:
    """The parameter that a server refuses to be told, None if that is not what is the matter."""
    if getattr(error, "status_code", None) not in (400, 422):
        return None
    body = getattr(error, "body", None)
    words = json.dumps(body.get("error", body) if isinstance(body, dict) else body, default=str)
    if not _REFUSED.search(words):
        return None
    # Of several, the one that it names first: what it suggests instead comes later.
    places = {name: re.search(rf"\b{name}\b", words) for name in OPTIONAL if name in sent}
    return min((name for name, found in places.items() if found), key=words.index, default=None)
