"""What goes wrong, and how long things take: drawn from seeded dice."""

import math
import random
from dataclasses import replace

from sdgkit.teachers.rehearsal.options import Options
from sdgkit.teachers.rehearsal.rules import Piece, text

ARRIVAL_FAULTS = ("error", "rate_limit", "drop", "hang")


class Arrivals:
    """Draws each arrival's fault and reply time; always the same row of them."""

    def __init__(self, options: Options) -> None:
        self._dice = random.Random("arrivals")
        shares = (options.error_rate, options.rate_limit, options.drop_rate, options.hang_rate)
        self._shares = (*shares, max(0.0, 1 - sum(shares)))
        self.take_time = options.mean_latency_ms > 0
        self._sigma = options.sigma
        # the mean of a log-normal distribution is exp(mu + sigma²/2)
        self._mu = math.log(options.mean_latency_ms or 1) - options.sigma**2 / 2
        self._longest_ms = 10 * options.mean_latency_ms

    def fault(self) -> str | None:
        """This arrival's fault, one of ARRIVAL_FAULTS, or None."""
        return self._dice.choices((*ARRIVAL_FAULTS, None), self._shares)[0]

    def seconds(self) -> float:
        """This arrival's reply time."""
        return min(self._dice.lognormvariate(self._mu, self._sigma), self._longest_ms) / 1000


def malformed(pieces: list[Piece], dice: random.Random) -> str:
    """The reply with its form broken in one of several ways that real models have."""
    ways = [
        "",
        "\n\n".join(piece.text for piece in pieces),  # no tags
        pieces[0].start,
        "I'm sorry, but I can't help with that request.",
    ]
    if any(piece.role == "score" for piece in pieces):
        ways += [_with_score(pieces, "11"), _with_score(pieces, "quite good, on the whole")]
    return dice.choice(ways)


def _with_score(pieces: list[Piece], score: str) -> str:
    return text([replace(piece, text=score) if piece.role == "score" else piece for piece in pieces])
