"""A run that is finished already, so that starting it again has nothing to do."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from sdgkit.errors import SdgkitError
from sdgkit.files import JOURNAL_FILE, refuse_way_out, remove_abandoned
from sdgkit.funnel import Summary
from sdgkit.journal import Journal, edition_of
from sdgkit.run.config import RunConfig
from sdgkit.run.draws import with_draw_starts
from sdgkit.run.folder import CONFIG_FILE, read_summary
from sdgkit.run.notes import Notes, say_nothing
from sdgkit.run.plan import Plan
from sdgkit.run.profiles import choose_profile, replaces_folders_profile

FILES = ("dataset.jsonl", "dataset.parquet", "dropped.jsonl", "report.html", "README.md")
"""The files of a finished run that are the same for every run."""


def finished_plan(plan: Plan, out: Path | None) -> Plan | None:
    """The plan by the profile in its folder, if the folder holds exactly this run, finished.

    None if anything is left to ask, to write or to change.
    """
    if out is None or not (out / JOURNAL_FILE).exists():
        return None
    try:
        with closing(Journal(out, read_only=True)) as journal:
            chosen = choose_profile(plan, journal, out, Notes(None, say_nothing))
            chosen = with_draw_starts(chosen, journal)
            summary = read_summary(out)
            is_finished = (
                _is_newest(chosen, journal, summary)
                and _has_no_rows_left(chosen, journal, summary)
                and _are_files_complete(plan, chosen, out)
            )
    except (SdgkitError, OSError, ValueError, sqlite3.Error):
        return None  # starting the run says what is wrong
    if not is_finished:
        return None
    remove_abandoned(out)
    return chosen


def _is_newest(plan: Plan, journal: Journal, summary: Summary) -> bool:
    """Whether the newest session was one of this plan, and the files are its own."""
    newest = journal.newest()
    session = journal.last_session()
    if newest is None or session is None:
        return False
    is_done = session.state == "done" and summary.state == "done"
    wrote_files = summary.sessions == journal.totals().sessions
    return is_done and wrote_files and newest.id == edition_of(plan.edition().as_json())


def _has_no_rows_left(plan: Plan, journal: Journal, summary: Summary) -> bool:
    if plan.target is not None:
        return bool(summary.target_reached)
    return len(journal.finished_units()) == len(plan.rows)


def _are_files_complete(plan: Plan, chosen: Plan, out: Path) -> bool:
    config = RunConfig.of(chosen, out.resolve().name).as_json()
    recorded = json.loads((out / CONFIG_FILE).read_text("utf-8"))
    here = json.loads(json.dumps(config, default=str))
    is_same = recorded == here
    for name in FILES:
        refuse_way_out(out / name)
    has_files = all((out / name).is_file() for name in FILES)
    return is_same and has_files and not replaces_folders_profile(plan, out)
