"""`sdgkit generate`: the job itself."""

import sys
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.cli.options import Command, Given
from sdgkit.cli.runs import close
from sdgkit.cli.teachers import judge_told
from sdgkit.cli.terminal import REHEARSED, is_live, say
from sdgkit.errors import SdgkitError, SettingsError
from sdgkit.formatting import pluralize

if TYPE_CHECKING:
    from sdgkit.run import Run

FRAME_S = 1 / 8
STOP_S = 5.0  # for a run to write its files when it is stopped in passing


class WithoutPandas:
    """Keeps pandas out of this process: pyarrow loads it with its first array, half a second and 60 MB for nothing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Asked at every import; to raise is to say that there is no such module."""
        if name == "pandas":
            raise ModuleNotFoundError("sdgkit generate does without pandas.", name=name)


@Command
def generate(
    seeds: str,
    teacher: Given,
    judge: Given,
    manners: Given,
    job: Given,
    output: Given,
    trial: Given,
    faults: Given,
) -> None:
    """Make a training set from seed examples: the job itself.

    The teacher writes contexts, questions and responses in the style of the seeds, and judges them. The same command
    again goes on where it stopped and asks nothing twice. Ctrl-C stops it; what is finished is kept.

    Examples:
      sdgkit generate seeds.jsonl                  a rehearsal, without any model
      sdgkit generate seeds.jsonl --base-url http://localhost:8000/v1
      sdgkit generate seeds.jsonl --target 500     until 500 samples are kept
      sdgkit generate seeds.jsonl --dry-run        what it would take, and bring
      sdgkit generate runs/seeds                   go on with a run
    """
    from sdgkit.method import default_folder, plan
    from sdgkit.run import Run
    from sdgkit.teachers import connect

    dry_run = trial.pop("dry_run", False)
    if trial and not dry_run:
        raise SettingsError("--price-in and --price-out belong to --dry-run.")
    planned = plan(
        seeds, **job
    )  # before any teacher is asked for: a slip in the seeds or the options shows at once
    out = Path(output.get("out") or default_folder(seeds) or "")
    told = _teacher_before(seeds, teacher) | teacher
    with ExitStack() as teachers:
        asked = teachers.enter_context(connect(**told, **manners, **faults))
        referee = (
            teachers.enter_context(connect(**judge_told(judge, told), **manners)) if judge else None
        )
        planned = replace(planned, teacher=asked, judge=referee)
        if dry_run:
            from sdgkit.evaluation.estimate import estimate

            found = estimate(planned, out, **trial)
            made = f"{pluralize(found.asked, 'request')} made for this"
            say(f"{found}\n\n{made}. They are kept in {out}: the run does not repeat them.")
            if asked.is_rehearsal:
                say(REHEARSED)
            return
        judged = f", judged by {referee.model} at {referee.base_url}" if referee else ""
        say(
            f"{pluralize(len(planned.rows), 'seed example')} to {out}, with {asked.model} at {asked.base_url}{judged}."
        )
        notes = deque(asked.notes)  # more come from the run's thread; this one says them
        run = Run(planned, out, reuse="reuse" in output, on_note=notes.append)
        without_pandas: Any = WithoutPandas()
        sys.meta_path.insert(0, without_pandas)
        teachers.callback(sys.meta_path.remove, without_pandas)
        _follow(run, notes)
    close(run)


def _teacher_before(seeds: str, teacher: Given) -> Given:
    """The teacher that a run's folder names (kind and model; it holds no address), unless options or settings do."""
    from sdgkit.method import run_folder
    from sdgkit.run.folder import read_values
    from sdgkit.teachers.settings import REHEARSAL, Settings, resolve_settings

    folder = run_folder(seeds)
    if (
        folder is None
        or {"kind", "base_url", "model"} & teacher.keys()
        or resolve_settings(Settings()).kind != REHEARSAL
    ):
        return {}
    config = read_values(folder, "config.json")
    return {"kind": config["teacher"], "model": config["model"]} if config.get("teacher") else {}


def _follow(run: "Run", notes: deque[str]) -> None:
    """Show the run until it is over. Ctrl-C stops it within a moment; what is finished is kept."""
    from sdgkit.cli.progress import View

    run.start()
    # Where somebody sits, a key that expires is asked for.
    promised = [
        one for one in run.teachers if is_live() and sys.stdin.isatty() and one.offer_renewal()
    ]
    try:
        with View() as view:
            while not run.finished:
                _tell(notes)
                run.wait(FRAME_S)
                view.show(run.snapshot())
                for teacher in promised:
                    if teacher.wants_key:
                        view.have_renewed(teacher)
        run.wait()
    except BaseException as error:
        run.cancel()  # what ended may be the reader of all this
        with suppress(SdgkitError):
            run.wait(STOP_S)
        if isinstance(error, SdgkitError):
            error.add_note(
                f"What is finished is kept in {run.out}; the same command again goes on."
            )
        raise
    finally:
        _tell(notes)


def _tell(notes: deque[str]) -> None:
    while notes:
        say(notes.popleft())
