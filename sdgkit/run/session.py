"""How a session of a run begins: in which edition, with which rows, from which replies."""

from collections.abc import Mapping, Sequence

from sdgkit.formatting import pluralize
from sdgkit.journal import Journal
from sdgkit.run.edition import recorded_config, refuse_another_job
from sdgkit.run.folder import write_start
from sdgkit.run.notes import Notes
from sdgkit.run.plan import Plan
from sdgkit.run.record import Record
from sdgkit.run.shards import take_over_shards
from sdgkit.stream import Stream, Target
from sdgkit.studies import STUDY


def stream_of(plan: Plan, journal: Journal, finished: Mapping[int, Mapping[str, int]]) -> Stream:
    """The stream of a plan, without the units that are already finished.

    With a target nothing is: its rounds begin again from the recorded replies.
    """
    target = target_of(plan, journal)
    if target is not None:
        return Stream(plan, plan.admitted, journal, {}, target)
    return Stream(plan, plan.admitted, journal, finished, None)


def target_of(plan: Plan, journal: Journal) -> Target | None:
    """The target of a plan, before its first round; None without one.

    The requests of the study have been taken from its limit.
    """
    target = plan.target_rounds()
    if target is not None:
        by_stage = journal.count_replies_by_stage()
        target.spend(sum(by_stage.get(name, 0) for name in STUDY.names))
    return target


def begin_session(
    plan: Plan, journal: Journal, record: Record, notes: Notes, *, reuse: bool
) -> Mapping[int, Mapping[str, int]]:
    """Begin a session in the journal, once it is certain that the folder is for this job.

    Returns:
        The tallies of the units that are finished, as the journal stores them.
    """
    config = plan.edition()
    newest = journal.newest()
    previous = None
    if newest is not None:
        previous = recorded_config(newest, record.out)
    if previous is not None and not reuse:
        refuse_another_job(previous, config, record.out)
    if record.folder is not None:
        take_over_shards(record.folder, journal)
    recorded_replies = journal.count_replies()
    if journal.note:
        notes.add(journal.note)
    finished = journal.begin(config.as_json(), from_start=plan.target is not None)
    if previous is not None:
        is_finished = plan.target is None and len(finished) == len(plan.rows)
        welcome = _resume_note(config.changes_since(previous), recorded_replies, is_finished)
        notes.add(f"{record.out or 'This run'}: {welcome}.")
    if record.folder is not None:
        write_start(record.folder, plan)
    return finished


def _resume_note(changes: Sequence[str], recorded_replies: int, is_finished: bool) -> str:
    if is_finished:
        return "already finished; no requests are left to send"
    replies = pluralize(recorded_replies, "recorded reply", "recorded replies")
    if changes:
        changed = f"changed since the last session: {', '.join(changes)}"
        return f"{changed}; reusing {replies} where they fit"
    return f"resuming; reusing {replies} where they fit"
