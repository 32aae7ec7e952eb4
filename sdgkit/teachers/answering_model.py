"""Notices when another model answers behind the same address.

Servers name one model in various ways (an alias, a path, a version with a date), so what a reply
says is never held against the name that was asked for, only against earlier replies.
"""

LONGEST_NAME = 200  # characters
MOST_NAMES = 4
"""After so many names, a server changes what it says with the replies, and is not believed."""


class AnsweringModel:
    """The names under which one server has answered, from its first reply on."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def change_to(self, name: object) -> str:
        """Look at what a reply says in its field `model`.

        Args:
            name: The field as the server wrote it; None where there is none.

        Returns:
            The name of the first reply if this one is new, otherwise an empty text.

        Example:
            >>> answering = AnsweringModel()
            >>> answering.change_to("small-v1"), answering.change_to("small-v2")
            ('', 'small-v1')
        """
        if not isinstance(name, str) or not name.strip():
            return ""
        shortened = name.strip()[:LONGEST_NAME]
        if shortened in self._names or len(self._names) == MOST_NAMES:
            return ""
        self._names.append(shortened)
        if len(self._names) == 1:
            return ""
        return self._names[0]
