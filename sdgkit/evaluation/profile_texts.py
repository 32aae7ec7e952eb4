"""A profile as texts to edit, and how two edited ones become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sdgkit.evaluation.seed_merge import merge_seeds
from sdgkit.profile import Criterion, Profile

CRITERIA = "criteria"

CHECKS = "checks"


@dataclass(frozen=True)
class ProfileTexts:
    """A profile as it is being written; a text in it may be empty.

    Attributes:
        criteria: The rules.
        variety: The lists, in order: each its name and its entries.
        checks: The checks.
        question_steers: Whether questions steer the answer.
        origin: The profile that they came from, with the parts that are not edited.
    """

    criteria: tuple[Criterion, ...] = ()
    variety: tuple[tuple[str, tuple[str, ...]], ...] = ()
    checks: tuple[str, ...] = ()
    question_steers: bool | None = None
    origin: Profile = field(default_factory=Profile)

    @classmethod
    def of(cls, profile: Profile) -> ProfileTexts:
        """The texts of a profile."""
        return cls(
            criteria=profile.criteria,
            variety=tuple(profile.variety.items()),
            checks=profile.checks,
            question_steers=profile.question_steers,
            origin=without_texts(profile),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ProfileTexts:
        """The texts that `as_json` gave."""
        criteria = []
        for entry in values[CRITERIA]:
            broken_by = tuple(entry["broken_by"])
            criteria.append(Criterion(entry["text"], entry["enabled"], broken_by))
        return cls(
            criteria=tuple(criteria),
            variety=tuple((name, tuple(entries)) for name, entries in values["variety"]),
            checks=tuple(values[CHECKS]),
            question_steers=values["question_steers"],
            origin=Profile.from_json(values["origin"]),
        )

    def as_json(self) -> dict[str, Any]:
        """The texts as JSON values."""
        return {**asdict(self), "origin": self.origin.as_json()}

    def finished(self) -> ProfileTexts:
        """The same without what is empty: criteria without a text, lists without entries."""
        criteria_with_text = []
        for entry in self.criteria:
            if entry.text.strip():
                criteria_with_text.append(entry)
        criteria = tuple(criteria_with_text)
        filled_lists = []
        for name, entries in self.variety:
            if entries:
                filled_lists.append((name, entries))
        variety = tuple(filled_lists)
        return replace(self, criteria=criteria, variety=variety)

    def profile(self) -> Profile:
        """The profile."""
        finished = self.finished()
        return replace(
            self.origin,
            criteria=finished.criteria,
            variety=dict(finished.variety),
            checks=finished.checks,
            question_steers=finished.question_steers,
        )


def without_texts(profile: Profile) -> Profile:
    """What of a profile is not edited: how it came about."""
    return replace(profile, criteria=(), variety={}, checks=(), question_steers=None)


def merge_profiles(
    ancestor: ProfileTexts, mine: ProfileTexts, theirs: ProfileTexts
) -> ProfileTexts | None:
    """Merge two versions of a profile, part by part and entry by entry.

    Args:
        ancestor: What both versions began as.
        mine: One version.
        theirs: The other one.

    Returns:
        The merged profile; None where both changed the same entry in different ways.

    Example:
        >>> old = ProfileTexts(checks=("no_refusal",))
        >>> mine = ProfileTexts(checks=("no_refusal", "length=1..90 words"))
        >>> theirs = ProfileTexts(checks=("no_refusal",), question_steers=True)
        >>> merge_profiles(old, mine, theirs).checks
        ('no_refusal', 'length=1..90 words')
    """
    criteria = merge_seeds(_rules(ancestor), _rules(mine), _rules(theirs))
    checks = _merge_texts(ancestor.checks, mine.checks, theirs.checks)
    variety = _merge_lists(dict(ancestor.variety), dict(mine.variety), dict(theirs.variety))
    old = ancestor.question_steers
    my_value = mine.question_steers
    their_value = theirs.question_steers
    is_contested = len({old, my_value, their_value}) == 3
    if criteria is None or checks is None or variety is None or is_contested:
        return None
    criteria_merged = []
    for rule in criteria:
        criteria_merged.append(Criterion(rule["text"], rule["enabled"], tuple(rule["broken_by"])))
    return ProfileTexts(
        criteria=tuple(criteria_merged),
        variety=tuple(variety.items()),
        checks=checks,
        question_steers=their_value if my_value == old else my_value,
        origin=theirs.origin if mine.origin == ancestor.origin else mine.origin,
    )


def _rules(texts: ProfileTexts) -> tuple[dict[str, Any], ...]:
    return tuple(asdict(criterion) for criterion in texts.criteria)


def _merge_texts(
    ancestor: Sequence[str], mine: Sequence[str], theirs: Sequence[str]
) -> tuple[str, ...] | None:
    merged = merge_seeds(_as_rows(ancestor), _as_rows(mine), _as_rows(theirs))
    if merged is None:
        return None
    return tuple(row["text"] for row in merged)


def _as_rows(texts: Sequence[str]) -> tuple[dict[str, Any], ...]:
    return tuple({"text": text} for text in texts)


def _merge_lists(
    ancestor: Mapping[str, tuple[str, ...]],
    mine: Mapping[str, tuple[str, ...]],
    theirs: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[str, ...]] | None:
    """The merged lists; a list that one removed and the other left alone is removed."""
    merged = {}
    for name in {**theirs, **mine}:
        old = ancestor.get(name)
        my_list = mine.get(name)
        their_list = theirs.get(name)
        if my_list in (old, their_list):
            chosen = their_list
        elif their_list == old:
            chosen = my_list
        else:
            chosen = _merge_texts(old or (), my_list or (), their_list or ())
            if chosen is None or my_list is None or their_list is None:
                return None
        if chosen is not None:
            merged[name] = chosen
    return merged
