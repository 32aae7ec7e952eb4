"""Panels for notebooks: thin views of objects that work without them. Only this room needs a front end's libraries."""

from sdgkit.panels.compare import ComparePanel
from sdgkit.panels.prompt import PromptPanel
from sdgkit.panels.review import ReviewPanel
from sdgkit.panels.run import RunPanel
from sdgkit.panels.seeds import SeedPanel
from sdgkit.panels.teacher import TeacherPanel

__all__ = ["ComparePanel", "PromptPanel", "ReviewPanel", "RunPanel", "SeedPanel", "TeacherPanel"]
