"""What tests tried to reach outside this machine."""

import os
from pathlib import Path

import loopback_only


class Connections:
    """What tests tried to reach outside this machine.

    A test that does so on purpose ends with `forget()`.
    """

    def attempts(self) -> list[str]:
        """The attempts of this process and its children since the last `forget()`, one a line."""
        return self._record().read_text(encoding="utf-8").splitlines()

    def forget(self) -> None:
        self._record().write_text("", encoding="utf-8")

    @staticmethod
    def _record() -> Path:
        return Path(os.environ[loopback_only.RECORD])
