"""The profile of a skill: what its responses must meet, and in how many ways its material differs.

It is a YAML file that a person reads and edits. Texts stay as they are written there: `NO`, `12:30`
and `007` are texts, whatever YAML would make of them.
"""

import html
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sdgkit.checks import read_shipped_check
from sdgkit.errors import ProfileError, SettingsError
from sdgkit.files import write_atomically
from sdgkit.keywords import known_keywords
from sdgkit.prompts.prompt_yaml import write_yaml
from sdgkit.prompts.yaml_edits import heading_of, update_yaml
from sdgkit.prompts.yaml_text import YamlProblem, mapping_entries, read_mapping
from sdgkit.samples import Row
from sdgkit.stages import Check, Drop

PROFILE_FILE = "profile.yaml"

PROFILE_COLUMN = "response"
"""The column that the checks of a profile look at."""

CHECKS_STAGE = "profile_checks"
"""The name of the stage that applies the checks of a profile."""

HEADING = """\
# The profile of a skill. Edit it: a run in this folder uses it as it stands, and asks again only
# what follows from your changes.
#
# criteria: what every response must meet, answered with yes or no. One with `enabled: false` is not
#   used. `broken_by` names the seeds whose own response breaks it: either the rule is wrong or the
#   seed is, and you decide which.
# variety: lists from each of which a new context (or a request for questions) draws one entry.
# checks: what every response must pass, free of charge; written as after --check.
# question_steers: whether different questions about one context call for different responses. If
#   not, ask one question a context, and more contexts.

"""

CRITERION_KEYS = ("text", "enabled", "broken_by")
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Criterion:
    """A rule that a response must meet.

    Attributes:
        text: The rule, to be answered with yes or no.
        enabled: Whether it is used.
        broken_by: The ids of the seeds whose own response breaks it, such as `s2`.
    """

    text: str
    enabled: bool = True
    broken_by: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The criterion as JSON values."""
        values: dict[str, Any] = {"text": self.text, "enabled": self.enabled}
        if self.broken_by:
            values["broken_by"] = ", ".join(self.broken_by)
        return values


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


@dataclass(frozen=True)
class Profile:
    """What is known of a skill before anything is generated.

    Attributes:
        criteria: Rules that a response must meet.
        variety: Lists by name, from each of which a new context draws one entry.
        checks: Checks that a response must pass, as they are typed after `--check`.
        question_steers: Whether different questions about one context call for different
            responses; None if nobody can tell.

    Example:
        >>> profile = Profile(criteria=(Criterion("It names the date."),))
        >>> Profile.from_yaml(profile.to_yaml()) == profile
        True
    """

    criteria: tuple[Criterion, ...] = ()
    variety: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    question_steers: bool | None = None

    def __str__(self) -> str:
        return self.to_yaml()

    def _repr_html_(self) -> str:
        """The profile in a notebook: its YAML text."""
        return f"<pre>{html.escape(self.to_yaml())}</pre>"

    @property
    def enabled_criteria(self) -> list[str]:
        """The texts of the criteria that are used, in order."""
        return [criterion.text for criterion in self.criteria if criterion.enabled]

    @property
    def broken_criteria(self) -> list[Criterion]:
        """The criteria that a seed's own response breaks."""
        return [criterion for criterion in self.criteria if criterion.broken_by]

    def check_stages(self, but: Collection[str] = ()) -> list[Check]:
        """The checks as one stage; none if there are no checks.

        Args:
            but: The names of checks to leave out.

        Raises:
            SettingsError: A check cannot be used.
        """
        checks = tuple(read_shipped_check(text) for text in self.checks)
        applied = tuple(check for check in checks if check.name not in but)
        return [Check(name=CHECKS_STAGE, function=AllChecks(applied))] if applied else []

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
        return {
            "criteria": [criterion.as_json() for criterion in self.criteria],
            "variety": {name: list(entries) for name, entries in self.variety.items()},
            "checks": list(self.checks),
            "question_steers": self.question_steers,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Profile":
        """The profile that `as_json` gave; keys that this version does not know are ignored."""
        criteria = []
        for entry in values.get("criteria", ()):
            broken_by = split_ids(entry.get("broken_by", ""))
            criteria.append(Criterion(entry["text"], entry.get("enabled", True), broken_by))
        variety = {name: tuple(entries) for name, entries in values.get("variety", {}).items()}
        return cls(
            criteria=tuple(criteria),
            variety=variety,
            checks=tuple(values.get("checks", ())),
            question_steers=values.get("question_steers"),
        )

    def to_yaml(self) -> str:
        """Write the profile as YAML; `from_yaml` gives an equal profile back."""
        values = self.as_json()
        if values["question_steers"] is None:
            del values["question_steers"]
        return HEADING + write_yaml(values)

    @classmethod
    @known_keywords
    def from_yaml(cls, text: str, file: str = PROFILE_FILE) -> "Profile":
        """Read a profile from YAML.

        Args:
            text: The YAML text.
            file: The name of the file, for messages.

        Raises:
            ProfileError: It cannot be used; with file, line and list.
        """
        if not _has_content(text):
            return cls()
        return _Reader(text, file).profile()

    @classmethod
    @known_keywords
    def load(cls, path: str | Path) -> "Profile":
        """Load the profile in a YAML file.

        Raises:
            ProfileError: The file cannot be read or used; with file, line and list.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8-sig")
        except UnicodeDecodeError:
            reason = "it is not UTF-8 text. Save it as UTF-8"
        except OSError as error:
            reason = f"{error.strerror}. Check the name and the folder"
        else:
            return cls.from_yaml(text, str(path))
        raise ProfileError(f"Cannot read the profile {path}: {reason}.", file=path)

    @known_keywords
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
        before = _plain_values(old_text)
        after = self.as_json()
        for name, value in old.as_json().items():
            if name in before and value == after[name]:
                after[name] = before[name]  # however it is written, it says the same
            elif name not in before and value == after[name]:
                del after[name]
        after = {name: value for name, value in after.items() if value is not None}
        try:
            merged = update_yaml(old_text, before, after)
            if Profile.from_yaml(merged) == self:
                return merged
        except (YamlProblem, ProfileError):
            pass  # an unusual layout: written anew, below its own heading
        return heading_of(old_text) + self.to_yaml().removeprefix(HEADING)


# Reading ------------------------------------------------------------------------------------------


class _Reader:
    """Reads the YAML text of a profile.

    Args:
        text: The text.
        file: The name of its file, for messages.

    Raises:
        ProfileError: The text is not a YAML mapping.
    """

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        try:
            self._nodes = read_mapping(text)
        except YamlProblem as problem:
            raise ProfileError(
                f"{file}, line {problem.line}: {problem.problem}", file=file, line=problem.line
            ) from None

    def profile(self) -> Profile:
        """The profile. Raises ProfileError."""
        readers: dict[str, Callable[[yaml.Node], Any]] = {
            "criteria": self._criteria,
            "variety": self._variety,
            "checks": self._checks,
            "question_steers": self._question_steers,
        }
        values = {}
        for name, node in self._nodes.items():
            if name not in readers:
                raise self._error(node, name, f"there is no such entry. Use {', '.join(readers)}.")
            values[name] = readers[name](node)
        return Profile(**values)

    def _criteria(self, node: yaml.Node) -> tuple[Criterion, ...]:
        return tuple(self._criterion(entry) for entry in self._entries(node, "criteria"))

    def _criterion(self, node: yaml.Node) -> Criterion:
        if not isinstance(node, yaml.MappingNode):
            return Criterion(self._text_of(node, "criteria"))
        fields = self._mapping(node, "criteria")
        unknown = [name for name in fields if name not in CRITERION_KEYS]
        if unknown or "text" not in fields:
            raise self._error(
                node,
                "criteria",
                "an entry is a text, or has the keys text, enabled and broken_by. A text with a "
                "colon in it needs quotes.",
            )
        enabled = True
        if "enabled" in fields:
            enabled = self._truth(fields["enabled"], "criteria")
        broken_by: tuple[str, ...] = ()
        if "broken_by" in fields:
            broken_by = self._ids(fields["broken_by"])
        return Criterion(self._text_of(fields["text"], "criteria"), enabled, broken_by)

    def _variety(self, node: yaml.Node) -> dict[str, tuple[str, ...]]:
        if _is_empty(node):
            return {}
        lists = {}
        for name, entries in self._mapping(node, "variety").items():
            texts = self._texts(entries, name)
            if texts:  # a list that is emptied is switched off
                lists[name] = texts
        return lists

    def _checks(self, node: yaml.Node) -> tuple[str, ...]:
        texts = self._texts(node, "checks")
        for text, entry in zip(texts, self._entries(node, "checks"), strict=True):
            try:
                read_shipped_check(text)
            except SettingsError as error:
                raise self._error(entry, "checks", str(error)) from None
        return texts

    def _question_steers(self, node: yaml.Node) -> bool | None:
        return None if _is_empty(node) else self._truth(node, "question_steers")

    # Values ---------------------------------------------------------------------------------------

    def _entries(self, node: yaml.Node, name: str) -> Sequence[yaml.Node]:
        """The entries of a list; none for a key without a value."""
        if _is_empty(node):
            return ()
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, name, "it must be a list, each entry after a dash.")
        entries: list[yaml.Node] = node.value
        return entries

    def _texts(self, node: yaml.Node, name: str) -> tuple[str, ...]:
        return tuple(self._text_of(entry, name) for entry in self._entries(node, name))

    def _ids(self, node: yaml.Node) -> tuple[str, ...]:
        """The ids of seeds: one text with commas between them, or a list."""
        if isinstance(node, yaml.ScalarNode):
            return split_ids(node.value)
        return self._texts(node, "criteria")

    def _text_of(self, node: yaml.Node, name: str) -> str:
        """A text as it is written, whatever YAML would make of it."""
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(
                node, name, "an entry must be a text. A text with a colon in it needs quotes."
            )
        text = str(node.value).strip()
        if not text:
            raise self._error(node, name, "an entry is empty. Write a text, or remove the dash.")
        return text

    def _truth(self, node: yaml.Node, name: str) -> bool:
        word = str(node.value).lower() if isinstance(node, yaml.ScalarNode) else ""
        if word not in _TRUTHS:
            raise self._error(node, name, "it must be true or false.")
        return _TRUTHS[word]

    def _mapping(self, node: yaml.Node, name: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, name, "it must be named lists, such as `size:` with entries.")
        try:
            return mapping_entries(node, self._text)
        except YamlProblem as problem:
            raise ProfileError(
                f"{self._file}, line {problem.line}, list {name}: {problem.problem}",
                file=self._file,
                line=problem.line,
                list=name,
            ) from None

    def _error(self, node: yaml.Node, name: str, problem: str) -> ProfileError:
        line = node.start_mark.line + 1
        return ProfileError(
            f"{self._file}, line {line}, list {name}: {problem}",
            file=self._file,
            line=line,
            list=name,
        )


def _is_empty(node: yaml.Node) -> bool:
    """Whether nothing is written where a value would stand, or `null` or `~`."""
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return is_plain and node.value in ("", "~", "null")


def _has_content(text: str) -> bool:
    """Whether a YAML text has more than comments and white space."""
    return re.search(r"(?m)^\s*[^#\s]", text) is not None


def _plain_values(text: str) -> dict[str, Any]:
    """The values of a profile's YAML text as they are written; only `true` and `false` are read."""
    return {name: _plain_value(node, name) for name, node in read_mapping(text).items()}


def _plain_value(node: yaml.Node, key: str) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_plain_value(entry, "") for entry in node.value]
    if isinstance(node, yaml.MappingNode):
        return {name.value: _plain_value(value, name.value) for name, value in node.value}
    if key in ("enabled", "question_steers"):
        return _TRUTHS.get(str(node.value).lower(), node.value)
    return node.value


def split_ids(text: str) -> tuple[str, ...]:
    """The ids of seeds in a text.

    Example:
        >>> split_ids("s2, s5")
        ('s2', 's5')
    """
    return tuple(id_.strip() for id_ in text.split(",") if id_.strip())


def distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts without those that repeat an earlier one in other letter case or spacing.

    Example:
        >>> distinct(["a form", "A  form", "a chat"])
        ('a form', 'a chat')
    """
    by_words: dict[str, str] = {}
    for text in texts:
        by_words.setdefault(" ".join(text.split()).casefold(), text)
    return tuple(by_words.values())
