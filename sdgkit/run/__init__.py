"""A run: planned, started, stopped, resumed, inspected; and its folder."""

from sdgkit.run.run import Run, open_run

__all__ = ["Run", "open_run"]
