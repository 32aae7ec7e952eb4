"""The sampling settings that a prompt may send along, and the range of each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from reprlib import repr as shortened
from typing import Any, TypedDict

from sdgkit.errors import SettingsError


class SamplingSettings(TypedDict, total=False):
    """Sampling settings of a chat request; the server chooses any setting that is left out.

    Attributes:
        temperature: From 0 (always the most likely token) to 2.
        top_p: From 0 to 1: sample from the most likely tokens with this total probability.
        max_tokens: The longest reply, in tokens, at least 1.
        extra_body: Further fields of the request, for settings that only some servers have.
    """

    temperature: float
    top_p: float
    max_tokens: int
    extra_body: Mapping[str, Any]


@dataclass(frozen=True)
class SettingRule:
    """What values a sampling setting accepts.

    Attributes:
        types: The exact types of its values, so that True is not a number.
        requirement: What it must be, in words.
        lowest: The lowest value, or None.
        highest: The highest value, or None.
    """

    types: tuple[type, ...]
    requirement: str
    lowest: float | None = None
    highest: float | None = None

    def allows(self, value: object) -> bool:
        """Whether the setting can have this value."""
        if type(value) not in self.types or not _is_json(value):
            return False
        if not isinstance(value, int | float):
            return True
        if self.lowest is not None and value < self.lowest:
            return False
        return self.highest is None or value <= self.highest


# What a run decides itself; the same field in an `extra_body` would override the run's own.
NOT_EXTRA = ("model", "messages", "n", "seed", "stream")

# The ranges are those of the OpenAI API reference, "Create chat completion".
SAMPLING = {
    "temperature": SettingRule((int, float), "a number from 0 to 2", 0, 2),
    "top_p": SettingRule((int, float), "a number from 0 to 1", 0, 1),
    "max_tokens": SettingRule((int,), "a whole number of at least 1", 1, 10**9),
    "extra_body": SettingRule((dict,), "a mapping of JSON values"),
}


def check_sampling(sampling: Mapping[str, Any], origin: str) -> None:
    """Check sampling settings.

    Args:
        sampling: The settings.
        origin: The file or prompt that they come from, for the message.

    Raises:
        SettingsError: For a setting that does not exist or is out of its range.
    """
    for name, value in sampling.items():
        rule = SAMPLING.get(name)
        if rule is None:
            raise _unknown_setting(name, origin)
        if not rule.allows(value):
            raise SettingsError(
                f"{origin}: sampling {name} must be {rule.requirement}, not {shortened(value)}.",
                setting=name,
            )
    for name in sampling.get("extra_body", {}):
        if name in NOT_EXTRA:
            raise SettingsError(
                f"{origin}: extra_body cannot set {name}, which the run decides. Leave it out.",
                setting="extra_body",
            )


def _unknown_setting(name: str, origin: str) -> SettingsError:
    names = ", ".join(SAMPLING)
    nearest = get_close_matches(str(name), SAMPLING, n=1)
    question = ""
    if nearest:
        question = f"Did you mean {nearest[0]}? "
    return SettingsError(
        f"{origin}: there is no sampling setting {name!r}. {question}Choose from {names}.",
        setting=str(name),
        choices=list(SAMPLING),
    )


def _is_json(value: object) -> bool:
    """Whether a value can be sent as JSON, which has no NaN and no dates."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
