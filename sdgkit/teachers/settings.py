"""Where the settings of a teacher come from.

In this order: the arguments, the environment (SDGKIT_TEACHER, SDGKIT_BASE_URL, SDGKIT_MODEL,
SDGKIT_KEY_FILE, SDGKIT_HEADERS), `sdgkit.toml` in the working folder. Without any, the rehearsal
teacher.

The working folder may be a stranger's, so its file decides nothing about keys until you have said
that you trust the folder (`Settings.from_folder`, `sdgkit.teachers.credentials`).

The layers are combined here rather than by pydantic-settings, since a layer may have to be left out
as a whole (see `resolve_settings`), and since an error must not repeat a value, which may be a key.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.keywords import advice, as_path, as_text, as_texts
from sdgkit.teachers.settings_file import (
    SETTING_NAMES,
    is_trusted_folder,
    read_settings_file,
    refuse_unknown_variables,
)

# The kind of the rehearsal teacher, and the name of its only model at whatever address.
REHEARSAL = "rehearsal"

DEFAULT_URLS = {
    "vllm": "http://localhost:8000/v1",
    "openai": "https://api.openai.com/v1",
    "llama-stack": "http://localhost:8321",
}
KINDS = (*DEFAULT_URLS, REHEARSAL)


@dataclass(frozen=True, slots=True)
class Settings:
    """What to connect to; None or empty for what is not set.

    Attributes:
        kind: One of `KINDS`.
        base_urls: Several are replicas of one model. Empty for a rehearsal teacher that has yet to
            be started.
        model: The model's name.
        key_file: The file that holds the key.
        headers: Header names, with the environment variables that hold their values.
        from_folder: Names of the fields that `sdgkit.toml` decided in a folder that you have not
            said you trust: it may be a stranger's.
    """

    kind: str | None = None
    base_urls: tuple[str, ...] = ()
    model: str | None = None
    key_file: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    from_folder: frozenset[str] = frozenset()

    @classmethod
    def parse(
        cls,
        kind: str | None = None,
        base_url: str | Sequence[str] | None = None,
        model: str | None = None,
        key_file: str | Path | None = None,
        headers: str | Sequence[str] | Mapping[str, str] | None = None,
    ) -> "Settings":
        """Settings as users write them; a whole number, as papermill makes of `4`, is text.

        Args:
            kind: One of `KINDS`.
            base_url: One address, several separated by commas, or a list.
            model: The model's name.
            key_file: The file that holds the key.
            headers: A mapping; or NAME=VARIABLE, several separated by commas or in a list.

        Raises:
            SettingsError: One of them is neither text nor a whole number.

        Example:
            >>> Settings.parse(base_url="http://a/v1, http://b/v1").base_urls
            ('http://a/v1', 'http://b/v1')
        """
        return cls(
            kind=(as_text("kind", kind) or "").strip() or None,
            base_urls=_distinct_entries(as_texts("base_url", base_url)),
            model=(as_text("model", model) or "").strip() or None,
            key_file=str(as_path("key_file", key_file)) if key_file else None,
            headers=_parse_headers(headers),
        )


def resolve_settings(arguments: Settings) -> Settings:
    """Fill in what the arguments leave open.

    A lower layer is left out as a whole when a higher one asks for a `rehearsal` or for `openai`
    and the lower one for something else: its address would turn the rehearsal into a real server,
    or be sent the key that is meant for OpenAI.

    Returns:
        Settings with a kind, and with a base URL unless a rehearsal teacher is to be started.

    Raises:
        SettingsError: There is no such kind, `sdgkit.toml` cannot be used, or the environment has a
            setting that does not exist.
    """
    refuse_unknown_variables()
    settings = Settings()
    for layer in (arguments, _settings_from_environment(), _settings_from_file()):
        settings = _fill_in(settings, layer)
    if settings.kind is None:
        kind = "vllm" if settings.base_urls else REHEARSAL
        settings = replace(settings, kind=kind)
    if settings.kind not in KINDS:
        raise SettingsError(
            f"{settings.kind!r} is not a kind of teacher. {advice(str(settings.kind), KINDS)}",
            setting="kind",
            choices=KINDS,
        )
    if not settings.base_urls:
        usual = _distinct_entries(DEFAULT_URLS.get(settings.kind))
        decided = settings.from_folder
        if usual and "kind" in decided:
            decided |= {"base_urls"}
        settings = replace(settings, base_urls=usual, from_folder=decided)
    return settings


def _fill_in(settings: Settings, layer: Settings) -> Settings:
    """The settings, completed from the next lower layer where the two go together."""
    stands_alone = settings.kind in (REHEARSAL, "openai")
    if stands_alone and layer.kind != settings.kind:
        return settings
    if layer.kind == REHEARSAL and settings.base_urls:
        layer = replace(layer, kind="vllm")  # an address without a kind means a real server
    missing = {}
    for setting in fields(Settings):
        if not getattr(settings, setting.name):
            missing[setting.name] = getattr(layer, setting.name)
    # A field that a higher layer has filled does not come from the folder.
    missing["from_folder"] = layer.from_folder.intersection(missing)
    return replace(settings, **missing)


def _settings_from_environment() -> Settings:
    values = [os.environ.get(f"SDGKIT_{name.upper()}") for name in SETTING_NAMES]
    return Settings.parse(*values)


def _settings_from_file() -> Settings:
    values = read_settings_file()
    settings = Settings.parse(*map(values.get, SETTING_NAMES))
    if is_trusted_folder():
        return settings
    decided = []
    for setting in fields(Settings):
        if getattr(settings, setting.name):
            decided.append(setting.name)
    return replace(settings, from_folder=frozenset(decided))


def is_teacher_set() -> bool:
    """Whether the environment or `sdgkit.toml` says whom to ask."""
    layers = (_settings_from_environment(), _settings_from_file())
    return any(layer.kind or layer.base_urls or layer.model for layer in layers)


def _parse_headers(headers: str | Sequence[str] | Mapping[str, str] | None) -> Mapping[str, str]:
    if isinstance(headers, Mapping):
        return headers
    variables = {}
    for entry in _distinct_entries(as_texts("headers", headers)):
        name, _, variable = entry.partition("=")
        variables[name.strip()] = variable.strip()
    return variables


def _distinct_entries(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """The entries of a list, or of a text with commas; none twice."""
    entries = text.split(",") if isinstance(text, str) else text or ()
    stripped = [entry.strip() for entry in entries]
    return tuple(dict.fromkeys(filter(None, stripped)))
