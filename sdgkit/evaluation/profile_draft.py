"""The profile of a skill while it is being edited."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sdgkit.checks import read_shipped_check
from sdgkit.errors import ProfileError, SettingsError
from sdgkit.evaluation.drafts import Draft, Flaw, OwnFile, file_to_save, refuse_to_overwrite
from sdgkit.evaluation.kept_draft import DraftFile, KeptDraft
from sdgkit.evaluation.profile_texts import CHECKS, CRITERIA, ProfileTexts, merge_profiles
from sdgkit.profile import PROFILE_FILE, Criterion, Profile


def part_of_list(name: str) -> str:
    """The part of a flaw that concerns a list of the variety."""
    return f"variety {name}"


class ProfileDraft(Draft[ProfileTexts]):
    """A profile being edited, with undo.

    Every change is kept at once, in a hidden file beside the profile (`.profile.yaml.draft`), until
    it is saved: the next draft of the same file begins with it.

    Args:
        source: The file, which may not exist yet; or a `Profile`, which is saved as profile.yaml
            unless you name another file.

    Attributes:
        path: The file that `save` writes.
        was_restored: Whether it began with changes that were not saved the last time.

    Raises:
        ProfileError: The file cannot be used.

    Example:
        >>> draft = ProfileDraft(Profile(criteria=(Criterion("It names the date."),)))
        >>> draft.set_criterion(0, enabled=False)
        >>> draft.profile.enabled_criteria
        []
        >>> draft.undo()
        >>> draft.profile.enabled_criteria
        ['It names the date.']
    """

    def __init__(self, source: str | os.PathLike[str] | Profile = PROFILE_FILE) -> None:
        self._own: OwnFile | None = None
        self.was_restored = False
        if isinstance(source, Profile):
            self.path = Path(PROFILE_FILE)
            super().__init__(ProfileTexts.of(source))
            return
        self.path = Path(source)
        super().__init__(_texts_in(self.path))
        self._own = OwnFile(self.path)
        self._kept = DraftFile(self.path)
        self._restore()

    @property
    def texts(self) -> ProfileTexts:
        """The profile as it is being written."""
        return self._history.state

    @property
    def profile(self) -> Profile:
        """The profile as it is now, without what is half written.

        Raises:
            ProfileError: A check cannot be used.
        """
        for flaw in self.flaws():
            if flaw.part == CHECKS and flaw.severity == "error":
                raise ProfileError(f"checks: {flaw.message}", list=CHECKS)
        return self.texts.profile()

    @property
    def is_in_a_file(self) -> bool:
        """Whether there is a file of it."""
        return self.path.exists()

    # Editing --------------------------------------------------------------------------------------

    def replace(self, profile: Profile) -> None:
        """Put another profile in place of this one, such as one from a study; undo reverts that."""
        self._change(ProfileTexts.of(profile))

    def set_criterion(
        self, place: int, text: str | None = None, *, enabled: bool | None = None
    ) -> None:
        """Change a criterion.

        Args:
            place: Its place, from 0.
            text: Its new text. The seeds that broke the old one are forgotten.
            enabled: Whether it is used.
        """
        criteria = list(self.texts.criteria)
        criterion = criteria[place]
        if text is not None and text != criterion.text:
            criterion = replace(criterion, text=text, broken_by=())
        if enabled is not None:
            criterion = replace(criterion, enabled=enabled)
        criteria[place] = criterion
        topic = ""
        if text is not None:
            topic = f"criterion {place}"
        self._change(replace(self.texts, criteria=tuple(criteria)), topic)

    def add_criterion(self) -> int:
        """Add an empty criterion at the end; returns its place, from 0."""
        self._change(replace(self.texts, criteria=(*self.texts.criteria, Criterion(""))))
        return len(self.texts.criteria) - 1

    def remove_criterion(self, place: int) -> None:
        """Remove the criterion at this place, from 0."""
        criteria = self.texts.criteria
        self._change(replace(self.texts, criteria=(*criteria[:place], *criteria[place + 1 :])))

    def set_list(self, name: str, entries: Sequence[str]) -> None:
        """Replace the entries of a list of the variety; a new name makes a new list."""
        lists = dict(self.texts.variety)
        lists[name] = tuple(entries)
        self._change(replace(self.texts, variety=tuple(lists.items())), f"list {name}")

    def remove_list(self, name: str) -> None:
        """Remove a list of the variety."""
        lists = dict(self.texts.variety)
        del lists[name]
        self._change(replace(self.texts, variety=tuple(lists.items())))

    def set_checks(self, checks: Sequence[str]) -> None:
        """Replace the checks."""
        self._change(replace(self.texts, checks=tuple(checks)), CHECKS)

    def set_steering(self, question_steers: bool | None) -> None:
        """Say whether questions steer the answer; None if that is unknown."""
        self._change(replace(self.texts, question_steers=question_steers))

    def flaws(self) -> list[Flaw]:
        """Find what is wrong; `line` is the place of the criterion or check, from 1."""
        flaws = []
        for number, criterion in enumerate(self.texts.criteria, 1):
            if not criterion.text.strip():
                message = "It is empty. Write a rule, or remove it; it is left out until then."
                flaws.append(Flaw(CRITERIA, message, line=number, severity="warning"))
        for number, check in enumerate(self.texts.checks, 1):
            try:
                read_shipped_check(check)
            except SettingsError as error:
                flaws.append(Flaw(CHECKS, str(error), line=number))
        for name, entries in self.texts.variety:
            if len(entries) == 1:
                message = "It has only one entry, so nothing varies. Add more, or remove it."
                flaws.append(Flaw(part_of_list(name), message, severity="warning"))
        return flaws

    # Files ----------------------------------------------------------------------------------------

    def load(self, path: str | Path | None = None) -> None:
        """Replace the profile by the one in a file; undo brings yours back.

        Args:
            path: The file, which is its own from then on; by default the one that it has.

        Raises:
            ProfileError: The file cannot be used.
        """
        own = OwnFile(file_to_save(path, self.path, ".yaml"))
        texts = ProfileTexts.of(Profile.load(own.path))
        self._own_from_now(own)
        self._history.change(texts)
        self._history.mark_saved(texts)
        self._keep()

    def save(self, path: str | Path | None = None, *, overwrite: bool = False) -> Path:
        """Write the profile to its file, or to another, which is its own from then on.

        Changes made to its file in the meantime are merged where that is safe. Comments in the file
        stay.

        Args:
            path: Another file, which ends in `.yaml`.
            overwrite: Overwrite another file that exists, and changes that were made in its own
                meanwhile.

        Returns:
            The path of the file.

        Raises:
            ProfileError: A check cannot be used.
            SettingsError: The file's name ends otherwise.
            FileConflict: Something would be overwritten; then nothing is written.
        """
        target = file_to_save(path, self.path, ".yaml")
        profile = self.profile
        if not overwrite:
            if self._merge_with(target):
                profile = self.profile
            else:
                refuse_to_overwrite(target, self._own)
        profile.save(target)
        if self._has_kept and self._kept is not None:
            self._kept.remove()
        self._own_from_now(OwnFile(target))
        self._history.mark_saved(self.texts.finished())
        self._keep()
        return target

    def follow_file(self) -> bool:
        """Take over changes made to the file in the meantime, where that is safe.

        Returns:
            Whether something came.
        """
        return self._merge_with(self.path)

    def _merge_with(self, target: Path) -> bool:
        own = self._own
        if own is None or not own.is_at(target) or not own.has_changed:
            return False
        digest_now = OwnFile(target)
        try:
            theirs = ProfileTexts.of(Profile.load(target))
        except ProfileError:  # nothing to merge with: the conflict is shown
            return False
        merged = merge_profiles(self._history.saved_state, self.texts, theirs)
        if merged is None:
            return False
        if merged != self.texts:
            self._history.change(merged)
        self._history.mark_saved(theirs)
        self._own = digest_now
        self._keep()
        return True

    def _change(self, texts: ProfileTexts, topic: str = "") -> None:
        if texts != self.texts:
            self._history.change(texts, topic)
            self._keep()

    def _own_from_now(self, own: OwnFile) -> None:
        if self._kept is None or self.path != own.path:
            self._kept = DraftFile(own.path)
            self._has_kept = False
        self.path = own.path
        self._own = own

    def _keep(self) -> None:
        """Keep what is not saved on disk; remove what was kept there once all is saved."""
        if self._kept is None:
            return
        if self.changed:
            texts = self.texts.as_json()
            saved_texts = self._history.saved_state.as_json()
            digest = ""
            if self._own is not None:
                digest = self._own.digest
            self._kept.write(KeptDraft([texts], [saved_texts], digest))
            self._has_kept = True
        elif self._has_kept:
            self._kept.remove()
            self._has_kept = False

    def _restore(self) -> None:
        """Begin with the changes that were not saved the last time; undo goes back to the file."""
        assert self._kept is not None and self._own is not None, "a draft of a file"
        for kept in self._kept.read():
            self._restore_one(kept, self._kept)
        self.was_restored = self.changed

    def _restore_one(self, kept: KeptDraft, file: DraftFile) -> None:
        """Make the changes of one panel's draft."""
        assert self._own is not None, "a draft of a file"
        try:
            [texts] = [ProfileTexts.from_json(values) for values in kept.rows]
            [saved_texts] = [ProfileTexts.from_json(values) for values in kept.saved_rows]
        except (KeyError, TypeError, ValueError):
            file.refuse()
            return
        is_second = self._has_kept  # another panel changed the same profile
        self._has_kept = True
        if is_second or self._own.digest not in ("", kept.digest):  # the file has changed
            merged = merge_profiles(saved_texts, texts, self.texts)
            if merged is not None:
                texts = merged
            elif not is_second:  # saving will ask
                self._history.mark_saved(saved_texts)
                self._own = OwnFile(self.path, kept.digest)
        self._history.change(texts)


def _texts_in(path: Path) -> ProfileTexts:
    """The profile in a file; an empty one if there is no file. Raises ProfileError."""
    if path.exists():
        return ProfileTexts.of(Profile.load(path))
    return ProfileTexts()


# Merging ------------------------------------------------------------------------------------------
