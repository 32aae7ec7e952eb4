"""What can be undone in a review, and made again."""

from collections.abc import Sequence

from sdgkit.decisions import Decision


class History:
    """Which decisions were made together, and which were taken back since the last one."""

    def __init__(self) -> None:
        self._together: dict[int, int] = {}  # how many, by the number of the last of them
        self._taken_back: list[Sequence[Decision]] = []  # the group to come back first stands last

    def made(self, last_number: int, count: int) -> None:
        """Note decisions that were made together.

        Args:
            last_number: The number of the last of them.
            count: How many they are.
        """
        if count > 1:
            self._together[last_number] = count

    def forget_taken_back(self) -> None:
        """Nothing can be made again once something new was decided."""
        self._taken_back.clear()

    def to_undo(self, newest_first: Sequence[Decision]) -> Sequence[Decision]:
        """The decisions that an undo takes back, in the order in which they were made.

        Args:
            newest_first: All decisions that hold; at least one.
        """
        count = self._together.get(newest_first[0].number, 1)
        return list(reversed(newest_first[:count]))

    def taken_back(self, decisions: Sequence[Decision]) -> None:
        """Note decisions that an undo took back."""
        self._together.pop(decisions[-1].number, None)
        self._taken_back.append(decisions)

    @property
    def to_redo(self) -> Sequence[Decision]:
        """The decisions that a redo makes again, in their order; empty if there are none."""
        return self._taken_back[-1] if self._taken_back else ()

    def made_again(self, last_number: int) -> None:
        """Note that those to redo were made again, the last of them under this number."""
        self.made(last_number, len(self._taken_back.pop()))
