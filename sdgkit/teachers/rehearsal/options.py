"""What the rehearsal teacher can be told: how slow, how busy, how faulty it is."""

from dataclasses import dataclass, field, fields
from typing import Any

from sdgkit.errors import SettingsError

HOUR_MS = 3.6e6


def _option(default: Any, help: str, metavar: str = "N", low: float = 0, high: float = 1) -> Any:
    """A setting, its line of help, and the lowest and highest value that it takes."""
    return field(default=default, metadata={"help": help, "metavar": metavar, "low": low, "high": high})


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
        0.0, "mean reply time; they are log-normal, 10 times the mean at most. 0 answers at once", "MS", high=HOUR_MS
    )
    sigma: float = _option(0.8, "spread of the log-normal reply times (0: all equal)", high=10)
    slots: int = _option(64, "requests worked on at once; the rest wait in line", low=1, high=1_000_000)
    error_rate: float = _option(0.0, "share of arrivals answered with status 500", "SHARE")
    rate_limit: float = _option(0.0, "share of arrivals answered with status 429", "SHARE")
    retry_after: float | None = _option(None, "send this Retry-After header with each 429", "SECONDS", high=86400)
    drop_rate: float = _option(0.0, "share of arrivals whose connection is closed without an answer", "SHARE")
    hang_rate: float = _option(0.0, "share of arrivals that are never answered", "SHARE")
    malformed_rate: float = _option(0.0, "share of requests whose reply breaks the form asked for", "SHARE")
    truncate_rate: float = _option(0.0, "share of requests whose reply is cut off half-way", "SHARE")
    context_length: int = _option(
        32768, "longest prompt plus reply, in tokens of about 4 characters", "TOKENS", low=1, high=100_000_000
    )

    def __post_init__(self) -> None:
        """Refuse values out of range, in the option's own name."""
        for option in fields(self):
            value, low, high = getattr(self, option.name), option.metadata["low"], option.metadata["high"]
            whole = option.type is int
            is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not (value is None and option.default is None) and not (is_number and low <= value <= high):
                kind = "a whole number" if whole else "a number"
                meaning = f"{kind} from {low:,g} to {high:,.12g}"
                raise SettingsError(f"rehearsal teacher: {option.name}={value!r} cannot be used; it is {meaning}.")
        arrivals = self.error_rate + self.rate_limit + self.drop_rate + self.hang_rate
        if arrivals > 1:
            raise SettingsError(
                f"error_rate, rate_limit, drop_rate and hang_rate add up to {arrivals:g}; 1 is the most."
            )


def named_options(**given: Any) -> Options:
    """Options from keyword arguments.

    Raises:
        SettingsError: an unknown name (the known ones are listed) or a value out of range.
    """
    known = [option.name for option in fields(Options)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(f"The rehearsal teacher has no option {', '.join(unknown)}; it knows {', '.join(known)}.")
    return Options(**given)
