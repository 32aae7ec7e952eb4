"""The names that people's files have for the columns of a seed, and what they stand for.

A file is read by these names only where they are clear: one column for each part of a seed. What
could be meant in two ways is left to the user, with `--column`.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from sdgkit.errors import SettingsError
from sdgkit.seeds.chats import question_and_answer
from sdgkit.seeds.rows import Place, Seed, SourceRow, Unreadable

TASK = "task_description"
CONTEXT = "seed_context"
QUESTION = "seed_question"
RESPONSE = "seed_response"
CONTEXT_COLUMNS = ("context", "question")
"""Those of your own contexts, which are read from another file."""

# By column of a seed: the names that data sets of the field use (Alpaca, Dolly, SQuAD's kin, TRL).
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    TASK: ("task",),
    CONTEXT: ("context", "input"),
    QUESTION: ("question", "instruction", "prompt", "query"),
    RESPONSE: ("answer", "response", "output", "completion"),
}
# Alpaca's `input` is the material of its `instruction`; elsewhere it is the question itself.
_MATERIAL_ONLY_BESIDE = {"input": "instruction"}
# Names that stand for question and answer only where both of a pair are there.
_PAIRS = (
    ("user", "assistant"),
    ("human", "assistant"),
    ("human", "gpt"),
    ("problem", "solution"),
    ("inputs", "targets"),
    ("input", "output"),
    ("input", "target"),
    ("source", "target"),
)
# The numbers that pandas writes beside the rows.
_INDEX_NAMES = re.compile(r"|index|level_0|unnamed: ?\d+|__index_level_\d+__", re.IGNORECASE)
_CHATS = ("messages", "conversations", "conversation")
_CHAT_HALVES = ("prompt", "completion")


def plain_name(name: str) -> str:
    """A column's name in small letters with underscores.

    Example:
        >>> plain_name(" Seed Question")
        'seed_question'
    """
    return re.sub(r"[\s-]+", "_", name.strip()).lower()


def is_known_name(name: str) -> bool:
    """Whether a name, in whatever letters, means a column of a seed."""
    plain = plain_name(name)
    return plain in OTHER_NAMES or any(plain in names for names in OTHER_NAMES.values())


def parse_columns(columns: Mapping[str, str] | Iterable[str] | str | None) -> dict[str, str]:
    """The columns that the user mapped: the name in sdgkit, and the name in the file.

    Args:
        columns: A mapping, or "seed_response=answer", or several of those.

    Raises:
        SettingsError: It is something else.

    Example:
        >>> parse_columns("seed_response=answer")
        {'seed_response': 'answer'}
    """
    if columns is None:
        return {}
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, Mapping):
        pairs = list(columns.items())
    else:
        pairs = [tuple(str(entry).split("=", 1)) for entry in columns]  # type: ignore[misc]
    allowed = (*OTHER_NAMES, *CONTEXT_COLUMNS)
    for pair in pairs:
        if len(pair) != 2 or pair[0] not in allowed or not pair[1]:
            raise SettingsError(
                f"A column is mapped as NAME=COLUMN, such as seed_response=answer, with a NAME "
                f"among {', '.join(allowed)}; not {'='.join(map(str, pair))!r}.",
                setting="columns",
                choices=allowed,
            )
    return dict(pairs)


def with_seed_columns(
    rows: Sequence[SourceRow], columns: Mapping[str, str], task: str | None
) -> tuple[list[SourceRow], list[str]]:
    """Rows under the names that seeds have.

    Args:
        rows: Rows as they were read.
        columns: The columns that you mapped, as `parse_columns` gives them.
        task: The task description of all of them, in place of what the rows say.

    Returns:
        The rows, and sentences about what was mapped.

    Raises:
        Unreadable: A row has no such column, or a chat that is not one question and one answer.
    """
    notes: list[str] = []
    rows = without_index(rows)
    rows = _renamed(rows, columns)
    if not columns:
        rows = _from_chats(rows, notes)
    rows = _renamed(rows, _certain_columns(rows, notes))
    if task is not None:
        rows = [_with_task(row, task) for row in rows]
    return rows, notes


def _names_of(rows: Sequence[SourceRow]) -> list[str]:
    names: dict[str, None] = {}
    for row in rows:
        if isinstance(row.columns, dict):
            names.update(dict.fromkeys(name for name in row.columns if isinstance(name, str)))
    return list(names)


def without_index(rows: Sequence[SourceRow]) -> list[SourceRow]:
    """The rows without a first column that only numbers them."""
    names = _names_of(rows)
    candidates = []
    for name in names[:1]:
        if _INDEX_NAMES.fullmatch(name.strip()):
            candidates.append(name)
    for name in names[1:]:
        if name.startswith("__index_level_"):
            candidates.append(name)
    for name in candidates:
        values = []
        for row in rows:
            if isinstance(row.columns, dict):
                values.append(row.columns.get(name))
        if all(re.fullmatch(r"\d+(\.0)?", str(value)) for value in values):
            rows = [_without(row, name) for row in rows]
    return list(rows)


def _without(row: SourceRow, name: str) -> SourceRow:
    if not isinstance(row.columns, dict):
        return row
    columns = {}
    for key in row.columns:
        if key != name:
            columns[key] = row.columns[key]
    return replace(row, columns=columns)


def _candidates(names: Sequence[str], column: str, others: Container[str]) -> list[str]:
    """The names of the columns that may be this one: by its own name, else by one of the others."""
    same = []
    alike = []
    for name in names:
        if not _is_material(name, names):
            continue
        if plain_name(name) == column:
            same.append(name)
        elif plain_name(name) in others:
            alike.append(name)
    return same or alike


def _certain_columns(rows: Sequence[SourceRow], notes: list[str]) -> dict[str, str]:
    """The columns that can only stand for one of a seed's, by the seed's name."""
    names = _names_of(rows)
    if QUESTION in names and RESPONSE in names and TASK in names:
        return {}
    certain: dict[str, str] = {}
    for column, others in OTHER_NAMES.items():
        if column in names:
            continue
        candidates = _candidates(names, column, others)
        if len(candidates) == 1:
            certain[column] = candidates[0]
    if QUESTION not in {*certain, *names}:
        certain |= _certain_pair(names)
    plain = dict.fromkeys(names)
    mapped = QUESTION in certain or QUESTION in plain
    if not mapped or not (RESPONSE in certain or RESPONSE in plain):
        return {}
    context = certain.get(CONTEXT)
    if context is not None and not _is_filled(rows, context):
        del certain[CONTEXT]
    shown = []
    for column, name in certain.items():
        if name != column:
            shown.append(f"{column} from {name!r}")
    if shown:
        notes.append(f"Columns are read by their names: {', '.join(shown)}.")
    return certain


def _certain_pair(names: Sequence[str]) -> dict[str, str]:
    """The columns of the one pair of names that stands for question and answer; {} if not one."""
    by_plain_name = {plain_name(name): name for name in names}
    pairs = []
    for question, response in _PAIRS:
        if question in by_plain_name and response in by_plain_name:
            pairs.append({QUESTION: by_plain_name[question], RESPONSE: by_plain_name[response]})
    return pairs[0] if len(pairs) == 1 else {}


def _is_material(name: str, names: Sequence[str]) -> bool:
    needed = _MATERIAL_ONLY_BESIDE.get(plain_name(name))
    return needed is None or needed in map(plain_name, names)


def _is_filled(rows: Sequence[SourceRow], name: str) -> bool:
    """Whether a column has a text in some row; Alpaca's `input` is often empty in all."""
    values = []
    for row in rows:
        if isinstance(row.columns, dict):
            values.append(row.columns.get(name))
    return any(isinstance(value, str) and value.strip() for value in values)


def _renamed(rows: Sequence[SourceRow], columns: Mapping[str, str]) -> list[SourceRow]:
    if not columns:
        return list(rows)
    names = _names_of(rows)
    for column, name in columns.items():
        if rows and name not in names:
            raise Unreadable(
                f"there is no column {name!r} for {column}; the columns are {', '.join(names)}.",
                rows[0].place,
            )
    new_names = {name: column for column, name in columns.items()}
    return [_with_names(row, new_names) for row in rows]


def _with_names(row: SourceRow, new_names: Mapping[str, str]) -> SourceRow:
    if not isinstance(row.columns, dict):
        return row
    columns: Seed = {}
    for name, value in row.columns.items():
        column = new_names.get(name, name)
        is_replaced = name not in new_names and column in new_names.values()
        if not is_replaced:  # what you map takes the place of a column of that name
            columns[column] = value
    places = {new_names.get(name, name): place for name, place in row.column_places.items()}
    return replace(row, columns=columns, column_places=places)


def _with_task(row: SourceRow, task: str) -> SourceRow:
    if not isinstance(row.columns, dict):
        return row
    others = {}
    for name, value in row.columns.items():
        if name != TASK:
            others[name] = value
    return replace(row, columns={TASK: task, **others})


def _from_chats(rows: Sequence[SourceRow], notes: list[str]) -> list[SourceRow]:
    """Rows that are chats as a question and its answer."""
    chat_columns = _chat_columns(rows)
    if not chat_columns:
        return list(rows)
    converted = []
    has_system = False
    for row in rows:
        columns = {}
        if isinstance(row.columns, dict):
            columns = row.columns
        try:
            exchange = question_and_answer(_chat_in(columns, chat_columns))
        except ValueError as error:
            place = _place_in(row, chat_columns[0])
            raise Unreadable(f"column {chat_columns[0]}: {error}", place) from None
        seed: Seed = {}
        for name in columns:
            if name not in chat_columns:
                seed[name] = columns[name]
        seed |= {QUESTION: exchange.question, RESPONSE: exchange.answer}
        if exchange.system and TASK not in seed:
            seed[TASK] = exchange.system
            has_system = True
        converted.append(replace(row, columns=seed))
    source = ", and the system message as the task description" if has_system else ""
    named = " and ".join(map(repr, chat_columns))
    notes.append(f"The chats in {named} are read as question and answer{source}.")
    return converted


def _chat_columns(rows: Sequence[SourceRow]) -> list[str]:
    """The columns that hold chats: one with all of it, or TRL's two halves of it."""
    names = _names_of(rows)
    if not rows or QUESTION in names:
        return []
    whole = []
    for name in _CHATS:
        if name in names:
            whole.append(name)
    if whole:
        return whole[:1]
    first = {}
    if isinstance(rows[0].columns, dict):
        first = rows[0].columns
    are_halves = all(isinstance(first.get(name), list) for name in _CHAT_HALVES)
    if not are_halves:
        return []
    return list(_CHAT_HALVES)


def _chat_in(columns: Seed, chat_columns: Sequence[str]) -> object:
    if len(chat_columns) == 1:
        return columns.get(chat_columns[0])
    messages: list[object] = []
    for name in chat_columns:
        half = columns.get(name)
        if isinstance(half, list):
            messages.extend(half)
        else:
            messages.append(half)
    return messages


def _place_in(row: SourceRow, column: str) -> Place:
    return row.column_places.get(column, row.place)
