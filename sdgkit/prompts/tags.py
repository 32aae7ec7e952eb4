"""The tags around a column's value in a reply."""

from typing import NamedTuple


class TagPair(NamedTuple):
    """The tags around the value of one output column.

    Attributes:
        start: The tag before the value; "" if the value begins with the reply.
        end: The tag after the value; "" if the value ends with the reply.
    """

    start: str
    end: str
