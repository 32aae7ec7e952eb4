"""The blocks of a flow file, and the stages that they stand for."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sdgkit.flows.stages import OPERATORS, TYPES, FlowFilter, FlowJudge
from sdgkit.stages import VERDICT, VERDICT_WITH_FAULTS, Combine, Generate, GenerateMany, Keep, Stage

PROMPTED = "LLMBlock"
"""The type of the blocks that have a prompt."""


class BlockError(ValueError):
    """A block that cannot be used; the message is the middle of a sentence."""


@dataclass(frozen=True)
class Block:
    """One block of a flow.

    Attributes:
        type: Its `block_type`.
        config: Its `block_config`.
        sent: Its `gen_kwargs`: what is sent with each request.
        removed: The columns that it drops (`drop_columns`).
    """

    type: str
    config: Mapping[str, Any]
    sent: Mapping[str, Any]
    removed: tuple[str, ...]

    @classmethod
    def from_yaml(cls, values: object) -> "Block":
        """The block in the values that YAML made of it. Raises BlockError."""
        block = _mapping(values, "a block")
        removed = _names(block.get("drop_columns") or [], "drop_columns")
        removed_columns = []
        for column in removed:  # num_samples reaches the prompt here and is never a column
            if column != "num_samples":
                removed_columns.append(column)
        return cls(
            type=str(_required(block, "block_type")),
            config=_mapping(_required(block, "block_config"), "block_config"),
            sent=_mapping(block.get("gen_kwargs") or {}, "gen_kwargs"),
            removed=tuple(removed_columns),
        )

    @property
    def name(self) -> str:
        """The name of its stage. Raises BlockError."""
        return str(self.required("block_name"))

    @property
    def model(self) -> str:
        """The model that it names; empty if it names none."""
        return str(self.config.get("model_id") or "")

    def required(self, key: str) -> Any:
        """A setting that it must have. Raises BlockError."""
        return _required(self.config, key)

    def stages(self) -> list[Stage]:
        """The stage that the block describes, and one that drops its columns if need be.

        Raises:
            BlockError: The block has a type or a setting that is not supported.
        """
        if self.type not in MAKERS:
            raise BlockError(
                f"blocks of type {self.type} are not supported; a flow may have {', '.join(MAKERS)}"
            )
        stage = MAKERS[self.type](self)
        if not self.removed or stage.removed_columns:
            return [stage]
        return [stage, FlowFilter(name=f"{self.name}_drop_columns", remove=self.removed)]


def _asking_stage(block: Block) -> Stage:
    columns = _names(block.required("output_cols"), "output_cols")
    if not columns:
        raise BlockError("output_cols is empty; name at least one column")
    if block.config.get("parser_kwargs"):
        raise BlockError("parser_kwargs are not supported; give the prompt a pair of tags instead")
    replies = _whole_number(block.sent.get("n") or 1, "n")
    batch_settings = _mapping(block.config.get("batch_kwargs") or {}, "batch_kwargs")
    records = _whole_number(batch_settings.get("num_samples") or 0, "num_samples")
    if replies > 1 and records:
        raise BlockError("it sets both n and num_samples; leave one of them out")
    if replies > 1 or records:
        return GenerateMany(
            name=block.name,
            columns=columns,
            letter=columns[0][0],
            per_row=records or replies,
            together=bool(records),
        )
    if columns in (VERDICT, VERDICT_WITH_FAULTS):
        return FlowJudge(name=block.name)
    return Generate(name=block.name, columns=columns)


def _filter_stage(block: Block) -> Stage:
    column = str(block.required("filter_column"))
    operation = str(block.required("operation"))
    value = block.required("filter_value")
    convert = block.config.get("convert_dtype") or None
    if operation not in OPERATORS:
        raise BlockError(
            f"operation {operation!r} is not supported; use one of {', '.join(OPERATORS)}"
        )
    if convert is not None and str(convert) not in TYPES:
        raise BlockError(
            f"convert_dtype {convert!r} is not supported; use one of {', '.join(TYPES)}"
        )
    values = tuple(value) if isinstance(value, list) else (value,)
    is_score = column == "score" and convert == "float" and len(values) == 1
    if is_score and operation in ("operator.eq", "operator.ge"):
        least = _number(values[0], "filter_value")
        equals = least if operation == "operator.eq" else None
        return Keep(name=block.name, equals=equals, at_least=least, remove=block.removed)
    return FlowFilter(
        name=block.name,
        column=column,
        operation=operation,
        values=values,
        convert=convert,
        remove=block.removed,
    )


def _combining_stage(block: Block) -> Stage:
    return Combine(
        name=block.name,
        column=str(block.required("output_col")),
        parts=_names(block.required("columns"), "columns"),
        separator=str(block.config.get("separator", "\n\n")),
    )


MAKERS: dict[str, Callable[[Block], Stage]] = {
    PROMPTED: _asking_stage,
    "FilterByValueBlock": _filter_stage,
    "CombineColumnsBlock": _combining_stage,
}


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BlockError(f"{name} must be a mapping, not {type(value).__name__}")
    return value


def _names(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BlockError(f"{name} must be a list of columns, not {value!r}")
    return tuple(str(column) for column in value)


def _required(values: Mapping[str, Any], key: str) -> Any:
    if key not in values:
        raise BlockError(f"it needs {key!r}")
    return values[key]


def _whole_number(value: object, name: str) -> int:
    if isinstance(value, str | int | float):
        with suppress(ValueError, OverflowError):
            return int(value)
    raise BlockError(f"{name} must be a whole number, not {value!r}")


def _number(value: object, name: str) -> float:
    if isinstance(value, str | int | float):
        with suppress(ValueError, OverflowError):
            return float(value)
    raise BlockError(f"{name} must be a number, not {value!r}")
