"""Everything that can go wrong in sdgkit, in one tree.

SdgkitError                 caught by the command line: one or two plain lines, no traceback
├── SettingsError           an argument, option or configuration value that cannot be used (exit status 2)
├── SeedError               a seed example or seed file: names file, line and column
├── PromptError             a prompt file, its template or its tags: names file and line
├── TeacherError            the server that writes and judges
│   ├── TeacherUnreachable  nobody answers: refused, unknown host, wrong path, patience over (a run can be resumed)
│   ├── TeacherRefused      it answers and refuses for good: key, model, certificate (stops a run at once)
│   └── RequestRefused      it refuses this one request (drops its row, with the server's own words)
└── RunError                a run or its folder
    ├── FolderInUse         another process is writing it
    └── RunStopped          a run that cannot go on: everything fails alike, a stage's own code raised

Every message says what was wrong, where, and what to do.
"""


class SdgkitError(Exception):
    """Base of all errors that sdgkit raises on purpose."""


class SettingsError(SdgkitError):
    """An argument, option or configuration value that cannot be used. choices: what could have been chosen."""

    choices: tuple[str, ...] = ()


class SeedError(SdgkitError):
    """A seed example or seed file that cannot be used."""


class PromptError(SdgkitError):
    """A prompt file, template or set of tags that cannot be used."""


class TeacherError(SdgkitError):
    """Something between sdgkit and the teacher."""


class TeacherUnreachable(TeacherError):
    """Nobody answers at the teacher's address."""


class TeacherRefused(TeacherError):
    """The teacher answers and refuses for good: wrong key, unknown model, untrusted certificate."""


class RequestRefused(TeacherError):
    """The teacher refuses one request; only that row is lost, and it is asked again by the next run."""


class RunError(SdgkitError):
    """A run or its folder cannot be used."""


class FolderInUse(RunError):
    """Another process is writing this run's folder."""


class RunStopped(RunError):
    """A run that cannot go on; what is finished is kept."""
