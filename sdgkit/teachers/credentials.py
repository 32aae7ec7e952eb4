"""Credentials: who you are to a teacher. Values are sent and never shown."""

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.teachers.secrets import Secrets
from sdgkit.teachers.settings import Settings
from sdgkit.teachers.settings_file import SETTINGS_FILE, TRUST_VARIABLE

_HEADER_NAME = re.compile(r"[\w-]+", re.ASCII)


class Credentials:
    """A key and further headers for one teacher.

    The key is the one given; otherwise what is in the key file; otherwise SDGKIT_API_KEY;
    otherwise, for the kind "openai" only, OPENAI_API_KEY. Errors never repeat a value, since a key
    may have been written where a variable's name belongs.

    Attributes:
        key_file: The file that holds the key, if any; read again whenever it changes.
        headers: Header names with their values.
        place: Where to put a key, for a sentence: "the key file key.txt", or variables.
        secrets: Every value ever sent.
        patterns: The same, as patterns to remove them from whatever is shown or stored.
        can_be_renewed: Whether a refused key is worth waiting for: there is a file to put a new
            one into, or a user who can be asked for it.

    Raises:
        SettingsError: The key, its file or a header cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        api_key: str | None = None,
        *,
        values_of_headers: Mapping[str, str] | None = None,
    ) -> None:
        key_variables = ["SDGKIT_API_KEY"]
        if settings.kind == "openai":
            key_variables.append("OPENAI_API_KEY")
        has_key = bool(api_key) or any(os.environ.get(name) for name in key_variables)
        _refuse_diversion(settings, has_key=has_key)
        self.key_file: Path | None = None
        if settings.key_file and not api_key:
            self.key_file = Path(settings.key_file)
        self.place = _place_for_key(self.key_file, key_variables, settings)
        self.can_be_renewed = self.key_file is not None
        # One spelling for names, so that an Authorization header replaces the key's.
        self.headers = {
            name.title(): _header_value(name, variable)
            for name, variable in settings.headers.items()
        }
        self.headers |= values_of_headers or {}
        self.secrets = list(self.headers.values())
        self.patterns = Secrets(self.secrets)
        self._key = ""
        self._key_file_mtime_ns = 0
        if self.key_file is not None:
            self._read(self.key_file)
            return
        candidates = [api_key, *map(os.environ.get, key_variables)]
        for candidate in candidates:
            if candidate and str(candidate).strip():
                self.renew(candidate)
                break

    @property
    def key(self) -> str:
        """The key to send now, or an empty string."""
        if self.key_file is not None:
            # While the file is being replaced, the last key is still used.
            with contextlib.suppress(SettingsError):
                self._read(self.key_file)
        return self._key

    def renew(self, key: str) -> None:
        """Send this key from now on.

        Raises:
            SettingsError: It is empty, or not printable ASCII.
        """
        key = key.strip() if isinstance(key, str) else ""
        if not key or not (key.isascii() and key.isprintable()):
            raise SettingsError(
                "The teacher's key is empty or contains characters that a key cannot have. "
                f"Check {self.place} or api_key=.",
                setting="api_key",
            )
        self._key = key
        if key not in self.secrets:
            self.secrets.append(key)
            self.patterns = Secrets(self.secrets)

    def _read(self, key_file: Path) -> None:
        """Read the key from the file, if the file has changed. Raises SettingsError."""
        try:
            mtime_ns = key_file.stat().st_mtime_ns
            if mtime_ns == self._key_file_mtime_ns:
                return
            text = key_file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise _unreadable_key_file(key_file, error.strerror or "read error") from None
        except ValueError:
            raise _unreadable_key_file(key_file, "it is not UTF-8 text") from None
        self.renew(text)
        # Only now: a file that was still being written is read again.
        self._key_file_mtime_ns = mtime_ns


def _refuse_diversion(settings: Settings, *, has_key: bool) -> None:
    """Refuse what `sdgkit.toml` decides about a secret in a folder that is not trusted.

    Raises:
        SettingsError: A key or a header would go to the file's address, or the file names a header
            (any environment variable) or a key file outside its folder.
    """
    decided = settings.from_folder
    is_foreign_address = "base_urls" in decided
    has_own_key_file = bool(settings.key_file) and "key_file" not in decided
    if "headers" in decided:
        problem = "names headers, whose values come from your environment"
    elif "key_file" in decided and not _is_in_working_folder(settings.key_file):
        problem = "names a key file outside this folder"
    elif is_foreign_address and (has_key or settings.headers or has_own_key_file):
        problem = (
            f"decides the address ({settings.base_urls[0]}), and your key is not from that file"
        )
    else:
        return
    raise SettingsError(
        f"{SETTINGS_FILE} in this folder {problem}: a key is sent only where you allow it. If you "
        f"trust this folder, set {TRUST_VARIABLE}={Path.cwd()}; otherwise give the address with "
        "--base-url or SDGKIT_BASE_URL, and headers or a key file with their options.",
        setting=SETTINGS_FILE,
    )


def _is_in_working_folder(key_file: str | None) -> bool:
    return key_file is not None and Path(key_file).resolve().is_relative_to(Path.cwd())


def _place_for_key(key_file: Path | None, key_variables: list[str], settings: Settings) -> str:
    if key_file is not None:
        # The name alone: a run's folder must not reveal where the file is.
        return f"the key file {key_file.name}"
    return " or ".join([*key_variables, *settings.headers.values()])


def _unreadable_key_file(key_file: Path, reason: str) -> SettingsError:
    return SettingsError(f"The key file {key_file} cannot be read ({reason}).", setting="key_file")


def _header_value(name: str, variable: str) -> str:
    """The value of a header, from its environment variable. Raises SettingsError."""
    value = os.environ.get(variable, "").strip()
    is_named = bool(_HEADER_NAME.fullmatch(name) and variable)
    if is_named and value and value.isascii() and value.isprintable():
        return value
    # Without a variable, what looks like the name may be the value: not to be shown.
    shown_name = f" {name}" if is_named else ""
    raise SettingsError(
        f"The header{shown_name} cannot be sent. Give a header as NAME=VARIABLE: its name, and the "
        "environment variable that holds its value (not the value itself), in ASCII.",
        setting="headers",
    )
