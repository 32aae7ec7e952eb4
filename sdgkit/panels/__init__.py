"""Panels for notebooks: thin views of objects that work without them. Only this room needs a front end's libraries."""

from sdgkit.panels.review import ReviewPanel
from sdgkit.panels.run import RunPanel

__all__ = ["ReviewPanel", "RunPanel"]
