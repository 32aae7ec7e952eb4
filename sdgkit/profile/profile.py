"""The profile of a skill: what its responses must meet, and in how many ways its material differs.

It is a YAML file that a person reads and edits. Texts stay as they are written there: `NO`, `12:30`
and `007` are texts, whatever YAML would make of them.
"""

import html
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdgkit.checks import read_shipped_check
from sdgkit.errors import ProfileError
from sdgkit.files import refuse_endless, write_atomically
from sdgkit.keywords import known_keywords_throughout
from sdgkit.profile.criterion import Criterion, split_ids
from sdgkit.profile.reading import ProfileReader, has_content, plain_values
from sdgkit.prompts.prompt_yaml import write_yaml
from sdgkit.prompts.yaml_edits import heading_of, update_yaml
from sdgkit.prompts.yaml_text import YamlProblem
from sdgkit.samples import Row
from sdgkit.stages import Check, Drop

PROFILE_FILE = "profile.yaml"

PROFILE_COLUMN = "response"
"""The column that the checks of a profile look at."""

CHECKS_STAGE = "profile_checks"
"""The name of the stage that applies the checks of a profile."""

HEADING = """\
# The profile of a skill. Edit it: a run in this folder uses this file, and repeats only the
# requests that depend on your changes.
#
# criteria: rules for every response, to be answered with yes or no. A criterion with
#   `enabled: false` is not used. `broken_by` names the seeds whose own response breaks it: either
#   the rule is wrong or the seed is, and you decide which.
# untested_on: seeds for which the judge's answers about the criteria could not be read. Check for
#   yourself whether their responses meet the criteria.
# seeds_shown: how many seeds the teacher saw, if not all of them fit into its context.
# variety: lists. Each new context (or request for questions) draws one entry of each.
# checks: checks that every response must pass, without any request; written as after --check.
# question_steers: whether different questions about one context call for different responses. If
#   not, ask one question about each context, and use more contexts.

"""


@dataclass(frozen=True)
class AllChecks:
    """Several checks of a row as one: the first that fails drops it, with its name as the reason.

    Attributes:
        checks: The checks, in order.
    """

    checks: tuple[Check, ...]
    column = PROFILE_COLUMN

    def __call__(self, row: Row) -> bool:
        """True if the row passes every check.

        Raises:
            Drop: It does not.
        """
        for check in self.checks:
            flaw = check.function(row)
            if flaw:
                raise Drop(check.name, str(flaw))
        return True


@known_keywords_throughout
@dataclass(frozen=True)
class Profile:
    """What is known about a skill before anything is generated.

    Attributes:
        criteria: Rules that a response must meet.
        variety: Named lists; each new context draws one entry from each of them.
        checks: Checks that a response must pass, as they are typed after `--check`.
        question_steers: Whether different questions about one context call for different
            responses; None if that is unknown.
        untested_on: The ids of the seeds on which no criterion could be tested, since the judge's
            reply could not be read.
        seeds_shown: How many seeds the teacher was shown when it wrote the profile; None for all.

    Example:
        >>> profile = Profile(criteria=(Criterion("It names the date."),))
        >>> Profile.from_yaml(profile.to_yaml()) == profile
        True
    """

    criteria: tuple[Criterion, ...] = ()
    variety: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    question_steers: bool | None = None
    untested_on: tuple[str, ...] = ()
    seeds_shown: int | None = None

    def __str__(self) -> str:
        return self.to_yaml()

    def _repr_html_(self) -> str:
        """The profile in a notebook: its YAML text."""
        return f"<pre>{html.escape(self.to_yaml())}</pre>"

    @property
    def enabled_criteria(self) -> list[str]:
        """The texts of the criteria that are used, in order."""
        texts = []
        for criterion in self.criteria:
            if criterion.enabled:
                texts.append(criterion.text)
        return texts

    @property
    def broken_criteria(self) -> list[Criterion]:
        """The criteria that a seed's own response breaks."""
        broken = []
        for criterion in self.criteria:
            if criterion.broken_by:
                broken.append(criterion)
        return broken

    def check_stages(self, but: Collection[str] = ()) -> list[Check]:
        """The checks as one stage; none if there are no checks.

        Args:
            but: The names of checks to leave out.

        Raises:
            SettingsError: A check cannot be used.
        """
        checks = tuple(read_shipped_check(text) for text in self.checks)
        applied = []
        for check in checks:
            if check.name not in but:
                applied.append(check)
        if not applied:
            return []
        return [Check(name=CHECKS_STAGE, function=AllChecks(tuple(applied)))]

    def summary(self) -> str:
        """What the profile holds, in a few words."""
        parts = [
            f"{len(self.enabled_criteria)} of {len(self.criteria)} criteria in use",
            f"variety: {', '.join(self.variety) or 'none'}",
            f"checks: {', '.join(self.checks) or 'none'}",
        ]
        return "; ".join(parts)

    # JSON and YAML --------------------------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        """The profile as JSON values."""
        values: dict[str, Any] = {
            "criteria": [criterion.as_json() for criterion in self.criteria],
            "variety": {name: list(entries) for name, entries in self.variety.items()},
            "checks": list(self.checks),
            "question_steers": self.question_steers,
        }
        if self.untested_on:
            values["untested_on"] = ", ".join(self.untested_on)
        if self.seeds_shown is not None:
            values["seeds_shown"] = self.seeds_shown
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Profile":
        """The profile that `as_json` gave; keys that this version does not know are ignored."""
        criteria = []
        for entry in values.get("criteria", ()):
            broken_by = split_ids(entry.get("broken_by", ""))
            criteria.append(Criterion(entry["text"], entry.get("enabled", True), broken_by))
        variety = {}
        for name, entries in values.get("variety", {}).items():
            variety[name] = tuple(entries)
        return cls(
            criteria=tuple(criteria),
            variety=variety,
            checks=tuple(values.get("checks", ())),
            question_steers=values.get("question_steers"),
            untested_on=split_ids(values.get("untested_on", "")),
            seeds_shown=values.get("seeds_shown"),
        )

    def to_yaml(self) -> str:
        """Write the profile as YAML; `from_yaml` gives an equal profile back."""
        values = self.as_json()
        if values["question_steers"] is None:
            del values["question_steers"]
        return HEADING + write_yaml(values)

    @classmethod
    def from_yaml(cls, text: str, file: str = PROFILE_FILE) -> "Profile":
        """Read a profile from YAML.

        Args:
            text: The YAML text.
            file: The name of the file, for messages.

        Raises:
            ProfileError: It cannot be used; with file, line and list.
        """
        if not has_content(text):
            return cls()
        return cls(**ProfileReader(text, file).values())

    @classmethod
    def load(cls, path: str | Path) -> "Profile":
        """Load the profile in a YAML file.

        Raises:
            ProfileError: The file cannot be read or used; with file, line and list.
        """
        path = Path(path)
        try:
            refuse_endless(path)
            text = path.read_text("utf-8-sig")
        except UnicodeDecodeError:
            reason = "it is not UTF-8 text. Save it as UTF-8"
        except OSError as error:
            reason = f"{error.strerror}. Check the name and the folder"
        else:
            return cls.from_yaml(text, str(path))
        raise ProfileError(f"Cannot read the profile {path}: {reason}.", file=path)

    def save(self, path: str | Path) -> Path:
        """Write the profile to a YAML file.

        If the file holds a profile already, only what differs is rewritten: its comments stay.

        Args:
            path: The file. Missing folders are created.

        Returns:
            The path.

        Raises:
            RunError: The file cannot be written.
        """
        path = Path(path)
        text = self._merged_into(path)
        with write_atomically(path) as file:
            file.write(text.encode("utf-8", "replace"))
        return path

    def _merged_into(self, path: Path) -> str:
        """The text for a file: the one that it has, with what differs rewritten."""
        try:
            old_text = path.read_text("utf-8-sig")
            old = Profile.from_yaml(old_text)
        except (OSError, UnicodeDecodeError, ProfileError):
            return self.to_yaml()
        if old == self:
            return old_text
        before = plain_values(old_text)
        after = self.as_json()
        for name, value in old.as_json().items():
            if name not in after or value != after[name]:
                continue
            if name in before:
                after[name] = before[name]  # however it is written, it says the same
            else:
                del after[name]
        after = {name: value for name, value in after.items() if value is not None}
        try:
            merged = update_yaml(old_text, before, after)
            if Profile.from_yaml(merged) == self:
                return merged
        except (YamlProblem, ProfileError):
            pass  # an unusual layout: rewritten, below its own heading
        return heading_of(old_text) + self.to_yaml().removeprefix(HEADING)
