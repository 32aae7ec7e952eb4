"""A draft that is kept on disk as you type, in a hidden file beside the file of what it edits."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdgkit.errors import RunError
from sdgkit.files import write_atomically
from sdgkit.recorded import read_file


@dataclass(frozen=True)
class KeptDraft:
    """What is kept of a draft.

    Attributes:
        rows: The seeds as they were being written; for a profile, one row with all of it.
        saved_rows: The same as it was in the file when it was loaded or saved last.
        digest: A hash of that file's content, "" if there was no file.
    """

    rows: list[dict[str, Any]]
    saved_rows: list[dict[str, Any]]
    digest: str = ""


class DraftFile:
    """The hidden file of a draft: `.my_seeds.jsonl.draft` for `my_seeds.jsonl`.

    Args:
        path: The file that the draft is of, which may not exist yet.

    Attributes:
        problem: Why the draft cannot be kept or read, as a sentence, or "".
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f".{path.name}.draft")
        self.problem = ""
        self._content = b""  # as it was written or read last

    def read(self) -> KeptDraft | None:
        """The draft that was kept; None if there is none."""
        if not self.path.is_file() or self._is_link():
            return None
        try:
            self._content = self.path.read_bytes()
            return read_file(KeptDraft, self.path)
        except (OSError, RunError):
            self.problem = f"The draft in {self.path} cannot be read. Remove that file."
            return None

    def write(self, draft: KeptDraft) -> None:
        """Keep a draft; where that is impossible, `problem` says why."""
        if self._is_link():
            return
        text = json.dumps(asdict(draft), ensure_ascii=False)
        content = text.encode("utf-8", "replace")
        try:
            with write_atomically(self.path) as file:
                file.write(content)
            self._content = content
            self.problem = ""
        except RunError as error:
            self.problem = f"What you type is not kept until you save it: {error}"

    def _is_link(self) -> bool:
        """Whether a link stands in its place: a stranger's folder may hold one to your own file."""
        if not self.path.is_symlink():
            return False
        self.problem = f"What you type is not kept until you save it: {self.path} is a link."
        return True

    def remove(self) -> None:
        """Remove the file, unless another panel has written it since; what it held is saved."""
        self.problem = ""
        try:
            if self.path.is_file() and self.path.read_bytes() == self._content:
                self.path.unlink()
        except OSError as error:
            self.problem = f"{self.path} cannot be removed: {error.strerror}."
