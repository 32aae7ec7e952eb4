"""The rows on which a stage's prompt can be tried: those of a run, and seeds that stand in."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from sdgkit.evaluation.method_stages import pipeline_of, stand_in
from sdgkit.run import Run
from sdgkit.run.seed_samples import SeedSamples, token_budget
from sdgkit.samples import Row, own_question
from sdgkit.seeds import Seed

MOST_ROWS = 20  # of a run


def seed_rows(seeds: Iterable[Seed], stage: str) -> list[dict[str, Any]]:
    """A row for each seed, on which the prompt of this stage can be tried.

    Where the stage gets what an earlier one wrote, the seed's own context (and question) stand in
    for it, and the *next* seed is the example: beside itself, a seed would show the teacher the
    very answer that is wanted. They see the other seeds as in a run with a server that does not say
    how much it holds.

    Args:
        seeds: The seeds, or rows of an earlier stage.
        stage: The name of the stage.
    """
    all_seeds = list(seeds)
    samples = SeedSamples(all_seeds, token_budget([None]))
    rows = []
    for place, seed in enumerate(all_seeds):
        example = all_seeds[(place + 1) % len(all_seeds)]
        row = stand_in(seed, stage)
        has_stand_in = len(all_seeds) > 1 and any(
            name not in seed and f"seed_{name}" in seed for name in row
        )
        if has_stand_in:
            of_example = {}
            for name in example:
                if name.startswith("seed_"):
                    of_example[name] = example[name]
            row = {**row, **of_example}
        rows.append({"id": f"s{place + 1}", **row, **samples.variables_of(row)})
    return rows


def run_rows(run: Run, stage: str, seeds: Sequence[Seed]) -> list[dict[str, Any]]:
    """The first rows that reached this stage in a run, as far as samples and drops show.

    Args:
        run: The run.
        stage: The name of the stage.
        seeds: The seeds of which the rows see some.
    """
    names = _columns_before(stage)
    if "context" not in names and "question" not in names:
        return []  # the first stage gets the seeds themselves
    samples = SeedSamples(list(seeds), token_budget([None]))
    rows: dict[str, dict[str, Any]] = {}
    for source in (run.samples(), run.drops()):
        for outcome in islice(source, MOST_ROWS * 10):
            row = _row_before(outcome, names)
            if row is not None and row["id"] not in rows:
                rows[row["id"]] = {**row, **samples.variables_of(row)}
            if len(rows) == MOST_ROWS:
                return list(rows.values())
    return list(rows.values())


def _columns_before(stage: str) -> list[str]:
    """The columns that the stages before this one write."""
    names: list[str] = []
    for earlier in pipeline_of(stage).stages:
        if earlier.name == stage:
            break
        names += earlier.columns
    written = []
    for name in names:
        if name in ("context", "question", "response"):
            written.append(name)
    return written


def _row_before(row: Row, names: Sequence[str]) -> dict[str, Any] | None:
    """A sample or drop as it was before the stage; None if it did not get that far."""
    written = row
    if row.get("question"):
        written = {**row, "question": own_question(row)}
    if any(not written.get(name) for name in names):
        return None
    columns = {name: written[name] for name in names}
    inputs = {}
    for name, value in row.items():
        if name.startswith("seed_") or name == "task_description":
            inputs[name] = value
    parts = str(row["id"]).split("/")
    has_contexts = "context" in names
    depth = len(parts) if "question" in names else (2 if has_contexts else 1)
    return {"id": "/".join(parts[:depth]), **inputs, **columns}
