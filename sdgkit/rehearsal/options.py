"""What the rehearsal teacher can be told: how slow, how busy, how faulty it is."""

from dataclasses import dataclass, field, fields
from typing import Any

from sdgkit.errors import SettingsError


def _option(default: Any, help: str, metavar: str = "N", low: float = 0, high: float = 1) -> Any:
    """A setting, its line of help, and the lowest and highest value that it takes."""
    return field(
        default=default, metadata={"help": help, "metavar": metavar, "low": low, "high": high}
    )


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one rehearsal teacher; `mean_latency_ms` is `--mean-latency-ms` on the command line.

    Rates are shares between 0 and 1. Latency and the faults of the connection (`error_rate`, `rate_limit`,
    `drop_rate`, `hang_rate`) are drawn anew for every arrival, so that a retry gets through; `malformed_rate`
    and `truncate_rate` depend on the request alone: the same request meets the same fault.

    Raises:
        SettingsError: a value out of its range.
    """

    port: int = _option(0, "port on 127.0.0.1 to listen on; 0 takes a free one", high=65535)
    mean_latency_ms: float = _option(
        0.0, "mean reply time (log-normal, 10 times it at most); 0: none", "MS", 0, 3.6e6
    )
    sigma: float = _option(0.8, "spread of the log-normal reply times (0: all equal)", high=10)
    slots: int = _option(
        64, "requests worked on at once; the rest wait in line", low=1, high=1_000_000
    )
    error_rate: float = _option(0.0, "share of arrivals answered with status 500", "SHARE")
    rate_limit: float = _option(0.0, "share of arrivals answered with status 429", "SHARE")
    retry_after: float = _option(
        0.0, "send this Retry-After header with each 429 (0: none)", "SECONDS", high=86400
    )
    drop_rate: float = _option(
        0.0, "share of arrivals whose connection is closed without an answer", "SHARE"
    )
    hang_rate: float = _option(0.0, "share of arrivals that are never answered", "SHARE")
    malformed_rate: float = _option(
        0.0, "share of requests whose reply breaks the form asked for", "SHARE"
    )
    truncate_rate: float = _option(
        0.0, "share of requests whose reply is cut off half-way", "SHARE"
    )
    context_length: int = _option(
        32768, "longest prompt plus reply (a token is 4 characters)", "TOKENS", 1, 1e8
    )

    def changed(self) -> list[str]:
        """The names of the options whose values are not the defaults."""
        return [
            option.name for option in fields(self) if getattr(self, option.name) != option.default
        ]

    def __post_init__(self) -> None:
        """Refuse values out of range, in the option's own name."""
        for option in fields(self):
            value, low, high = (
                getattr(self, option.name),
                option.metadata["low"],
                option.metadata["high"],
            )
            kind, noun = (
                (int, "a whole number") if option.type is int else ((int, float), "a number")
            )
            if not isinstance(value, kind) or not low <= value <= high:
                wanted = f"it is {noun} from {low:,g} to {high:,.12g}"
                raise SettingsError(
                    f"rehearsal teacher: {option.name}={value!r} cannot be used; {wanted}."
                )
        arrivals = self.error_rate + self.rate_limit + self.drop_rate + self.hang_rate
        if arrivals > 1:
            raise SettingsError(
                f"error_rate, rate_limit, drop_rate and hang_rate add up to {arrivals:g}; 1 is the most."
            )
