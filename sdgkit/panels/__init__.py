"""Panels for notebooks: thin views of objects that work without them."""

from sdgkit.panels.compare import ComparePanel
from sdgkit.panels.export import ExportPanel
from sdgkit.panels.profile import ProfilePanel
from sdgkit.panels.prompt import PromptPanel
from sdgkit.panels.review import ReviewPanel
from sdgkit.panels.run import RunPanel
from sdgkit.panels.seeds import SeedPanel
from sdgkit.panels.shelf import ShelfPanel
from sdgkit.panels.studio_panel import StudioPanel, studio
from sdgkit.panels.teacher import TeacherPanel

__all__ = [
    "ComparePanel",
    "ExportPanel",
    "ProfilePanel",
    "PromptPanel",
    "ReviewPanel",
    "RunPanel",
    "SeedPanel",
    "ShelfPanel",
    "StudioPanel",
    "TeacherPanel",
    "studio",
]
