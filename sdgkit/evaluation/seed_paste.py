"""Rows that were copied in a spreadsheet, as seeds."""

import csv
import io

from sdgkit.errors import SeedError
from sdgkit.evaluation.seed_rules import CONTEXT, QUESTION, RESPONSE, TASK
from sdgkit.formatting import pluralize
from sdgkit.seeds import Seed, read_seeds, seed_texts
from sdgkit.seeds.column_names import is_known_name, plain_name

# What the cells of a row are where no row above names them.
_COLUMNS_BY_NUMBER = {
    2: (QUESTION, RESPONSE),
    3: (CONTEXT, QUESTION, RESPONSE),
    4: (TASK, CONTEXT, QUESTION, RESPONSE),
}


def seeds_in_table(text: str, task: str = "") -> list[Seed]:
    """The seeds in rows that were copied in a spreadsheet.

    Args:
        text: The rows as spreadsheets copy them: cells separated by tabs, those with line breaks in
            double quotes. The first row may name the columns; otherwise two cells are question and
            response, three have the context before them, and four the task before that.
        task: The task description of rows that have none.

    Raises:
        SeedError: If the rows cannot be used.

    Example:
        >>> [seed["seed_response"] for seed in seeds_in_table("Yes?\\tYES\\nNo?\\tNO", "Shout.")]
        ['YES', 'NO']
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    rows = []
    for cells in reader:
        if any(cell.strip() for cell in cells):
            rows.append(cells)
    if not rows:
        raise SeedError("There is nothing to paste: all cells are empty.")
    names = [plain_name(name) for name in rows[0]]
    if sum(map(is_known_name, names)) >= 2:
        named = [dict(zip(names, cells, strict=False)) for cells in rows[1:]]
        seeds = read_seeds(named, task=task or None)
        return [_with_all_columns(dict(seed), task) for seed in seeds]
    return [_with_all_columns(_by_number(cells), task) for cells in rows]


def _by_number(cells: list[str]) -> Seed:
    columns = _COLUMNS_BY_NUMBER.get(len(cells))
    if columns is None:
        raise SeedError(
            f"A row of {pluralize(len(cells), 'cell')} cannot be told apart. Copy two columns "
            "(question, response), three (context first) or four (task description first), or a "
            "first row with the names of the columns."
        )
    return dict(zip(columns, cells, strict=True))


def _with_all_columns(seed: Seed, task: str) -> Seed:
    texts = seed_texts(seed)
    texts[TASK] = texts[TASK] or task
    return texts
