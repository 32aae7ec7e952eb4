"""Where a teacher's settings come from: arguments, then the environment, then `sdgkit.toml`, then the rehearsal; and
who we are to it: a key, and headers of the user's, whose values are sent and never shown.
"""

import contextlib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError

Text = str | None
Several = str | Sequence[str] | None

# The rehearsal teacher's kind, and its only model, whatever the address it is found at.
REHEARSAL = "rehearsal"
FILE = "sdgkit.toml"

_NAMES = ("teacher", "base_url", "model", "key_file", "headers")
_HOMES = {
    "vllm": "http://localhost:8000/v1",
    "openai": "https://api.openai.com/v1",
    "llama-stack": "http://localhost:8321",
}
KINDS = (*_HOMES, REHEARSAL)


@dataclass(frozen=True, slots=True)
class Settings:
    """What to connect to; None or empty where nobody said. A rehearsal without a base URL is one to be started.

    base_urls: several are replicas of one model. headers: names, with the environment variables of their values.
    """

    kind: str | None = None
    base_urls: tuple[str, ...] = ()
    model: str | None = None
    key_file: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        kind: Text = None,
        base_url: Several = None,
        model: Text = None,
        key_file: Any = None,
        headers: Any = None,
    ) -> "Settings":
        """As users write them: addresses, and headers (NAME=VARIABLE), in a list or in one text with commas."""
        if not isinstance(headers, Mapping):
            pairs = (text.partition("=") for text in _listed(headers))
            headers = {name.strip(): variable.strip() for name, _, variable in pairs}
        key_file = str(key_file) if key_file else None
        return cls(
            (kind or "").strip() or None,
            _listed(base_url),
            (model or "").strip() or None,
            key_file,
            headers,
        )


def settle(said: Settings) -> Settings:
    """Fill in what the arguments leave open. Raises SettingsError.

    What comes from further below does not go with a `rehearsal` or `openai` asked for above it: the one would
    turn into a real server, to the other's we would send the key that is meant for OpenAI.
    """
    environment = Settings.of(*(os.environ.get(f"SDGKIT_{name.upper()}") for name in _NAMES))
    found: dict[str, Any] = {}
    for layer in (said, environment, _from_file()):
        told = {name: value for name, value in asdict(layer).items() if value}
        if layer.kind == REHEARSAL and "base_urls" in found:
            told["kind"] = "vllm"  # an address without a kind means a real server
        if found.get("kind") not in (REHEARSAL, "openai") or layer.kind == found["kind"]:
            found = told | found
    kind = found.setdefault("kind", "vllm" if "base_urls" in found else REHEARSAL)
    if kind not in KINDS:
        raise SettingsError(
            f"There is no teacher of the kind {kind!r}. The kinds are: {', '.join(KINDS)}."
        )
    return Settings(**{"base_urls": _listed(_HOMES.get(kind)), **found})


def _from_file() -> Settings:
    try:
        values = tomllib.loads(Path(FILE).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{FILE} in this folder cannot be read: {error}.") from error
    for name, value in values.items():
        several = list(value.values()) if isinstance(value, dict) else value
        entries = (
            several if isinstance(several, list) and name in ("base_url", "headers") else [value]
        )
        if name not in _NAMES or not all(isinstance(text, str) for text in entries):
            # Its value may be a key, in the wrong place.
            raise SettingsError(
                f"{FILE}: {name} cannot be used. Take {', '.join(_NAMES)}, with texts in quotes."
            )
    return Settings.of(*(values.get(name) for name in _NAMES))


def _listed(said: Several) -> tuple[str, ...]:
    """The entries of a list, or of a text with commas; none twice."""
    entries = said.split(",") if isinstance(said, str) else said or ()
    return tuple(dict.fromkeys(entry.strip() for entry in entries if entry.strip()))


class Credentials:
    """A key and further headers.

    file: the file that holds the key, if any; read again whenever it changes. headers: with their values. place: where
    a user puts a key, in words. secrets: every value that was ever sent, to be taken out of what is shown.
    can_be_renewed: a refused key is worth waiting for a fresh one, since there is a file to put it into, or somebody
    who can be asked for it.

    Raises SettingsError, which repeats no value: somebody may have written one in the place of a variable's name.
    """

    def __init__(self, wanted: Settings, api_key: str | None = None) -> None:
        """The key as given, or in the key file, or SDGKIT_API_KEY, or for the kind openai OPENAI_API_KEY."""
        variables = (
            ["SDGKIT_API_KEY", "OPENAI_API_KEY"] if wanted.kind == "openai" else ["SDGKIT_API_KEY"]
        )
        self.file = Path(wanted.key_file) if wanted.key_file and not api_key else None
        # Only the file's name: where it lies is nobody's business in a run's folder.
        places = (
            [f"the key file {self.file.name}"]
            if self.file
            else [*variables, *wanted.headers.values()]
        )
        self.place = " or ".join(places)
        self.can_be_renewed = self.file is not None
        self._key = ""
        self._written_at = 0  # the file's own time, in nanoseconds, when it was last read
        # Names in one spelling, so that an Authorization takes the place of the key's.
        self.headers = {
            name.title(): _value_of(name, variable) for name, variable in wanted.headers.items()
        }
        self.secrets = list(self.headers.values())
        keys = [key for key in (api_key, *map(os.environ.get, variables)) if key and key.strip()]
        if self.file is not None:
            self._read(self.file)
        elif keys:
            self.renew(keys[0])

    @property
    def key(self) -> str:
        """The key to send now, "" if there is none."""
        if self.file is not None:
            with contextlib.suppress(
                SettingsError
            ):  # while it is being written or replaced, the key so far serves
                self._read(self.file)
        return self._key

    def renew(self, key: str) -> None:
        """Send this key from now on. Raises SettingsError."""
        key = key.strip()
        if not key or not (key.isascii() and key.isprintable()):
            where = f"{self.place} or api_key="
            raise SettingsError(
                f"The teacher's key is empty, or has characters that no key has. Look at {where}."
            )
        self._key = key
        self.secrets.append(key)

    def _read(self, file: Path) -> None:
        try:
            written_at = file.stat().st_mtime_ns
            if written_at != self._written_at:
                self.renew(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SettingsError(f"The key file {file} cannot be read ({reason}).") from None
        self._written_at = written_at  # not before: a file that is just being written is read again


def _value_of(name: str, variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    known = (
        re.fullmatch(r"[\w-]+", name, re.ASCII) and variable
    )  # without a variable, the name may be a value
    if known and value and value.isascii() and value.isprintable():
        return value
    shown = f" {name}" if known else ""
    raise SettingsError(
        f"The header{shown} cannot be sent. A header is given as NAME=VARIABLE: its name, and an environment variable "
        "that holds its value (not the value itself), in ASCII."
    )
