"""What another process needs to connect to the same teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sdgkit.rehearsal.options import Options as RehearsalOptions


@dataclass(frozen=True)
class Introduction:
    """How a teacher was connected. It holds the key, so it is sent and never written down.

    Attributes:
        kind: One of `settings.KINDS`.
        base_urls: Its addresses; none for a rehearsal teacher, which each machine starts for
            itself.
        model: The model that is asked.
        concurrency: Maximum concurrent requests.
        is_auto: Whether the number is found while requests are answered, up to that maximum.
        timeout: Seconds that one request may take.
        patience: Seconds to wait for it while it does not answer.
        rehearsal: How a rehearsal teacher behaves.
        key: The key; empty without one.
        key_file: The file that holds the key, if any. Where it can be read, it is read again
            whenever it changes.
        headers: Further headers with their values.
    """

    kind: str
    base_urls: Sequence[str]
    model: str
    concurrency: int
    is_auto: bool
    timeout: float
    patience: float
    rehearsal: RehearsalOptions
    key: str = field(default="", repr=False)
    key_file: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
