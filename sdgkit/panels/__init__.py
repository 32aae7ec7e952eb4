"""Panels for notebooks: thin views of objects that work without them."""

from sdgkit.panels.compare import ComparePanel
from sdgkit.panels.profile import ProfilePanel
from sdgkit.panels.prompt import PromptPanel
from sdgkit.panels.review import ReviewPanel
from sdgkit.panels.run import RunPanel
from sdgkit.panels.seeds import SeedPanel
from sdgkit.panels.teacher import TeacherPanel

__all__ = [
    "ComparePanel",
    "ProfilePanel",
    "PromptPanel",
    "ReviewPanel",
    "RunPanel",
    "SeedPanel",
    "TeacherPanel",
]
