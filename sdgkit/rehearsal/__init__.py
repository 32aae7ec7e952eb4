"""The rehearsal teacher: a real server on this machine, with rules instead of a model.

`start()` runs it as a process of its own that ends with this one.
"""

from sdgkit.rehearsal.process import RehearsalProcess, start

__all__ = ["RehearsalProcess", "start"]
