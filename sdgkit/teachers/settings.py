"""Where a teacher's settings come from: arguments, then the environment, then `sdgkit.toml`, then the
rehearsal.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdgkit.errors import SettingsError

KINDS = ("vllm", "openai", "llama-stack", "rehearsal")
FILE = "sdgkit.toml"

_NAMES = ("teacher", "base_url", "model")
_HOMES = {
    "vllm": "http://localhost:8000/v1",
    "openai": "https://api.openai.com/v1",
    "llama-stack": "http://localhost:8321",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What to connect to; None where nobody said. A rehearsal without a base URL is one to be started."""

    kind: str | None = None
    base_url: str | None = None
    model: str | None = None


def settle(said: Settings) -> Settings:
    """Fill in what the arguments leave open. Raises SettingsError.

    An address or model from further below does not go with a `rehearsal` or `openai` asked for above it: the
    one would turn into a real server, to the other's we would send the key that is meant for OpenAI.
    """
    layers = [
        said,
        _layer({name: os.environ.get(f"SDGKIT_{name.upper()}", "") for name in _NAMES}),
        _from_file(),
    ]
    kind_at = next((i for i, layer in enumerate(layers) if layer.kind), len(layers))
    url_at = next((i for i, layer in enumerate(layers) if layer.base_url), len(layers))
    kind = layers[kind_at].kind if kind_at < len(layers) else None
    if kind is None or (kind == "rehearsal" and url_at < kind_at):
        kind = "rehearsal" if url_at == len(layers) else "vllm"
    if kind not in KINDS:
        raise SettingsError(f"There is no teacher of the kind {kind!r}. The kinds are: {', '.join(KINDS)}.")
    if kind in ("rehearsal", "openai"):
        layers = [layer for i, layer in enumerate(layers) if i <= kind_at or layer.kind == kind]
    return Settings(
        kind,
        next((layer.base_url for layer in layers if layer.base_url), _HOMES.get(kind)),
        next((layer.model for layer in layers if layer.model), None),
    )


def key_for(kind: str, api_key: str | None) -> str | None:
    """The key to send: as given, or SDGKIT_API_KEY, or for the kind openai OPENAI_API_KEY. Raises
    SettingsError.
    """
    key = (api_key or os.environ.get("SDGKIT_API_KEY") or "").strip()
    if not key and kind == "openai":
        key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError("The teacher's key has characters that no key has. Look at SDGKIT_API_KEY or api_key=.")
    return key or None


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
        if not isinstance(value, str):
            raise SettingsError(f"{FILE}: {name} must be a text in quotes, not {value!r}.")
    return _layer(values)


def _layer(values: Mapping[str, str]) -> Settings:
    return Settings(*((values.get(name) or "").strip() or None for name in _NAMES))
