"""The parameters of a request that a server refuses: learned once, from its own message."""

import re
from collections.abc import Mapping
from typing import Any

from sdgkit.teachers.diagnosis import Trouble

# What a server may refuse and a request can do without. Some have no `seed`, some models accept
# only their own temperature ("Unsupported value: 'temperature' …"), OpenAI's reasoning models
# require `max_completion_tokens` instead of `max_tokens`, and OpenAI knows no `repetition_penalty`.
_OPTIONAL_PARAMETERS = (
    "seed",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "repetition_penalty",
)
_OTHER_NAMES = {"max_tokens": "max_completion_tokens"}
# A refusal of the parameter as such, or of every value but the default; not of one value.
_PARAMETER_REFUSED = re.compile(
    r"(?i)unsupported|not (support|allow|permit|accept)"
    r"|unrecognized|unknown|unexpected|forbidden|deprecated"
)


class RefusedParameters:
    """The parameters that one server refuses, each left out or sent under another name.

    Args:
        notes: Where to report what the user should read about each of them.
    """

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self._renamed: dict[str, str] = {}  # to the name to use instead, or "" to leave it out

    def accepted(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body of a request as the server accepts it."""
        if not self._renamed:
            return body
        accepted = {}
        for name, value in body.items():
            accepted_name = self._renamed.get(name, name)
            if accepted_name:
                accepted[accepted_name] = value
        return accepted

    def learn_from(self, refusal: Trouble, sent: Mapping[str, Any]) -> bool:
        """Remember the parameter that the server refuses.

        Args:
            refusal: The server's response.
            sent: The body that it refused.

        Returns:
            Whether it refuses a parameter; False if it refuses something else.
        """
        refused = _refused_parameter(refusal, sent)
        if not refused:
            return False
        if refused in self._renamed:
            return True  # another request has learned it in the meantime
        other_name = _OTHER_NAMES.get(refused, "")
        if other_name and other_name in refusal.detail:
            consequence = f"{other_name} is sent instead"
        else:
            other_name = ""
            consequence = "it is no longer sent, so the server's own default applies"
        self._notes.append(f"The server does not accept {refused}; {consequence}.")
        for name, sent_name in self._renamed.items():
            if sent_name == refused:
                self._renamed[name] = ""
        self._renamed[refused] = other_name
        return True


def _refused_parameter(refusal: Trouble, sent: Mapping[str, Any]) -> str:
    """The parameter that a server refuses; empty if it refuses something else."""
    if refusal.status not in (400, 422) or not _PARAMETER_REFUSED.search(refusal.detail):
        return ""
    mentions = {}
    for name in _OPTIONAL_PARAMETERS:
        mention = re.search(rf"\b{name}\b", refusal.detail)
        if name in sent and mention:
            mentions[name] = mention.start()
    # The one mentioned first is refused; what is suggested in its place comes later.
    return min(mentions, key=lambda name: mentions[name], default="")
