"""`mix`: one training set of a shelf, or of several runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.export.mix import MAX_REPEAT, Mix, MixPart, Replay, write_mix
from sdgkit.keywords import known_keywords
from sdgkit.run import Run, open_run
from sdgkit.seeds import read_file
from sdgkit.shelf.record import SHELF_FILE, is_shelf
from sdgkit.shelf.shelf import Shelf, open_shelf
from sdgkit.shelf.tree import is_chosen

MixSource = Shelf | str | Path | Sequence[Run | str | Path]
"""A shelf or its folder; or several runs or their folders."""


@known_keywords
def mix(
    source: MixSource,
    path: str | Path,
    format: str = "messages",
    *,
    weights: Mapping[str, float] | None = None,
    cap: int | None = None,
    max_repeat: float = MAX_REPEAT,
    replay: Mapping[str | Path, float] | None = None,
    test_share: float | None = None,
) -> Mix:
    """Mix several skills into one training set, and write it with a card.

    Each row has a column `skill`; no question appears in two skills. The decisions of
    reviews apply. The same runs and arguments give the same set.

    Args:
        source: A shelf, or its folder; or several runs, or their folders.
        path: The file to write, or the folder for "datasets".
        format: As for `Run.export`, without "preference".
        weights: How often each row of a skill is in the set, on average, by the skill's name or a
            pattern such as `writing/**`; the last pattern that fits counts (default: the weight in
            its `skill.toml`, or else 1). 0.5 takes half of the rows, 2 takes all of them twice.
        cap: The most rows of one skill (default: no limit).
        max_repeat: The highest weight allowed (default 3): a model learns by heart the rows that it
            sees often.
        replay: Existing sets to mix in, by their file, each with its share of the whole mix, such
            as 0.2. Their rows have `messages`, or `question` and `response`.
        test_share: The share of contexts to hold out: in a split of a folder (default 0.1), or in
            a second file beside the first (default none).

    Returns:
        What was written; it prints as a table.

    Raises:
        SettingsError: A weight, share or format cannot be used.
        SeedError: An existing set cannot be read.
        RunError: There is no sample, or the file cannot be written.
    """
    if cap is not None and cap < 1:
        raise SettingsError(f"cap must be a whole number of at least 1, not {cap}.", setting="cap")
    parts = [_weighed(part, weights or {}) for part in _parts_of(source)]
    _refuse_unused(weights or {}, parts)
    replays = []
    for file, share in (replay or {}).items():
        replays.append(
            Replay(Path(file).name, [row.columns for row in read_file(Path(file))], share)
        )
    return write_mix(
        parts,
        Path(path),
        format,
        cap=cap,
        max_repeat=max_repeat,
        replays=replays,
        test_share=test_share,
    )


def _parts_of(source: MixSource) -> list[MixPart]:
    shelf = _shelf_of(source)
    if shelf is not None:
        parts = []
        for entry, run in shelf.runs():
            # In a shelf, a skill is known by its path: taxonomies have many leaves of one name.
            part = replace(run.part(), skill=entry.name, key=entry.name)
            parts.append(MixPart(part, entry.weight))
        return parts
    assert not isinstance(source, Shelf)
    runs = [source] if isinstance(source, str | Path) else list(source)
    mix_parts: list[MixPart] = []
    for each in runs:
        run = each if isinstance(each, Run) else open_run(each)
        part = run.part()
        if part.key in [other.part.key for other in mix_parts]:
            raise SettingsError(f"{part.key} is named twice. Name each run once.", setting="source")
        mix_parts.append(MixPart(part))
    return mix_parts


def _shelf_of(source: MixSource) -> Shelf | None:
    if isinstance(source, Shelf):
        return source
    folder = None
    if isinstance(source, str | Path):
        folder = Path(source)
    elif len(source) == 1 and isinstance(source[0], str | Path):
        folder = Path(source[0])
    if folder is not None and is_shelf(folder):
        return open_shelf(folder)
    return None


def _weighed(mixed: MixPart, weights: Mapping[str, float]) -> MixPart:
    for pattern, weight in weights.items():
        if is_chosen(mixed.part.key, [pattern]) or pattern == mixed.part.skill:
            mixed = replace(mixed, weight=weight)
    return mixed


def _refuse_unused(weights: Mapping[str, float], parts: Sequence[MixPart]) -> None:
    for pattern in weights:
        if not any(
            is_chosen(mixed.part.key, [pattern]) or pattern == mixed.part.skill for mixed in parts
        ):
            names = ", ".join(mixed.part.key for mixed in parts[:5])
            raise SettingsError(
                f"The weight of {pattern!r} matches no skill. There are {len(parts)}: {names}"
                f"{' …' if len(parts) > 5 else ''}. ({SHELF_FILE} lists those of a shelf.)",
                setting="weights",
            )
