"""The command `sdgkit`."""

from sdgkit.cli.main import main

__all__ = ["main"]
