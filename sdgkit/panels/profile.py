"""The panel of a profile: let the teacher study the seeds, look at what it understood, edit it."""

from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path

from sdgkit.errors import FileConflict, SeedError
from sdgkit.evaluation.drafts import Flaw
from sdgkit.evaluation.profile_draft import ProfileDraft, part_of_list
from sdgkit.evaluation.profile_texts import CHECKS, CRITERIA
from sdgkit.formatting import format_number, pluralize
from sdgkit.keywords import known_keywords_throughout
from sdgkit.panels.frame import Action, Cancel, Panel, required_teacher
from sdgkit.panels.profile_state import BreakerState, CriterionState, ProfileState, list_state
from sdgkit.panels.seeds import SeedPanel, seeds_of
from sdgkit.panels.state import RESTORED
from sdgkit.profile import PROFILE_FILE, Criterion, Profile
from sdgkit.run.profiles import profile_notes
from sdgkit.seeds import Seed, SeedSource
from sdgkit.studies import StudyOfSeeds
from sdgkit.teachers import background
from sdgkit.teachers.source import TeacherSource

STEERING = {True: "yes", False: "no", None: ""}


@known_keywords_throughout
class ProfilePanel(Panel):
    """Study a skill and edit its profile: criteria, variety, checks, and what questions steer.

    What you type is kept at once in a hidden file next to the profile, until it is saved.

    Args:
        seeds: Anything that `load_seeds` accepts, or a SeedPanel.
        teacher: Who studies the seeds, or a TeacherPanel.
        profile: The file to save in, which need not exist yet; or a `Profile`.
        judge: Another teacher to test the criteria.
        prompts: Your folder of prompts, if it has prompts of the study.

    Attributes:
        draft: The `ProfileDraft` that the panel shows.

    Raises:
        SdgkitError: If the seeds or the profile cannot be used.

    Example:
        >>> seed = {"task_description": "Greet.", "seed_question": "Hi", "seed_response": "Hello"}
        >>> panel = ProfilePanel([seed], profile=Profile(checks=("no_refusal",)))
        >>> panel.act("checks", text="no_refusal\\nlength=1..9 words")
        >>> panel.profile.checks
        ('no_refusal', 'length=1..9 words')
    """

    kind = "profile"
    restored_notice = RESTORED

    def __init__(
        self,
        seeds: "SeedSource | SeedPanel",
        *,
        teacher: TeacherSource | None = None,
        profile: str | Path | Profile = PROFILE_FILE,
        judge: TeacherSource | None = None,
        prompts: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.draft = ProfileDraft(profile)
        self._seeds = seeds
        self._latest_seeds: list[Seed] = []
        self._teacher = teacher
        self._judge = judge
        self._prompts = prompts
        self._revision = 0
        self._study: StudyOfSeeds | None = None
        if not isinstance(seeds, SeedPanel):
            self._latest_seeds = seeds_of(seeds)
        if self.draft.was_restored:
            self.notice = RESTORED

    @property
    def profile(self) -> Profile:
        """The profile as it is now, as `generate(…, profile=…)` takes it.

        Raises:
            ProfileError: A check cannot be used.
        """
        return self.draft.profile

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {
            "study": self.study,
            "cancel": self.cancel,
            "criterion": self.set_criterion,
            "enable": self.enable_criterion,
            "add": self.add_criterion,
            "remove": self.remove_criterion,
            "list": self.set_list,
            "new list": self.add_list,
            "remove list": self.remove_list,
            "checks": self.set_checks,
            "steering": self.set_steering,
            "undo": self.undo,
            "redo": self.redo,
            "save": self.save,
            "load": self.load,
            "dismiss": self.dismiss,
        }

    def study(self) -> None:
        """Let the teacher study the seeds; its profile takes the place of this one.

        *Undo* brings the earlier one back.
        """
        seeds = self._seeds_now()
        study = StudyOfSeeds(seeds, required_teacher(self._teacher), self._judge, self._prompts)
        future: Future[Profile] = Future()

        def begin() -> Cancel:
            nonlocal future
            self._study = study
            future = background.submit(study.profile())
            return future.cancel

        def wait() -> None:
            self.redraw_until(future.done)
            try:
                profile = future.result()
            except CancelledError:
                self.notice = "Cancelled. The profile is as it was."
                return
            finally:
                self._study = None
            self.draft.replace(profile)
            self._revision += 1
            self.notice = _result_of(profile)

        self.work("Studying the seeds.", wait, begin)

    def set_criterion(self, place: int, text: str) -> None:
        """Replace the text of the criterion at this place, from 0."""
        self.draft.set_criterion(place, text)

    def enable_criterion(self, place: int, enabled: bool) -> None:
        """Use the criterion at this place, or leave it out."""
        self.draft.set_criterion(place, enabled=enabled)

    def add_criterion(self) -> None:
        """Add an empty criterion at the end."""
        self.draft.add_criterion()
        self._revision += 1

    def remove_criterion(self, place: int) -> None:
        """Remove the criterion at this place."""
        self.draft.remove_criterion(place)
        self._revision += 1
        self.notice = "Removed the criterion. Undo brings it back."

    def set_list(self, name: str, text: str) -> None:
        """Replace a list of the variety: one entry per line."""
        self.draft.set_list(name, _distinct_lines(text))

    def add_list(self, name: str) -> None:
        """Add an empty list to the variety."""
        if name.strip() and name.strip() not in dict(self.draft.texts.variety):
            self.draft.set_list(name.strip(), ())
            self._revision += 1

    def remove_list(self, name: str) -> None:
        """Remove a list of the variety."""
        self.draft.remove_list(name)
        self._revision += 1
        self.notice = f"Removed the list {name}. Undo brings it back."

    def set_checks(self, text: str) -> None:
        """Replace the checks: one per line."""
        self.draft.set_checks(_distinct_lines(text))

    def set_steering(self, answer: str) -> None:
        """Say whether questions steer the answer: "yes", "no", or "" if that is unknown."""
        by_word = {word: value for value, word in STEERING.items()}
        self.draft.set_steering(by_word[answer])

    def undo(self) -> None:
        """Undo the last change."""
        self.draft.undo()
        self._revision += 1

    def redo(self) -> None:
        """Make the change again that was undone last."""
        self.draft.redo()
        self._revision += 1

    def save(self, path: str = "", overwrite: bool = False) -> None:
        """Save the profile.

        Changes made to its file in the meantime are merged where that is safe; otherwise the panel
        asks. It also asks before it overwrites another file.

        Args:
            path: Another file.
            overwrite: Overwrite what is in the file.
        """
        texts_before = self.draft.texts
        try:
            saved = self.draft.save(path.strip() or None, overwrite=overwrite)
        except FileConflict as conflict:
            self.ask_about(conflict)
            return
        self.conflict = None
        self.notice = f"Saved in {saved}."
        if self.draft.texts != texts_before:
            self._revision += 1
            self.notice = f"Saved in {saved}, together with the changes made there in the meantime."

    def load(self, path: str = "") -> None:
        """Replace the profile by the one in its file, or in another; undo brings yours back."""
        self.draft.load(path.strip() or None)
        self.conflict = None
        self._revision += 1
        self.notice = f"Loaded from {self.draft.path}."

    def follow_file(self) -> None:
        """Take over changes made to the file in the meantime, where that is safe."""
        if self.draft.follow_file():
            self._revision += 1

    def _seeds_now(self) -> list[Seed]:
        """The seeds as they are now. Raises SeedError if they cannot be used."""
        self._latest_seeds = seeds_of(self._seeds)
        return self._latest_seeds

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> ProfileState:
        """What the panel shows now."""
        draft = self.draft
        texts = draft.texts
        flaws = draft.flaws()
        with suppress(SeedError):  # a seed is half written: the seeds of before are shown
            self._seeds_now()
        criteria = []
        for number, criterion in enumerate(texts.criteria, 1):
            flaws_of_criterion = []
            for flaw in flaws:
                if (flaw.part, flaw.line) == (CRITERIA, number):
                    flaws_of_criterion.append(flaw)
            own_flaws = tuple(flaws_of_criterion)
            criteria.append(self._criterion_state(criterion, own_flaws))
        has_errors = any(flaw.severity == "error" for flaw in flaws)
        is_empty = not (texts.criteria or texts.variety or texts.checks)
        sign = "good"
        if is_empty:
            sign = "none"
        if has_errors:
            sign = "warn"
        lists = []
        for name, entries in texts.variety:
            lists.append(list_state(name, entries, flaws, part_of_list(name)))
        return ProfileState(
            sign=sign,
            status=self._status(),
            folder=str(draft.path),
            path=str(draft.path),
            criteria=tuple(criteria),
            variety=tuple(lists),
            checks=list_state(CHECKS, texts.checks, flaws, CHECKS),
            steering=STEERING[texts.question_steers],
            revision=self._revision,
            study_label=self._study_label(),
            can_study=self._teacher is not None and not self.busy,
            can_save=(draft.changed or not draft.is_in_a_file) and not is_empty,
            can_undo=draft.can_undo,
            can_redo=draft.can_redo,
            is_empty=is_empty,
            problem=draft.problem,
            notes=tuple(profile_notes(texts.origin)),
        )

    def _criterion_state(self, criterion: Criterion, flaws: tuple[Flaw, ...]) -> CriterionState:
        responses = {}
        for number, seed in enumerate(self._latest_seeds, 1):
            responses[str(seed.get("id") or f"s{number}")] = str(seed["seed_response"])
        breakers = tuple(BreakerState(id_, responses.get(id_, "")) for id_ in criterion.broken_by)
        return CriterionState(criterion.text, criterion.enabled, breakers, flaws)

    def _status(self) -> str:
        """What the profile holds, and whether it is saved."""
        study = self._study
        if study is not None:
            answered = min(study.answered, study.expected)
            return (
                f"Studying the seeds: {answered} of {pluralize(study.expected, 'reply', 'replies')}"
            )
        texts = self.draft.texts
        if not (texts.criteria or texts.variety or texts.checks):
            return "Not studied yet: Study asks the teacher what a good response must meet."
        enabled = 0
        broken = 0
        for criterion in texts.criteria:
            if criterion.enabled:
                enabled += 1
            if criterion.broken_by:
                broken += 1
        parts = [f"{enabled} of {pluralize(len(texts.criteria), 'criterion', 'criteria')} in use"]
        if broken:
            parts.append(f"{broken} broken by your own seeds: decide which is right")
        entries = sum(len(entries) for _, entries in texts.variety)
        parts.append(f"{pluralize(entries, 'entry', 'entries')} to draw from")
        parts.append(pluralize(len(texts.checks), "check"))
        if self.draft.changed or not self.draft.is_in_a_file:
            parts.append("not saved")
        return " \u00b7 ".join(parts)

    def _study_label(self) -> str:
        if self._teacher is None:
            return "To study the seeds, pass teacher= to this panel."
        requests = len(self._latest_seeds) + 1
        return f"Study takes {format_number(requests)} requests: one, and one for each seed."


def _distinct_lines(text: str) -> tuple[str, ...]:
    """The lines of a text that are not empty, once each."""
    lines = map(str.strip, text.splitlines())
    return tuple(dict.fromkeys(filter(None, lines)))


def _result_of(profile: Profile) -> str:
    broken = len(profile.broken_criteria)
    if not broken:
        return "The teacher has studied the seeds. Read what it understood, then save it."
    rules = pluralize(broken, "rule")
    return (
        f"The teacher has studied the seeds. They break {rules} that it found: correct the rule or "
        "the seed."
    )
