"""The options of the rehearsal teacher: how slow, how busy and how faulty it is."""

from dataclasses import dataclass, field, fields
from typing import TypeVar

from sdgkit.errors import SettingsError

T = TypeVar("T")

_ARRIVAL_FAULTS = ("error_rate", "rate_limit", "drop_rate", "hang_rate")


def _option(default: T, help: str, metavar: str = "N", low: float = 0, high: float = 1) -> T:
    """A field with its line of help, and the lowest and the highest value it accepts."""
    metadata = {"help": help, "metavar": metavar, "low": low, "high": high}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one rehearsal teacher. Commands have them as `--mean-latency-ms` and so on.

    Rates are shares between 0 and 1. Latency and the faults of the connection (`error_rate`,
    `rate_limit`, `drop_rate`, `hang_rate`) are drawn again for every arrival, so that a retry
    succeeds. `malformed_rate` and `truncate_rate` depend on the request alone: the same request
    always has the same fault.

    Raises:
        SettingsError: A value is out of its range.

    Example:
        >>> Options(slots=0)
        Traceback (most recent call last):
        sdgkit.errors.SettingsError: slots must be a whole number from 1 to 1,000,000, not 0.
    """

    port: int = _option(0, "port on 127.0.0.1 to listen on; 0: any free port", high=65535)
    mean_latency_ms: float = _option(
        0.0, "mean reply time (log-normal, at most 10 times this); 0: none", "MS", high=3.6e6
    )
    sigma: float = _option(0.8, "spread of the reply times; 0 makes them all equal", high=10)
    slots: int = _option(
        64, "requests worked on at once; the rest wait in line", low=1, high=1_000_000
    )
    error_rate: float = _option(0.0, "share of requests answered with status 500", "SHARE")
    rate_limit: float = _option(0.0, "share of requests answered with status 429", "SHARE")
    retry_after: float = _option(
        0.0, "seconds in the Retry-After header of each 429; 0: no header", "SECONDS", high=86400
    )
    drop_rate: float = _option(
        0.0, "share of requests whose connection is closed without an answer", "SHARE"
    )
    hang_rate: float = _option(0.0, "share of requests that are never answered", "SHARE")
    malformed_rate: float = _option(0.0, "share of replies that break the requested form", "SHARE")
    truncate_rate: float = _option(0.0, "share of replies that are cut off halfway", "SHARE")
    context_length: int = _option(
        32768,
        "longest prompt and reply together (a token is 4 characters)",
        "TOKENS",
        low=1,
        high=1e8,
    )

    def __post_init__(self) -> None:
        """Refuse values out of range, by the option's own name."""
        for option in fields(self):
            value = getattr(self, option.name)
            low = option.metadata["low"]
            high = option.metadata["high"]
            is_whole = option.type is int
            has_type = isinstance(value, int) if is_whole else isinstance(value, int | float)
            if not has_type or not low <= value <= high:
                noun = "a whole number" if is_whole else "a number"
                raise SettingsError(
                    f"{option.name} must be {noun} from {low:,g} to {high:,.12g}, not {value!r}.",
                    setting=option.name,
                )
        total = sum(getattr(self, name) for name in _ARRIVAL_FAULTS)
        if total > 1:
            raise SettingsError(
                f"{', '.join(_ARRIVAL_FAULTS)} add up to {total:g}; they must not exceed 1.",
                setting=_ARRIVAL_FAULTS[0],
            )

    def changed(self) -> list[str]:
        """The names of the options whose values are not the defaults."""
        names = []
        for option in fields(self):
            if getattr(self, option.name) != option.default:
                names.append(option.name)
        return names
