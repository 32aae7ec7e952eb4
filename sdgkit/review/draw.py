"""The samples with which a review begins."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sdgkit.samples import Row, seed_of

DRAWN = 20  # samples with which a review begins


def draw(samples: Mapping[str, Row], keys: Mapping[str, str], number: int = DRAWN) -> list[str]:
    """Draw samples across seeds and scores, the same ones every time.

    Seeds take turns, and within a seed its scores do. Among equals the hash of the content decides,
    which is as good as chance.

    Args:
        samples: All samples by id.
        keys: The hash of each sample's content, by id.
        number: How many to draw.

    Returns:
        The ids, in the order drawn.
    """
    ids_by_seed: dict[str, list[str]] = {seed_of(id_): [] for id_ in samples}
    for id_ in sorted(samples, key=keys.__getitem__):
        ids_by_seed[seed_of(id_)].append(id_)
    by_seed = [_across_scores(ids, samples) for ids in ids_by_seed.values()]
    return _take_turns(by_seed)[:number]


def _across_scores(ids: Sequence[str], samples: Mapping[str, Row]) -> list[str]:
    """The ids of one seed, its scores taking turns."""
    ids_by_score: dict[object, list[str]] = defaultdict(list)
    for id_ in ids:
        ids_by_score[samples[id_].get("score")].append(id_)
    return _take_turns(list(ids_by_score.values()))


def _take_turns(groups: Sequence[Sequence[str]]) -> list[str]:
    """The first of each group, then the second of each, and so on."""
    ids: list[str] = []
    turns = max((len(group) for group in groups), default=0)
    for turn in range(turns):
        ids += [group[turn] for group in groups if turn < len(group)]
    return ids
