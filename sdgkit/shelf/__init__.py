"""A shelf: several skills at once, each in a folder of its own, with one teacher and one funnel."""

from sdgkit.shelf.generate import generate_shelf
from sdgkit.shelf.record import ShelfSkill, is_shelf
from sdgkit.shelf.shelf import Shelf, open_shelf
from sdgkit.shelf.snapshot import ShelfSnapshot, funnel_of_all
from sdgkit.shelf.tree import Leaf, find_leaves, is_tree

__all__ = [
    "Leaf",
    "Shelf",
    "ShelfSkill",
    "ShelfSnapshot",
    "find_leaves",
    "funnel_of_all",
    "generate_shelf",
    "is_shelf",
    "is_tree",
    "open_shelf",
]
