"""What the rules need of a skill."""

import random
from collections.abc import Mapping
from typing import Protocol

from sdgkit.rehearsal.reading import Assignment


class Skill(Protocol):
    """Writes the texts of one skill.

    Attributes:
        name: The name of its praise in `texts/verdicts.toml`.
    """

    name: str

    @property
    def off_questions(self) -> Mapping[str, str]:
        """Templates of questions that do not suit their context, and why not."""

    def context(self, assignment: Assignment, dice: random.Random) -> str:
        """A new context, of the kind of the seed example's."""

    def question(self, assignment: Assignment, dice: random.Random) -> str:
        """A question about the context in the material; sometimes one that does not suit it."""

    def response(self, assignment: Assignment) -> str:
        """The right response to the material, in the form of the seed example's."""
