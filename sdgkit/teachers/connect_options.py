"""The options of `connect` beside the three that name a teacher, for what passes them on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict


class ConnectOptions(TypedDict, total=False):
    """Options of `connect`, which explains them. It chooses those that are left out."""

    api_key: str | None
    concurrency: int | str | None
    timeout: float
    patience: float
    key_file: str | Path | None
    headers: str | Sequence[str] | Mapping[str, str] | None
    port: int
    mean_latency_ms: float
    sigma: float
    slots: int
    error_rate: float
    rate_limit: float
    retry_after: float
    drop_rate: float
    hang_rate: float
    malformed_rate: float
    truncate_rate: float
    context_length: int
