"""What a run leaves to read: templates, stylesheets, pictures."""

from sdgkit.pages.filling import fill

__all__ = ["fill"]
