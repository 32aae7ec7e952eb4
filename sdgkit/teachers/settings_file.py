"""`sdgkit.toml` in the working folder: whom to ask, and what a nightly job generates.

The working folder may be a stranger's. Until you have said that you trust it, its file names no
code, no file outside the folder and no address to which one of your keys would go.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.files import refuse_endless, write_atomically
from sdgkit.toml_text import parse_toml

SETTINGS_FILE = "sdgkit.toml"
SETTING_NAMES = ("teacher", "base_url", "model", "key_file", "headers")
"""Settings of the teacher; in the environment, SDGKIT_ and the name in capitals."""

TRUST_VARIABLE = "SDGKIT_TRUST_FOLDER"
"""The folders whose `sdgkit.toml` may say where a key is sent; in the environment only."""

KEY_VARIABLES = ("SDGKIT_API_KEY", "SDGKIT_JUDGE_API_KEY", "OPENAI_API_KEY")

OTHER_VARIABLES = (
    *KEY_VARIABLES,
    TRUST_VARIABLE,
    "SDGKIT_PANELS",  # how panels are shown: static or live
    "SDGKIT_VENV",  # where scripts around sdgkit look for its environment
)
PREFIX = "SDGKIT_"
TEST_PREFIX = "SDGKIT_TEST_"


@dataclass(frozen=True)
class JobSetting:
    """A setting of a job: an option of `sdgkit generate` under its Python name.

    Attributes:
        what: What its value has to be, in words.
        kinds: The types of the value.
        is_path: Whether it is a path, which a stranger's file may not lead out of its folder.
        is_list: Whether it may be a list of such values.
    """

    what: str
    kinds: tuple[type, ...]
    is_path: bool = False
    is_list: bool = False

    def fits(self, value: object) -> bool:
        """Whether a value is of the right type. True and False are not numbers."""
        if self.is_list and isinstance(value, list):
            return all(self.fits(entry) for entry in value)
        if isinstance(value, bool):
            return bool in self.kinds
        return isinstance(value, self.kinds)


_WHOLE = JobSetting("a whole number", (int,))
_NUMBER = JobSetting("a number", (int, float))
_TEXT = JobSetting("text in quotes", (str,))
_TEXTS = JobSetting("text in quotes, or a list of texts", (str,), is_list=True)
_PATH = JobSetting("a path in quotes", (str,), is_path=True)
_SWITCH = JobSetting("true or false", (bool,))

JOB_SETTINGS: Mapping[str, JobSetting] = {
    **dict.fromkeys(("seeds", "out", "prompts", "contexts"), _PATH),
    "vary": JobSetting("a path in quotes, or a table of lists", (str, dict), is_path=True),
    "profile": JobSetting("a path in quotes, or false", (str, bool), is_path=True),
    **dict.fromkeys(("num_contexts", "num_questions", "target", "max_requests"), _WHOLE),
    **dict.fromkeys(("min_samples", "responses", "max_tokens"), _WHOLE),
    **dict.fromkeys(("near_duplicates", "min_score", "timeout", "patience"), _NUMBER),
    **dict.fromkeys(("price_prompt", "price_completion"), _NUMBER),
    **dict.fromkeys(("repair", "keep_reasoning"), _SWITCH),
    **dict.fromkeys(("twins", "questions", "structure", "system", "judge_model"), _TEXT),
    **dict.fromkeys(("task", "encoding"), _TEXT),
    "concurrency": JobSetting('a whole number, "auto" or "auto:N"', (int, str)),
    "split_contexts": JobSetting('"whole", "heading" or a number of words', (str, int)),
    **dict.fromkeys(("checks", "columns", "judge_base_url", "only"), _TEXTS),
}


def read_settings_file() -> dict[str, Any]:
    """What `sdgkit.toml` in the working folder holds; nothing if there is none.

    Raises:
        SettingsError: It cannot be read, or a setting in it is unknown or of the wrong type.
    """
    try:
        refuse_endless(Path(SETTINGS_FILE))
        values = parse_toml(Path(SETTINGS_FILE).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"{SETTINGS_FILE} in the working folder cannot be read: {error}.",
            setting=SETTINGS_FILE,
        ) from error
    names = (*SETTING_NAMES, *JOB_SETTINGS)
    for name, value in values.items():
        # A value is not shown: it may be a key in the wrong place.
        if name not in names:
            raise SettingsError(
                f"{SETTINGS_FILE}: {name} cannot be used. The settings are "
                f"{', '.join(SETTING_NAMES)} and, for a job, {', '.join(JOB_SETTINGS)}."
                f"{_nearest(name, names)}",
                setting=name,
                choices=names,
            )
        if name in SETTING_NAMES and not _is_usable(name, value):
            raise SettingsError(
                f"{SETTINGS_FILE}: {name} cannot be used. It must be text in quotes.",
                setting=name,
                choices=names,
            )
        if name in JOB_SETTINGS and not JOB_SETTINGS[name].fits(value):
            raise SettingsError(
                f"{SETTINGS_FILE}: {name} cannot be used. It must be {JOB_SETTINGS[name].what}.",
                setting=name,
            )
    return values


def _nearest(name: str, names: Sequence[str]) -> str:
    """A further sentence with the setting that was probably meant; empty if there is none."""
    nearest = get_close_matches(name, names, n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def _is_usable(name: str, value: object) -> bool:
    """Whether a setting of the teacher has a value of its type."""
    entries: list[object] = [value]
    if name in ("base_url", "headers") and isinstance(value, list):
        entries = value
    elif name == "headers" and isinstance(value, dict):
        entries = list(value.values())
    return all(isinstance(entry, str) for entry in entries)


def job_settings() -> dict[str, Any]:
    """The settings of the job in `sdgkit.toml`, by name.

    Raises:
        SettingsError: The file cannot be used, or wants more than a folder may that you have not
            said you trust.
    """
    values = read_settings_file()
    settings = {name: value for name, value in values.items() if name in JOB_SETTINGS}
    if not is_trusted_folder():
        for name, value in settings.items():
            problem = _what_is_too_much(name, value)
            if problem:
                raise SettingsError(
                    f"{SETTINGS_FILE} in this folder {problem}. If you trust this folder, set "
                    f"{TRUST_VARIABLE}={Path.cwd()}; otherwise remove {name} from the file, and "
                    "give it as an option.",
                    setting=name,
                )
    return settings


def _what_is_too_much(name: str, value: object) -> str:
    """What a setting wants that only a trusted folder may decide; empty if it is harmless."""
    entries = value if isinstance(value, list) else [value]
    texts = [entry for entry in entries if isinstance(entry, str)]
    if name == "checks" and any(".py" in entry for entry in texts):
        return "names code to run as a check"
    if JOB_SETTINGS[name].is_path and not all(_is_inside(entry) for entry in texts):
        return f"names a path outside the folder as {name}"
    if name == "judge_base_url" and any(os.environ.get(variable) for variable in KEY_VARIABLES):
        return "decides the judge's address, to which your key would be sent"
    return ""


def _is_inside(path: str) -> bool:
    return Path(path).resolve().is_relative_to(Path.cwd())


def is_trusted_folder() -> bool:
    """Whether SDGKIT_TRUST_FOLDER names the working folder, or one that it is in."""
    here = Path.cwd()
    trusted = os.environ.get(TRUST_VARIABLE, "").split(os.pathsep)
    return any(here.is_relative_to(Path(folder).resolve()) for folder in filter(None, trusted))


def refuse_unknown_variables() -> None:
    """Refuse a variable of the environment that looks like a setting and is none.

    A slip such as SDGKIT_BASEURL would otherwise turn a run with a model into a rehearsal.

    Raises:
        SettingsError: There is one.
    """
    names = [f"{PREFIX}{name.upper()}" for name in SETTING_NAMES]
    names += OTHER_VARIABLES
    for name in sorted(os.environ):
        is_ours = name.upper().startswith(PREFIX) and not name.startswith(TEST_PREFIX)
        if is_ours and name not in names:
            raise SettingsError(
                f"The environment has {name}, which is not a setting of sdgkit."
                f"{_meant_variable(name, names)} Rename it, or unset it.",
                setting=name,
                choices=names,
            )


def _meant_variable(name: str, names: Sequence[str]) -> str:
    """A further sentence with the variable that was probably meant, by what follows the prefix."""
    endings = {variable.removeprefix(PREFIX): variable for variable in names}
    nearest = get_close_matches(name.upper().removeprefix(PREFIX), list(endings), n=1)
    if not nearest:
        return ""
    return f" Did you mean {endings[nearest[0]]!r}?"


def save_teacher(kind: str, base_url: str = "", model: str = "") -> Path:
    """Make a teacher the default of the working folder: write it into its `sdgkit.toml`.

    Everything else in the file stays as it is. A key is never written.

    Args:
        kind: The kind of teacher.
        base_url: Its address; "" for none.
        model: Its model; "" for the only one.

    Returns:
        The file.

    Raises:
        SettingsError: The file that is there cannot be read.
        RunError: It cannot be written.
    """
    import tomlkit

    read_settings_file()  # what cannot be read is not overwritten
    path = Path(SETTINGS_FILE)
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    document = tomlkit.parse(text)
    for name, value in (("teacher", kind), ("base_url", base_url), ("model", model)):
        if value:
            document[name] = value
        else:
            document.pop(name, None)
    with write_atomically(path) as file:
        file.write(tomlkit.dumps(document).encode())
    return path
