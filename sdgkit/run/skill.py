"""Saves the skill of a run as a folder, from which the same job runs again anywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdgkit.errors import FileConflict, RunError
from sdgkit.export import write_jsonl
from sdgkit.profile import PROFILE_FILE, Profile
from sdgkit.prompts import Prompt, load_prompts
from sdgkit.run.config import RunConfig
from sdgkit.samples import Row
from sdgkit.skill_folder import CONTEXTS, PROMPTS_FOLDER, write_settings

_SHIPPED_METHODS = ("grounded", "freeform")
_ELSEWHERE = ("contexts", "checks", "profile", "questions_together")
"""Settings that have a file of their own, are written in another form, or follow from others."""


def write_skill(
    folder: Path, seeds: Sequence[Row], config: RunConfig, profile: Profile | None
) -> None:
    """Write the folder of a skill.

    Args:
        folder: Where to write it: a new folder, or an empty one.
        seeds: The seeds.
        config: What the run was asked to do.
        profile: The profile that it went by, if it has one.

    Raises:
        FileConflict: There is something in the folder.
        RunError: It cannot be written, or the run has no seeds.
    """
    if not seeds or "seed_question" not in seeds[0]:
        raise RunError("This run began with rows of your own, not with seeds: it has no skill.")
    if folder.exists() and any(folder.iterdir()):
        raise FileConflict(
            f"{folder} is not empty. Choose a new folder for the skill.", file=folder, is_own=False
        )
    write_jsonl(folder / "seeds.jsonl", seeds)
    if profile is not None:
        profile.save(folder / PROFILE_FILE)
    if config.settings.contexts is not None:
        write_jsonl(folder / CONTEXTS / "contexts.jsonl", config.settings.contexts)
    for name, prompt in _own_prompts(config).items():
        prompt.save(folder / PROMPTS_FOLDER / f"{name}.yaml")
    write_settings(folder, _settings_of(config))


def _own_prompts(config: RunConfig) -> dict[str, Prompt]:
    """The prompts of the run that are not the shipped ones."""
    used = {name: Prompt.from_json(name, parts) for name, parts in config.prompts.items()}
    if config.pipeline not in _SHIPPED_METHODS:
        return used
    shipped = load_prompts(list(used), config.pipeline)
    own = {}
    for name, prompt in used.items():
        if shipped.get(name) != prompt:
            own[name] = prompt
    return own


def _settings_of(config: RunConfig) -> dict[str, Any]:
    settings = config.settings.chosen()
    for name in _ELSEWHERE:
        settings.pop(name, None)
    if config.settings.profile is False:
        settings["profile"] = False
    if config.target is not None:
        settings["target"] = config.target
    if config.system is not None:
        settings["system"] = config.system
    checks = []
    for check in config.settings.checks or ():
        if "check" in check:
            checks.append(dict(check))
    if checks:  # one that is your own code is not written: a folder holds data only
        settings["checks"] = checks
    return settings
