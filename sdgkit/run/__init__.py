"""A run: planned, started, stopped, resumed, inspected; and its folder."""

from sdgkit.run.run import EMPTY, Run, open_run

__all__ = ["EMPTY", "Run", "open_run"]
