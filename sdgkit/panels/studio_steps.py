"""What to do next in the studio, by the tab that is open."""

from dataclasses import dataclass

from sdgkit.formatting import pluralize
from sdgkit.panels.export import ExportPanel
from sdgkit.panels.frame import Panel
from sdgkit.panels.profile import ProfilePanel
from sdgkit.panels.prompt import PromptPanel
from sdgkit.panels.review import ReviewPanel
from sdgkit.panels.run import RunPanel
from sdgkit.panels.seeds import SeedPanel
from sdgkit.panels.teacher import TeacherPanel

USUAL_SEEDS = 5
ENOUGH_REVIEWED = 10


@dataclass(frozen=True)
class NextStep:
    """What to do next.

    Attributes:
        sentence: What, in a sentence.
        tab: The tab where it is done; "" for the one that is open.
    """

    sentence: str
    tab: str = ""


def next_step(tab: str, panel: Panel | None, seeds: SeedPanel, *, is_blocked: bool) -> NextStep:
    """The next step.

    Args:
        tab: The tab that is open.
        panel: Its panel; None while there is none.
        seeds: The panel of the seeds.
        is_blocked: Whether something keeps the tab from being shown.
    """
    if is_blocked:
        return _way_out(tab, seeds)
    match panel:
        case TeacherPanel():
            return _after_teacher(panel)
        case SeedPanel():
            return _after_seeds(panel)
        case ProfilePanel():
            return _after_profile(panel)
        case PromptPanel():
            return _after_prompts(panel)
        case RunPanel():
            return _after_run(panel)
        case ReviewPanel():
            return _after_review(panel)
        case ExportPanel():
            return _after_export(panel)
    return NextStep("One moment.")


def _way_out(tab: str, seeds: SeedPanel) -> NextStep:
    """Where to remove what keeps a tab from being shown."""
    if tab in ("review", "export"):
        return NextStep("Start a run first, then review its samples here.", "run")
    if tab == "run" and seeds.draft.rows and not seeds.draft.unfinished:
        return NextStep("See whether the teacher answers.", "teacher")
    return NextStep("Write the seeds first.", "seeds")


def _after_teacher(panel: TeacherPanel) -> NextStep:
    if not panel.has_answered:
        return NextStep("Press Test: it sends one message, and you see what comes back.")
    return NextStep("The teacher answers. Next, show it what you want.", "seeds")


def _after_seeds(panel: SeedPanel) -> NextStep:
    rows = panel.draft.rows
    if not rows:
        return NextStep("Add a seed: a question, and the response that you want to it.")
    if panel.draft.unfinished:
        return NextStep("Complete the seed, or remove it.")
    if len(rows) < USUAL_SEEDS:
        there_are = pluralize(len(rows), "seed")
        return NextStep(
            f"You have {there_are}; {USUAL_SEEDS} or more are usual, each of a different kind. "
            "When you have enough, see whether the teacher understands them.",
            "profile",
        )
    return NextStep("See whether the teacher understands your seeds.", "profile")


def _after_profile(panel: ProfilePanel) -> NextStep:
    if panel.state().is_empty:
        return NextStep("Press Study, and read what the teacher has understood.")
    return NextStep("If that is what you mean, make a first small run.", "run")


def _after_prompts(panel: PromptPanel) -> NextStep:
    if panel.draft.changed:
        return NextStep("Try your change, then save it: a run uses the saved prompt.")
    return NextStep("The shipped prompts are a good start. Make a run.", "run")


def _after_run(panel: RunPanel) -> NextStep:
    snapshot = panel.latest.snapshot()
    if panel.latest.is_running or snapshot.is_active:
        return NextStep("You can review samples while the rest are being made.", "review")
    if snapshot.samples:
        return NextStep("Read some of the samples.", "review")
    if snapshot.state == "new":
        return NextStep("Press Start. Keep the first run small: it is only for a first look.")
    return NextStep("Nothing was kept: see what was dropped, and why.")


def _after_review(panel: ReviewPanel) -> NextStep:
    progress = panel.review.progress
    if progress.decided < min(ENOUGH_REVIEWED, progress.samples):
        return NextStep(
            f"{progress.decided} of {ENOUGH_REVIEWED} reviewed. Accept what you would have "
            "written, reject the rest."
        )
    return NextStep("Write the training file, or go back and make a larger run.", "export")


def _after_export(panel: ExportPanel) -> NextStep:
    if panel.state().rows is None:
        return NextStep("Press Export.")
    return NextStep("Train on that file. For more samples, make a larger run.", "run")
