"""What a run reports: its notes, and the news about its teachers."""

import logging
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdgkit.formatting import visible
from sdgkit.log import log
from sdgkit.teachers.teacher import Teacher


class Notes:
    """The notes of a run, in order.

    Args:
        folder: The run's folder, as you passed it. Notes appear in its files, so its absolute path
            is replaced in them.
        on_note: Called with each note, from any thread; without it, notes wait to be printed.

    Attributes:
        sentences: All notes so far.
    """

    def __init__(self, folder: Path | None, on_note: Callable[[str], None] | None) -> None:
        self.sentences: list[str] = []
        self._folder = folder
        self._absolute_paths = _absolute_paths(folder)
        self._on_note = on_note
        self._printed = 0

    def add(self, sentence: str, event: str = "note", level: int = logging.INFO) -> None:
        """Add a note, and log it.

        Control characters in it, which a server may have sent, are made visible.

        Args:
            sentence: The note.
            event: What happened, in a word, for the log.
            level: How serious it is.
        """
        note = self.without_path(visible(sentence))
        self.sentences.append(note)
        log(level, event, note, folder=self._folder.name if self._folder is not None else None)
        if self._on_note is not None:
            self._on_note(note)

    def without_path(self, sentence: str) -> str:
        """The sentence without the folder's absolute path.

        It is replaced by the path as you gave it, or by the folder's name if that was absolute.
        """
        if self._folder is None:
            return sentence
        shown = str(self._folder)
        if self._folder.is_absolute():
            shown = self._folder.name
        for path in self._absolute_paths:
            sentence = re.sub(rf"{re.escape(path)}(?!\w)", lambda _: shown, sentence)
        return sentence

    def take_unprinted(self) -> list[str]:
        """The notes that have yet to be printed."""
        if self._on_note is not None:
            return []
        unprinted = self.sentences[self._printed :]
        self._printed += len(unprinted)
        return unprinted


def _absolute_paths(folder: Path | None) -> list[str]:
    """How a folder may be written as an absolute path, as it is and with its links followed."""
    if folder is None:
        return []
    paths = {str(folder.absolute()), str(folder.resolve())}
    return sorted(paths, key=len, reverse=True)


@dataclass(frozen=True)
class Notice:
    """What there is to report about a teacher.

    Attributes:
        sentence: What to report when it begins.
        ending: What to report when it is over; empty for nothing.
        event: What it is, in a word, for the log.
    """

    sentence: str
    ending: str = ""
    event: str = "teacher_note"


@dataclass(frozen=True)
class News:
    """Something new about a teacher.

    Attributes:
        sentence: The news.
        event: What happened, in a word, for the log.
        level: How serious it is.
    """

    sentence: str
    event: str
    level: int


class TeacherNews:
    """What is new about some teachers: their notes, and whether they answer.

    Notes that they already had are not news.
    """

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self._teachers = teachers
        lasting = {}
        for subject, notice in self._notices().items():
            if not notice.ending:
                lasting[subject] = notice
        self._current = lasting

    def since_last_time(self) -> list[News]:
        """What has begun and what has ended since the last call."""
        previous = self._current
        self._current = self._notices()
        news = []
        for subject, notice in self._current.items():
            if subject not in previous:
                news.append(News(notice.sentence, notice.event, logging.WARNING))
        for subject, notice in previous.items():
            if subject not in self._current and notice.ending:
                news.append(News(notice.ending, f"{notice.event}_over", logging.INFO))
        return news

    def unsaid_notes(self) -> list[str]:
        """The notes of the teachers that have not been shown yet; for a run that is over."""
        reported = self._current
        notices = self._notices()
        unsaid = []
        for subject, notice in notices.items():
            if subject not in reported and not notice.ending:
                unsaid.append(notice.sentence)
        return unsaid

    def _notices(self) -> dict[Hashable, Notice]:
        """What there is to report at this moment, by topic."""
        notices: dict[Hashable, Notice] = {}
        for teacher in self._teachers:
            for note in list(teacher.notes):
                notices[teacher, note] = Notice(note)
            if teacher.state == "away":
                notices[teacher] = Notice(
                    f"Paused: {teacher.away_reason}. "
                    "The run continues automatically when the teacher answers.",
                    "The teacher is answering again; the run continues.",
                    event="pause",
                )
            for url, reason in teacher.left_out.items():
                notices[teacher, url] = Notice(
                    f"Continuing without {url} ({reason}) until it answers again.",
                    f"{url} is answering again.",
                    event="server_left_out",
                )
        return notices


def say_nothing(note: str) -> None:
    """Print nothing: the run keeps its notes."""
