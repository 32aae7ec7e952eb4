"""The folder of a skill: its seeds and, where there are any, everything that belongs to them.

    mail/
        seeds.jsonl      the seeds (any format of seeds; `qna.yaml` from a taxonomy, too)
        skill.toml       num_contexts, target, checks, vary, sampling, weight …
        profile.yaml     the profile, as `study` writes it
        prompts/         prompts of your own, one STAGE.yaml each
        contexts/        contexts of your own (or contexts.jsonl, .csv, .parquet)

A folder may come from a stranger: it holds data, and names neither code nor a teacher.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sdgkit.errors import SettingsError
from sdgkit.files import refuse_endless, write_atomically
from sdgkit.keywords import advice
from sdgkit.profile import PROFILE_FILE
from sdgkit.seeds.files import READERS
from sdgkit.toml_text import parse_toml

SETTINGS_FILE = "skill.toml"
PROMPTS_FOLDER = "prompts"
CONTEXTS = "contexts"
LARGEST_SETTINGS_FILE = 2**20
"""Bytes: a file of settings has a few lines."""

_NUMBER = (int, float)
SKILL_SETTINGS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "num_contexts": ((int,), "a whole number"),
    "num_questions": ((int,), "a whole number"),
    "target": ((int,), "a whole number"),
    "max_requests": ((int,), "a whole number"),
    "min_samples": ((int,), "a whole number"),
    "responses": ((int,), "a whole number"),
    "max_tokens": ((int,), "a whole number"),
    "extra_tries": ((int,), "a whole number"),
    "min_score": (_NUMBER, "a number"),
    "near_duplicates": (_NUMBER, "a number"),
    "weight": (_NUMBER, "a number"),
    "keep_reasoning": ((bool,), "true or false"),
    "profile": ((bool,), "true or false"),
    "repair": ((bool,), "true or false"),
    "twins": ((str,), 'a text, "keep" or "drop"'),
    "questions": ((str,), 'a text, "seed" or "context"'),
    "structure": ((str,), 'a text, "auto", "always" or "never"'),
    "system": ((str,), "a text"),
    "task": ((str,), "a text"),
    "split_contexts": ((str, int), 'a text, "whole" or "heading", or a number of words'),
    "encoding": ((str,), "a text"),
    "checks": ((list,), 'a list of texts, such as ["no_refusal", "length=..200 words"]'),
    "columns": ((dict,), 'a table: [columns] and, below it, seed_response = "answer"'),
    "vary": ((dict,), "a table of lists: [vary] and, below it, mood = ['calm', 'angry']"),
    "sampling": ((dict,), "a table for each stage: [sampling.gen_contexts]"),
}
"""What `skill.toml` may hold, and as what; `sdgkit.plan` explains all but `weight`."""

DEFAULT_WEIGHT = 1.0


@dataclass(frozen=True)
class SkillFolder:
    """What a skill's folder says about the job.

    Attributes:
        path: The folder.
        options: The options of `plan` that it decides.
        weight: How much of a mixed training set the skill gets, compared with the others.
    """

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    weight: float = DEFAULT_WEIGHT

    @classmethod
    def open(cls, path: Path) -> "SkillFolder":
        """Read the folder of a skill.

        Raises:
            SettingsError: `skill.toml` cannot be used, or the folder leads out of itself by a link.
        """
        settings = _read_settings(path)
        weight = settings.pop("weight", DEFAULT_WEIGHT)
        if weight <= 0:
            raise SettingsError(
                f"{path / SETTINGS_FILE}: weight must be above 0, not {weight}.", setting="weight"
            )
        profile = _own(path, PROFILE_FILE)
        if profile is not None:
            settings.setdefault("profile", profile)
        prompts = _own(path, PROMPTS_FOLDER)
        if prompts is not None:
            settings["prompts"] = prompts
        contexts = _contexts_in(path)
        if contexts is not None:
            settings["contexts"] = contexts
        return cls(path, settings, float(weight))


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write `skill.toml`.

    Args:
        folder: The skill's folder.
        settings: The settings by name; nothing is written if there are none.

    Raises:
        RunError: The file cannot be written.
    """
    import tomlkit

    if not settings:
        return
    with write_atomically(folder / SETTINGS_FILE) as file:
        file.write(tomlkit.dumps(dict(settings)).encode())


def _read_settings(folder: Path) -> dict[str, Any]:
    """What `skill.toml` says; empty without one."""
    path = _own(folder, SETTINGS_FILE)
    if path is None:
        return {}
    try:
        if path.stat().st_size > LARGEST_SETTINGS_FILE:
            raise SettingsError(f"{path} is too large for a settings file.")
        refuse_endless(path)
        settings = parse_toml(path.read_text("utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    for name, value in settings.items():
        _check_setting(path, name, value)
    return settings


def _check_setting(path: Path, name: str, value: object) -> None:
    if name not in SKILL_SETTINGS:
        raise SettingsError(
            f"{path}: there is no setting {name!r}. {advice(name, list(SKILL_SETTINGS))}",
            setting=name,
            choices=list(SKILL_SETTINGS),
        )
    kinds, words = SKILL_SETTINGS[name]
    is_number_by_accident = isinstance(value, bool) and bool not in kinds
    if not isinstance(value, kinds) or is_number_by_accident:
        raise SettingsError(f"{path}: {name} must be {words}.", setting=name)
    if name == "checks":
        _check_checks(path, cast("list[object]", value))


def _check_checks(path: Path, checks: list[object]) -> None:
    for check in checks:
        if isinstance(check, dict):  # as `save_skill` writes it: a name and its settings
            continue
        if not isinstance(check, str):
            raise SettingsError(
                f"{path}: checks must be {SKILL_SETTINGS['checks'][1]}.", setting="checks"
            )
        if check.rpartition(":")[0].endswith(".py"):
            raise SettingsError(
                f"{path}: {check} is code, which a skill's folder never runs, since it may come "
                f"from anyone. Take it out of the file, and give it with --check {check}.",
                setting="checks",
            )


def _own(folder: Path, name: str) -> Path | None:
    """A file or folder of the skill; None if it has none.

    Raises:
        SettingsError: It is a link that leads out of the folder.
    """
    path = folder / name
    if not path.exists():
        return None
    if not path.resolve().is_relative_to(folder.resolve()):
        raise SettingsError(f"{path} is a link that leads out of the skill's folder. Remove it.")
    return path


def _contexts_in(folder: Path) -> Path | None:
    """The skill's own contexts: a folder, or one file."""
    names = [CONTEXTS, *(f"{CONTEXTS}{ending}" for ending in READERS)]
    paths = []
    for name in names:
        path = _own(folder, name)
        if path is not None:
            paths.append(path)
    if len(paths) > 1:
        listed = ", ".join(path.name for path in paths)
        raise SettingsError(
            f"{folder} has contexts in several places: {listed}. Leave one of them there.",
            setting="contexts",
        )
    if not paths:
        return None
    return paths[0]
