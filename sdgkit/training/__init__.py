"""A small model learns the skill on your own machine: load it, watch it train, ask it, count.

This room serves tutorial 8, and needs the extra `train` (`pip install 'sdgkit[train]'`). Training
itself is TRL's and PEFT's; what is here shows how far it is and what it has brought.
"""

from sdgkit.training.answering import Student
from sdgkit.training.learning import Learning, Lesson
from sdgkit.training.small_model import SMALL_MODEL, load_model
from sdgkit.training.watching import train

__all__ = ["SMALL_MODEL", "Learning", "Lesson", "Student", "load_model", "train"]
