"""What keeps seeds from being used while they are written."""

from __future__ import annotations

from collections import defaultdict

from sdgkit.errors import SeedError
from sdgkit.evaluation.drafts import Flaw
from sdgkit.evaluation.seed_check import check_seeds
from sdgkit.evaluation.seed_findings import Finding
from sdgkit.evaluation.seed_rules import CONTEXT, QUESTION
from sdgkit.seeds import Seed, read_seeds

FlawsByPlace = dict[int | None, list[Flaw]]

MAX_CHECKED = 50  # seeds that are checked at each change: that takes some tenths of a second


def flaws_of(seeds: list[Seed]) -> FlawsByPlace:
    """What is wrong with the seeds, by place."""
    flaws: FlawsByPlace = defaultdict(list)
    complete = len(seeds)  # how many seeds there are before the first one that is not
    with_context = 0
    for seed in seeds:
        if CONTEXT in seed:
            with_context += 1
    for place, seed in enumerate(seeds):
        errors = errors_in(seed)
        if with_context and CONTEXT not in seed:
            errors.append(_missing_context(with_context, len(seeds)))
        if errors:
            flaws[place] = errors
            complete = min(complete, place)
    if len(seeds) > MAX_CHECKED:
        hint = (
            f"Up to {MAX_CHECKED} seeds are checked while you write. "
            f"Use check_seeds to check all {len(seeds)}."
        )
        flaws[None] = [Flaw("", hint, severity="hint")]
    elif complete:
        for finding in check_seeds(seeds[:complete]):
            if finding.row is not None:
                flaws[finding.row - 1].append(flaw_of_finding(finding))
            elif complete == len(seeds):
                flaws[None].append(flaw_of_finding(finding))
    return flaws


def errors_in(seed: Seed) -> list[Flaw]:
    """Why a seed cannot be used."""
    errors = []
    try:
        read_seeds([seed])
    except SeedError as error:
        for finding in error.findings:
            if finding.column in seed:
                errors.append(Flaw(finding.column, f"It {finding.problem}"))
            else:
                errors.append(Flaw(QUESTION, f"This seed cannot be used: {finding}"))
    return errors


def _missing_context(with_context: int, seeds: int) -> Flaw:
    return Flaw(
        CONTEXT,
        f"It is empty, but {with_context} of {seeds} seeds have a context. "
        "Give all of them one, or none.",
    )


def flaw_of_finding(finding: Finding) -> Flaw:
    """A finding of the seed check as a flaw beside its field."""
    sentences = f"{finding.problem} {finding.advice}"
    return Flaw(finding.column, sentences, severity=finding.severity)
