"""Where a teacher's settings come from: arguments, then the environment, then `sdgkit.toml`, then the rehearsal."""

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sdgkit.errors import SettingsError
from sdgkit.teachers.credentials import Credentials

T = TypeVar("T")

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
        kind: str | None = None,
        base_url: str | Sequence[str] | None = None,
        model: str | None = None,
        key_file: str | Path | None = None,
        headers: str | Sequence[str] | Mapping[str, str] | None = None,
    ) -> "Settings":
        """As users write them: addresses, and headers (NAME=VARIABLE), in a list or in one text with commas."""
        if not isinstance(headers, Mapping):
            pairs = (text.partition("=") for text in _listed(headers))
            headers = {name.strip(): variable.strip() for name, _, variable in pairs}
        kind, model = ((text or "").strip() or None for text in (kind, model))
        return cls(kind, _listed(base_url), model, str(key_file) if key_file else None, headers)


def settle(said: Settings) -> Settings:
    """Fill in what the arguments leave open. Raises SettingsError.

    What comes from further below does not go with a `rehearsal` or `openai` asked for above it: the one would
    turn into a real server, to the other's we would send the key that is meant for OpenAI.
    """
    from_environment = Settings.of(*(os.environ.get(f"SDGKIT_{name.upper()}") for name in _NAMES))
    layers = [said, from_environment, _from_file()]
    kind_at = next((at for at, layer in enumerate(layers) if layer.kind), len(layers))
    url_at = next((at for at, layer in enumerate(layers) if layer.base_urls), len(layers))
    kind = _first(layer.kind for layer in layers)
    if kind is None or (kind == REHEARSAL and url_at < kind_at):
        kind = REHEARSAL if url_at == len(layers) else "vllm"
    if kind not in KINDS:
        raise SettingsError(f"There is no teacher of the kind {kind!r}. The kinds are: {', '.join(KINDS)}.")
    if kind in (REHEARSAL, "openai"):
        layers = [layer for at, layer in enumerate(layers) if at <= kind_at or layer.kind == kind]
    return Settings(
        kind,
        _first(layer.base_urls for layer in layers) or _listed(_HOMES.get(kind)),
        _first(layer.model for layer in layers),
        _first(layer.key_file for layer in layers),
        _first(layer.headers for layer in layers) or {},
    )


def credentials_for(wanted: Settings, api_key: str | None) -> Credentials:
    """The key as given, or in the key file, or SDGKIT_API_KEY, or for the kind openai OPENAI_API_KEY; the headers.

    Raises SettingsError.
    """
    variables = ["SDGKIT_API_KEY", *(["OPENAI_API_KEY"] if wanted.kind == "openai" else [])]
    keys = [api_key, *(os.environ.get(name) for name in variables)]
    return Credentials(
        _first(key.strip() for key in keys if key),
        file=None if api_key else wanted.key_file,
        headers=wanted.headers,
        place=" or ".join([*variables, *wanted.headers.values()]),
    )


def _from_file() -> Settings:
    try:
        values = tomllib.loads(Path(FILE).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{FILE} in this folder cannot be read: {error}.") from error
    for name, value in values.items():
        if name not in _NAMES:
            raise SettingsError(f"{FILE} does not know {name!r}. It may have {', '.join(_NAMES)}.")
        several = list(value.values()) if isinstance(value, dict) and name == "headers" else value
        texts = several if isinstance(several, list) and name in ("base_url", "headers") else [value]
        if not all(isinstance(text, str) for text in texts):
            raise SettingsError(f"{FILE}: {name} must be a text in quotes, not {value!r}.")
    return Settings.of(*(values.get(name) for name in _NAMES))


def _first(said: Iterable[T | None]) -> T | None:
    """What the first who says anything says."""
    return next((value for value in said if value), None)


def _listed(said: str | Sequence[str] | None) -> tuple[str, ...]:
    """The entries of a list, or of a text with commas; none twice."""
    entries = said.split(",") if isinstance(said, str) else said or ()
    return tuple(dict.fromkeys(entry.strip() for entry in entries if entry.strip()))
