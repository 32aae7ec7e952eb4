"""Who we are to a teacher: its key, and headers of the user's. Their values are sent, and never shown."""

import contextlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from sdgkit.errors import SettingsError

# A field name of RFC 9110, section 5.6.2.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Credentials:
    """A key and further headers.

    key: as given. file: the file that holds it instead; read again whenever it changes. headers: each header's name
    and the environment variable that holds its value. place, wish: where a user puts a key, and a fresh one while the
    old one is refused, in words. secrets: every value
    that was ever sent, to be taken out of what is shown. can_be_renewed: a refused key is worth waiting for a fresh
    one, since there is a file to put it into, or somebody who can be asked for it.

    Raises SettingsError, which repeats no value: somebody may have written one in the place of a variable's name.
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        file: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        place: str = "SDGKIT_API_KEY",
    ) -> None:
        self.secrets: list[str] = []
        self._key: str | None = None
        self._changed_at = 0.0
        self._file = Path(file) if file is not None else None
        self._written_at = 0  # the file's own time, in nanoseconds, when it was last read
        self.can_be_renewed = self._file is not None
        # Only its name: where a file lies is nobody's business in a run's folder.
        self.place = f"the key file {self._file.name}" if self._file is not None else place
        self.wish = f"put a fresh one into {self.place}" if self._file is not None else "give a fresh one"
        self.headers = dict(_header(name, variable) for name, variable in (headers or {}).items())
        self.secrets += self.headers.values()
        self._take(key or "") if self._file is None else self._read(self._file)

    @property
    def key(self) -> str | None:
        """The key to send now."""
        if self._file is not None:
            # While it is being written or replaced, the key so far serves.
            with contextlib.suppress(OSError, SettingsError):
                if self._file.stat().st_mtime_ns != self._written_at:
                    self._read(self._file)
        return self._key

    def renew(self, key: str) -> None:
        """Send this key from now on. Raises SettingsError."""
        if not key.strip():
            raise SettingsError("The fresh key is empty.")
        self._take(key)

    def has_changed_since(self, moment: float) -> bool:
        """Whether the key is newer than this (time.monotonic)."""
        return self.key is not None and self._changed_at > moment

    def _read(self, file: Path) -> None:
        try:
            written_at = file.stat().st_mtime_ns
            text = file.read_text(encoding="utf-8-sig").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SettingsError(f"The key file {file} cannot be read ({reason}).") from None
        if not text:
            raise SettingsError(f"The key file {file} is empty. Put the key into it, and nothing else.")
        self._take(text)
        self._written_at = written_at  # not before: a file that is just being written is read again

    def _take(self, key: str) -> None:
        key = key.strip()
        if not (key.isascii() and key.isprintable()):
            raise SettingsError(f"The teacher's key has characters that no key has. Look at {self.place} or api_key=.")
        if key != self._key:
            self._changed_at = time.monotonic()
        self._key = key or None
        if key and key not in self.secrets:
            self.secrets.append(key)


def _header(name: str, variable: str) -> tuple[str, str]:
    if not _NAME.fullmatch(name) or not variable:
        raise SettingsError("A header is given as NAME=VARIABLE: its name and an environment variable with its value.")
    value = os.environ.get(variable, "").strip()
    if not value:
        raise SettingsError(
            f"For the header {name}, name the environment variable that holds its value (not the value itself): "
            "the one that is named is not set."
        )
    if not (value.isascii() and value.isprintable()):
        raise SettingsError(f"The value for the header {name} has characters that no header has.")
    # That of the key is replaced, not sent beside it.
    return ("Authorization" if name.lower() == "authorization" else name), value
