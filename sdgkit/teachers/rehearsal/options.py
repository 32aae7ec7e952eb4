"""What the rehearsal teacher can be told: how slow, how busy, how faulty it is."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sdgkit.errors import SettingsError


def _option(default: Any, help: str, metavar: str = "N") -> Any:
    return field(default=default, metadata={"help": help, "metavar": metavar})


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one rehearsal teacher; `mean_latency_ms` is `--mean-latency-ms` on the command line.

    Rates are shares between 0 and 1. Latency and the faults of the connection (`error_rate`, `rate_limit`,
    `drop_rate`, `hang_rate`) are drawn anew for every arrival, so that a retry gets through; `malformed_rate`
    and `truncate_rate` depend on the request alone: the same request meets the same fault.

    Raises:
        SettingsError: a value out of its range.
    """

    port: int = _option(0, "port on 127.0.0.1 to listen on; 0 takes a free one")
    mean_latency_ms: float = _option(0.0, "mean reply time; reply times are log-normal. 0 answers at once", "MS")
    sigma: float = _option(0.8, "spread of the log-normal reply times (0: all equal)")
    latency_cap_ms: float | None = _option(None, "longest reply time (default: 10 times the mean)", "MS")
    slots: int = _option(64, "requests worked on at once; the rest wait in line")
    error_rate: float = _option(0.0, "share of arrivals answered with status 500", "SHARE")
    rate_limit: float = _option(0.0, "share of arrivals answered with status 429", "SHARE")
    retry_after: float | None = _option(None, "send this Retry-After header with each 429", "SECONDS")
    drop_rate: float = _option(0.0, "share of arrivals whose connection is closed without an answer", "SHARE")
    hang_rate: float = _option(0.0, "share of arrivals that are never answered", "SHARE")
    malformed_rate: float = _option(0.0, "share of requests whose reply breaks the form asked for", "SHARE")
    truncate_rate: float = _option(0.0, "share of requests whose reply is cut off half-way", "SHARE")
    context_length: int = _option(32768, "longest prompt plus reply, in tokens of about 4 characters", "TOKENS")
    fault_seed: int = _option(0, "another number meets other faults and reply times")
    require_key_env: str | None = _option(
        None, "answer 401 unless the key in this environment variable is sent", "NAME"
    )
    stay: bool = _option(False, "go on when standard input closes (by default it ends with its parent)")

    def __post_init__(self) -> None:
        """Refuse values out of range, in the option's own name."""
        for name in RATES:
            _check(name, getattr(self, name), 0, 1, "a share between 0 and 1")
        arrivals = self.error_rate + self.rate_limit + self.drop_rate + self.hang_rate
        if arrivals > 1:
            raise SettingsError(
                f"error_rate, rate_limit, drop_rate and hang_rate add up to {arrivals:g}; 1 is the most."
            )
        _check("port", self.port, 0, 65535, "a port number, 0 to 65535")
        _check("mean_latency_ms", self.mean_latency_ms, 0, 3.6e6, "milliseconds, 0 to 3,600,000")
        _check("sigma", self.sigma, 0, 10, "a number between 0 and 10")
        _check("slots", self.slots, 1, 1_000_000, "a whole number of at least 1")
        _check("context_length", self.context_length, 1, 100_000_000, "a whole number of at least 1")
        if self.latency_cap_ms is not None:
            _check("latency_cap_ms", self.latency_cap_ms, 0, 3.6e6, "milliseconds, 0 to 3,600,000")
        if self.retry_after is not None:
            _check("retry_after", self.retry_after, 0, 86400, "seconds, 0 to 86,400")

    def argv(self) -> list[str]:
        """The command line that gives a teacher these options (defaults left out)."""
        words = []
        for option in fields(self):
            value = getattr(self, option.name)
            if value == option.default:
                continue
            flag = "--" + option.name.replace("_", "-")
            words.append(flag if value is True else f"{flag}={value}")
        return words


RATES = ("error_rate", "rate_limit", "drop_rate", "hang_rate", "malformed_rate", "truncate_rate")


def _check(name: str, value: float, low: float, high: float, meaning: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise SettingsError(f"rehearsal teacher: {name}={value!r} cannot be used; it is {meaning}.")


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


def parse_options(argv: Sequence[str] | None = None) -> Options:
    """Options from a command line; wrong ones end the process with status 2 and the reason."""
    parser = argparse.ArgumentParser(
        prog="python -m sdgkit.teachers.rehearsal",
        description="The rehearsal teacher: an OpenAI-compatible server on this machine, with rules instead "
        "of a model, for trying out a whole run (its speed, faults and files) before paying for one.",
        allow_abbrev=False,
    )
    for option in fields(Options):
        flag = "--" + option.name.replace("_", "-")
        text = option.metadata["help"]
        if option.type is bool:
            parser.add_argument(flag, action="store_true", help=text)
            continue
        if option.default is not None and "default" not in text:
            text += f" (default: {option.default:g})"
        kind = int if option.type is int else str if option.name == "require_key_env" else float
        parser.add_argument(flag, type=kind, default=option.default, metavar=option.metadata["metavar"], help=text)
    try:
        return Options(**vars(parser.parse_args(argv)))
    except SettingsError as error:
        parser.error(str(error))
