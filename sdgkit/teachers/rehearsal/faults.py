"""What goes wrong, and how long things take: drawn from seeded dice."""

import math
import random

from sdgkit.teachers.rehearsal.draft import Draft, Piece
from sdgkit.teachers.rehearsal.options import Options

ARRIVAL_FAULTS = ("error", "rate_limit", "drop", "hang")


class Arrivals:
    """Draws each arrival's fault and reply time; the same `fault_seed` draws the same row of them."""

    def __init__(self, options: Options) -> None:
        self._dice = random.Random(f"arrivals {options.fault_seed}")
        shares = (options.error_rate, options.rate_limit, options.drop_rate, options.hang_rate)
        self._bounds = [(sum(shares[: n + 1]), fault) for n, fault in enumerate(ARRIVAL_FAULTS)]
        self.can_fail = sum(shares) > 0
        self.takes_time = options.mean_latency_ms > 0
        self._sigma = options.sigma
        # the mean of a log-normal distribution is exp(mu + sigma²/2)
        self._mu = math.log(options.mean_latency_ms or 1) - options.sigma**2 / 2
        cap = options.latency_cap_ms
        self._cap = 10 * options.mean_latency_ms if cap is None else cap

    def fault(self) -> str | None:
        """This arrival's fault, one of ARRIVAL_FAULTS, or None."""
        die = self._dice.random()
        return next((fault for bound, fault in self._bounds if die < bound), None)

    def seconds(self) -> float:
        """This arrival's reply time."""
        return min(self._dice.lognormvariate(self._mu, self._sigma), self._cap) / 1000


def request_dice(options: Options, digest: bytes) -> random.Random:
    """Dice that fall the same way for the same request (`digest`) and fault seed."""
    return random.Random(f"{options.fault_seed} {digest.hex()}")


def malformed(draft: Draft, dice: random.Random) -> str:
    """The draft's text with its form broken in one of several ways that real models have."""
    ways = [_nothing, _no_tags, _breaks_off, _refuses]
    if any(piece.role == "score" for piece in draft.pieces):
        ways += [_score_off_the_scale, _score_in_words]
    return dice.choice(ways)(draft)


def _nothing(draft: Draft) -> str:
    return ""


def _no_tags(draft: Draft) -> str:
    return "\n\n".join(piece.text for piece in draft.pieces)


def _breaks_off(draft: Draft) -> str:
    return draft.pieces[0].start


def _refuses(draft: Draft) -> str:
    return "I'm sorry, but I can't help with that request."


def _score_off_the_scale(draft: Draft) -> str:
    return _with_score(draft, "11")


def _score_in_words(draft: Draft) -> str:
    return _with_score(draft, "quite good, on the whole")


def _with_score(draft: Draft, score: str) -> str:
    pieces = (
        Piece(piece.role, piece.start, score, piece.end) if piece.role == "score" else piece for piece in draft.pieces
    )
    return Draft(tuple(pieces)).text()
