"""Everything that can go wrong in sdgkit, in one tree.

SdgkitError                 caught by the command line: one or two plain lines, no traceback
├── SettingsError           an argument, option or configuration value (exit status 2): setting
├── FileConflict            saving would overwrite what is not yours: file, is_own
├── SeedError               a seed example or seed file: file, line, row, column, findings
├── PromptError             a prompt file, its template or its tags: file, line, part
├── ProfileError            the profile of a skill: file, line, list
├── TeacherError            the server that writes and judges
│   ├── TeacherUnreachable  no answer: refused, unknown host, wrong path; the run can be resumed
│   ├── TeacherRefused      it refuses for good: key, model, certificate; stops a run at once
│   └── RequestRefused      it refuses one request: drops its row, with the server's own message
│       └── RequestWithheld a filter withholds the reply: asking again would change nothing
└── RunError                a run or its folder: folder
    ├── FolderInUse         another process is writing it
    ├── RunBeginning        another process is just creating it: look again in a moment
    └── RunStopped          the run cannot continue: stage, row
        └── RunEmptied      it came to its end, and technical failures left nothing

Each error carries its data in fields; the message is a sentence that says what is wrong, where,
and what to do. A field that is not known is None. Code that handles an error reads its fields,
never its message.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdgkit.formatting import visible


class SdgkitError(Exception):
    """Base of all errors that sdgkit raises on purpose.

    A notebook shows the sentence alone; `%tb` in the next cell shows the traceback. What it quotes,
    such as a column's name, may come from a stranger, and a terminal obeys control characters: they
    are made visible.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(visible(str(message)))

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in the place of the traceback."""
        return _notebook_lines(self, f"{type(self).__name__}: {self}")


class SettingsError(SdgkitError):
    """An argument, option or configuration value that cannot be used.

    Attributes:
        setting: The name of the argument, option or key.
        choices: What could have been chosen, or an empty tuple.
    """

    def __init__(
        self, message: str, *, setting: str | None = None, choices: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.setting = setting
        self.choices = tuple(choices)


class FileConflict(SdgkitError):
    """Saving would overwrite a file with something in it that you have not seen.

    Attributes:
        file: The file.
        is_own: Whether the draft came from it, and it was changed since; otherwise it is another
            file that exists.
    """

    def __init__(self, message: str, *, file: Path, is_own: bool) -> None:
        super().__init__(message)
        self.file = file
        self.is_own = is_own


@dataclass(frozen=True)
class SeedFinding:
    """One reason why a seed example cannot be used.

    Attributes:
        problem: What is wrong and what to do about it, without the place.
        place: Where it is, in words, such as `line 3, column seed_question`; "" if unknown.
        line: Its line in the file, from 1; None where rows have no lines.
        row: The number of the seed, from 1.
        column: The column that is wrong; None if it is the seed as a whole.
    """

    problem: str
    place: str = ""
    line: int | None = None
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem


class SeedError(SdgkitError):
    """A seed example or seed file that cannot be used.

    Attributes:
        file: The file that holds it.
        line: Its line in the file, from 1.
        row: Its number among the seeds, from 1.
        column: The column that is wrong.
        findings: Everything that is wrong, where seeds were checked one by one; `line`, `row` and
            `column` are then those of the first finding.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        row: int | None = None,
        column: str | None = None,
        findings: Sequence[SeedFinding] = (),
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.row = row
        self.column = column
        self.findings = tuple(findings)


class PromptError(SdgkitError):
    """A prompt file, template or set of tags that cannot be used.

    Attributes:
        file: The file, by its name.
        line: The line in the file, from 1.
        part: The part of the prompt (`generation`, `start_tags`, …).
        problem: What is wrong and what to do about it, without the place; by default the message.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        part: str | None = None,
        problem: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.part = part
        self.problem = problem or message


class ProfileError(SdgkitError):
    """The profile of a skill that cannot be used.

    Attributes:
        file: The file that holds it.
        line: Its line in the file, from 1.
        list: The name of the list in which something is wrong.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        list: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.list = list


class TeacherError(SdgkitError):
    """Something went wrong between sdgkit and the teacher."""


class TeacherUnreachable(TeacherError):
    """There is no answer at the teacher's address."""


class TeacherRefused(TeacherError):
    """The teacher answers and refuses for good: wrong key, unknown model, untrusted certificate."""


class RequestRefused(TeacherError):
    """The teacher refuses one request; only that row is lost, and the next run sends it again."""


class RequestWithheld(RequestRefused):
    """A filter withholds the reply to one request; asking the same again would change nothing."""


class RunError(SdgkitError):
    """A run or its folder cannot be used.

    Attributes:
        folder: The run's folder.
    """

    def __init__(self, message: str, *, folder: str | Path | None = None) -> None:
        super().__init__(message)
        self.folder = folder


class FolderInUse(RunError):
    """Another process is writing this run's folder."""


class RunBeginning(RunError):
    """Another process is just creating the run: look again in a moment."""


class RunStopped(RunError):
    """A run that cannot continue; all finished samples are kept.

    Attributes:
        stage: The name of the stage at which it stopped.
        row: The id of the row, such as `s3/c7/q2`.
    """

    def __init__(
        self,
        message: str,
        *,
        folder: str | Path | None = None,
        stage: str | None = None,
        row: str | None = None,
    ) -> None:
        super().__init__(message, folder=folder)
        self.stage = stage
        self.row = row


def show_in_notebook(error: BaseException, sentence: str) -> None:
    """Let a notebook show a sentence in the place of an error's traceback; `%tb` still shows it.

    For errors that have to stay what they are, such as a `KeyboardInterrupt`.
    """
    error._render_traceback_ = lambda: _notebook_lines(error, sentence)  # type: ignore[attr-defined]


def _notebook_lines(error: BaseException, sentence: str) -> list[str]:
    """The sentence where the error has just ended a cell, the traceback where `%tb` asks for it."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    has_just_ended_a_cell = sys.exc_info()[1] is error
    if has_just_ended_a_cell or shell is None:
        return [sentence]
    lines: list[str] = shell.InteractiveTB.structured_traceback(
        type(error), error, error.__traceback__
    )
    return lines


class RunEmptied(RunStopped):
    """A run that came to its end and kept nothing, mostly because of technical failures."""


def as_sdgkit_error(
    error: Exception, failed: str, *, stage: str | None = None, row: str | None = None
) -> SdgkitError:
    """The error of this tree with which a run stops because of any other error.

    An error of this tree is returned as it is.

    Args:
        error: What was raised: by a library, or by code of the user's own.
        failed: What failed, as the beginning of a sentence: `"The stage mine failed at s1/c2"`.
        stage: The name of the stage at which it failed.
        row: The id of the row.

    Example:
        >>> as_sdgkit_error(KeyError("price"), "The stage mine failed at s1/c2", stage="mine")
        RunStopped("The stage mine failed at s1/c2: KeyError: 'price'.")
    """
    import sqlite3  # only here, since few commands open a journal

    from sdgkit.limits import handles_remedy, is_out_of_handles, writing_remedy

    if isinstance(error, SdgkitError):
        return error
    if isinstance(error, sqlite3.Error):
        remedy = writing_remedy(error) or "Free some disk space"
        return RunError(
            f"The journal cannot be written: {error}. {remedy}, then run the same command again "
            "to resume."
        )
    if is_out_of_handles(error):
        return RunError(
            f"{failed}: too many files are open. {handles_remedy()}, then run the same command "
            "again to resume."
        )
    stopped = RunStopped(f"{failed}: {type(error).__name__}: {error}.", stage=stage, row=row)
    stopped.__cause__ = error
    return stopped
