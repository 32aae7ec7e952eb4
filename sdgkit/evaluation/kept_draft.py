"""A draft that is kept on disk as you type, in a hidden file next to the file that it is for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sdgkit.errors import RunError
from sdgkit.files import write_atomically
from sdgkit.recorded import read_file

MOST_DRAFTS = 9
"""How many panels can keep drafts of one file beside each other."""


@dataclass(frozen=True)
class KeptDraft:
    """What is kept of a draft.

    Attributes:
        rows: The seeds as they were being written; for a profile or a prompt, one row with all of
            it.
        saved_rows: The same as it was in the file when it was loaded or saved last.
        digest: A hash of that file's content, "" if there was no file.
        proposed_rows: Those of the rows that the teacher wrote.
    """

    rows: list[dict[str, Any]]
    saved_rows: list[dict[str, Any]]
    digest: str = ""
    proposed_rows: list[dict[str, Any]] = field(default_factory=list)


class DraftFile:
    """The hidden file of a draft: `.my_seeds.jsonl.draft` for `my_seeds.jsonl`.

    Where another panel keeps a draft of the same file there, this one gets a file of its own beside
    it, `.my_seeds.jsonl.2.draft`. The next draft begins with both.

    Args:
        path: The file that the draft is for; it may not exist yet.

    Attributes:
        problem: Why the draft cannot be kept or read, as a sentence, or "".
    """

    def __init__(self, path: Path) -> None:
        names = [f".{path.name}.draft"]
        for number in range(2, MOST_DRAFTS + 1):
            names.append(f".{path.name}.{number}.draft")
        self._paths = [path.with_name(name) for name in names]
        self.problem = ""
        self._contents: dict[Path, bytes] = {}  # as they were written or read last

    def read(self) -> list[KeptDraft]:
        """The drafts that were kept, the first panel's first."""
        drafts = []
        for path in self._paths:
            if not path.is_file() or self._is_link(path):
                continue
            try:
                self._contents[path] = path.read_bytes()
                drafts.append(read_file(KeptDraft, path))
            except (OSError, RunError):
                self.problem = f"The draft in {path} cannot be read. Remove that file."
        return drafts

    def refuse(self) -> None:
        """Note that what was kept cannot be used."""
        self.problem = f"The draft in {self._paths[0]} cannot be read. Remove that file."

    def write(self, draft: KeptDraft) -> None:
        """Keep a draft; where that is impossible, `problem` says why."""
        path = self._place()
        if self._is_link(path):
            return
        text = json.dumps(asdict(draft), ensure_ascii=False)
        content = text.encode("utf-8", "replace")
        try:
            with write_atomically(path) as file:
                file.write(content)
            self.problem = ""
        except RunError as error:
            self.problem = f"What you type is not kept until you save it: {error}"
            return
        self._contents[path] = content
        for other in list(self._contents):  # what it held is part of this draft
            if other != path:
                self._remove(other)

    def remove(self) -> None:
        """Remove what this draft has kept, once it is saved; other panels' drafts stay."""
        self.problem = ""
        for path in list(self._contents):
            self._remove(path)

    def _place(self) -> Path:
        """The first path at which no other panel keeps a draft."""
        for path in self._paths:
            if not path.is_file() or path.is_symlink() or self._is_own(path):
                return path
        return self._paths[-1]

    def _is_own(self, path: Path) -> bool:
        try:
            return path.read_bytes() == self._contents.get(path)
        except OSError:
            return False

    def _is_link(self, path: Path) -> bool:
        """Whether it is a link: a stranger's folder may hold one to a file of yours."""
        if not path.is_symlink():
            return False
        self.problem = f"What you type is not kept until you save it: {path} is a link."
        return True

    def _remove(self, path: Path) -> None:
        try:
            if path.is_file() and self._is_own(path):
                path.unlink()
        except OSError as error:
            self.problem = f"{path} cannot be removed: {error.strerror}."
        del self._contents[path]
