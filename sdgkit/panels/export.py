"""The panel of the export: what the review lets through, in the format of a trainer."""

import json
from dataclasses import dataclass
from pathlib import Path

from sdgkit.export import train_file
from sdgkit.export.training_set import EXPORT_FORMATS
from sdgkit.formatting import clip, format_number, pluralize
from sdgkit.keywords import known_keywords_throughout
from sdgkit.panels.frame import Action, Panel
from sdgkit.panels.state import Choice, PanelState
from sdgkit.review import Review
from sdgkit.run import Run

PREVIEW_ROWS = 2
PREVIEW_LENGTH = 600  # characters of each
FORMATS = {
    "messages": "messages: chat messages, for TRL, Axolotl and most trainers",
    "instructlab": "instructlab: messages with metadata",
    "alpaca": "alpaca: instruction, input, output",
    "sharegpt": "sharegpt: conversations",
    "preference": "preference: pairs of a better and a worse response",
    "parquet": "parquet: all columns, one file",
    "datasets": "datasets: a folder with a card, for the Hub",
}


@dataclass(frozen=True, kw_only=True)
class ExportState(PanelState):
    """What the panel of an export shows.

    Attributes:
        formats: The formats to choose from.
        format: The one that is chosen.
        path: The file or folder to write.
        rows: How many rows were written last; None before that.
        preview: The first of them, as the file has them.
    """

    formats: tuple[Choice, ...]
    format: str
    path: str
    rows: int | None
    preview: tuple[str, ...]


@known_keywords_throughout
class ExportPanel(Panel):
    """Write the samples that the review lets through, in the format of a trainer.

    Args:
        run: A `Run`, or its folder.
        folder: The folder of the file that is offered (default: the run's own).

    Attributes:
        review: The review that decides what is left out.
        run: The run.

    Raises:
        RunError: If the folder holds no run.
    """

    kind = "export"

    def __init__(self, run: Run | str | Path, *, folder: str | Path | None = None) -> None:
        super().__init__()
        self.review = Review(run)
        self.run = self.review.run
        self._folder = Path(folder or self.run.out or ".")
        self._teacher = self.run.part().summary.teacher
        self._format = "messages"
        self._path = ""
        self._rows: int | None = None
        self._preview: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file or folder to write."""
        if self._path:
            return Path(self._path)
        return self._folder / train_file(self._teacher, self._format)

    @property
    def format(self) -> str:
        """The format that is chosen."""
        return self._format

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {"choose": self.choose, "export": self.export}

    def choose(self, *, format: str | None = None, path: str | None = None) -> None:
        """Choose a format, or another file to write."""
        if format is not None:
            self._format = format
        if path is not None:
            self._path = path.strip()
        self._rows = None
        self._preview = ()

    def export(self) -> None:
        """Write the file."""
        self.review.read()
        self._rows = self.run.export(self._format, self.path)
        self._preview = _first_lines(self.path)
        self.notice = f"Wrote {pluralize(self._rows, 'row')} to {self.path}."

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> ExportState:
        """What the panel shows now."""
        progress = self.review.progress
        parts = [
            pluralize(progress.samples, "sample"),
            f"{format_number(progress.decided)} reviewed",
            f"{format_number(progress.rejected)} rejected and left out",
        ]
        return ExportState(
            sign="good" if self._rows else "none",
            status=" \u00b7 ".join(parts),
            folder=str(self.run.out or "in memory"),
            formats=tuple(Choice(name, FORMATS.get(name, name)) for name in EXPORT_FORMATS),
            format=self._format,
            path=str(self.path),
            rows=self._rows,
            preview=self._preview,
        )


def _first_lines(path: Path) -> tuple[str, ...]:
    """The first rows of a file of JSON lines, each laid out to be read; none of other files."""
    if path.suffix != ".jsonl":
        return ()
    rows = []
    with path.open(encoding="utf-8") as file:
        for line, _ in zip(file, range(PREVIEW_ROWS), strict=False):
            row = json.dumps(json.loads(line), ensure_ascii=False, indent=2)
            rows.append(clip(row, PREVIEW_LENGTH))
    return tuple(rows)
