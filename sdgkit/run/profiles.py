"""The profile of a run: the one in its folder, or one that is written by studying its seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdgkit.errors import ProfileError
from sdgkit.files import refuse_way_out
from sdgkit.formatting import list_briefly, pluralize
from sdgkit.journal import Journal
from sdgkit.profile import PROFILE_FILE, Criterion, Profile
from sdgkit.run.draws import with_draw_starts
from sdgkit.run.edition import recorded_config
from sdgkit.run.notes import Notes
from sdgkit.run.plan import Plan
from sdgkit.studies import Study, StudyOutcome
from sdgkit.teachers import background


def with_folders_profile(plan: Plan, out: Path | None) -> Plan:
    """The plan by the profile in the run's folder, where the plan has none and may have one.

    Raises:
        ProfileError: The file in the folder cannot be used.
    """
    if plan.study is None or out is None or not (out / PROFILE_FILE).exists():
        return plan
    return plan.with_profile(folders_profile(out))


def folders_profile(out: Path) -> Profile:
    """The profile in a run's folder.

    Raises:
        ProfileError: The file cannot be used.
        RunError: It is a link that leads out of the folder.
    """
    refuse_way_out(out / PROFILE_FILE)
    return Profile.load(out / PROFILE_FILE)


def replaces_folders_profile(plan: Plan, out: Path | None) -> bool:
    """Whether the folder has another profile than the one that the plan was given."""
    if plan.profile is None or out is None or not (out / PROFILE_FILE).exists():
        return False
    try:
        return folders_profile(out) != plan.profile
    except ProfileError:
        return True


def without_profile(plan: Plan) -> Plan:
    """The plan of a run that does without a profile."""
    return replace(plan, study=None)


def study_of(plan: Plan, journal: Journal) -> Study | None:
    """The study that is still to be made for a plan; None if there is none."""
    if plan.study is None or plan.teacher is None:
        return None
    return Study(
        seeds=plan.admitted,
        prompts=plan.study,
        teacher=plan.teacher,
        judge=plan.judge,
        journal=journal,
        structure=plan.structure,
    )


@dataclass(frozen=True)
class StudiedPlan:
    """A plan whose seeds are studied, or need no study.

    Attributes:
        plan: The plan, by its profile.
        trail: The requests of the study that was made: stage names and keys in the journal.
    """

    plan: Plan
    trail: frozenset[tuple[str, str]] = frozenset()


def studied(plan: Plan, journal: Journal) -> StudiedPlan:
    """The plan by the profile of the folder or, where there is none, of a study that is made now.

    Args:
        plan: The plan of the whole run, with all of its seeds.
        journal: Where the replies are recorded, so that the run does not ask again.

    Raises:
        SdgkitError: The study cannot be made.
    """
    plan = with_folders_profile(plan, journal.folder)
    plan = with_draw_starts(plan, journal)
    study = study_of(plan, journal)
    if study is None:
        return StudiedPlan(plan)
    outcome: StudyOutcome = background.wait(study.carry_out())
    return StudiedPlan(after_study(plan, outcome), outcome.trail)


def choose_profile(plan: Plan, journal: Journal, folder: Path | None, notes: Notes) -> Plan:
    """The plan by the profile in the run's folder, if there is one.

    A run that was started without a profile continues without: it would otherwise be another one.
    """
    if replaces_folders_profile(plan, folder):
        notes.add(f"Replaced the profile in {folder} with the one that you passed.")
    plan = with_folders_profile(plan, folder)
    newest = journal.newest()
    if plan.study is None or newest is None:
        return plan
    if recorded_config(newest, folder).profile:
        return plan
    notes.add(
        f"{folder or 'This run'} was started without a profile and continues without one. To use "
        "one, write it with sdgkit study and pass it as --profile (profile=)."
    )
    return without_profile(plan)


def after_study(plan: Plan, outcome: StudyOutcome) -> Plan:
    """The plan by the profile that a study wrote, or without one."""
    if outcome.profile is None:
        return without_profile(plan)
    return plan.with_profile(outcome.profile)


def study_notes(outcome: StudyOutcome, plan: Plan, out: Path | None) -> list[str]:
    """What the user should read about a study."""
    profile = outcome.profile
    if profile is None:
        model = "The teacher"
        if plan.teacher is not None:
            model = plan.teacher.model
        reason = ""
        if outcome.problem:
            reason = f" ({outcome.problem.rstrip('.')})"
        return [
            f"{model} could not write a profile of the seeds{reason}. "
            "The run continues without one."
        ]
    place = ""
    if out:
        place = f" It is in {out / PROFILE_FILE}: read it, edit it if you like, and run again."
    seeds = pluralize(len(plan.rows), "seed example")
    return [
        f"Studied {seeds}: {profile.summary()}.{place}",
        *profile_notes(profile),
        *_leverage_notes(profile),
    ]


def profile_notes(profile: Profile) -> list[str]:
    """What the user should know before trusting a profile."""
    return [
        *_shown_notes(profile),
        *_broken_notes(profile.broken_criteria),
        *_untested_notes(profile),
    ]


def _shown_notes(profile: Profile) -> list[str]:
    if profile.seeds_shown is None:
        return []
    return [
        "Not all seed examples fit into the teacher's context: it was shown "
        f"{profile.seeds_shown} of them when it wrote the profile."
    ]


def _untested_notes(profile: Profile) -> list[str]:
    if not profile.untested_on:
        return []
    seeds = list_briefly(profile.untested_on)
    return [
        f"No criterion could be tested on {seeds}: the judge gave no readable answer. "
        "Check for yourself whether the criteria fit."
    ]


def _broken_notes(criteria: Sequence[Criterion]) -> list[str]:
    """A sentence for each criterion that a seed breaks."""
    notes = []
    for criterion in criteria:
        verb = "break"
        if len(criterion.broken_by) == 1:
            verb = "breaks"
        state = "switched off until you decide"
        if criterion.enabled:
            state = "still used"
        notes.append(
            f"{', '.join(criterion.broken_by)} {verb} the criterion \u201c{criterion.text}\u201d, "
            f"which is {state}: either the rule is wrong, or the seed is."
        )
    return notes


def _leverage_notes(profile: Profile) -> list[str]:
    if profile.question_steers is not False:
        return []
    return [
        "Every question about a context seems to call for the same response. One question for each "
        "context (--num-questions 1) and more contexts give more varied samples."
    ]
