"""Flow files of sdg_hub 0.1 (github.com/Red-Hat-AI-Innovation-Team/sdg_hub), read as stages with their prompts.

What differs from that release, on purpose: each of `n` outputs is a request of its own, so `seed` in a flow is not
sent; `num_samples` reaches the prompt; duplicates are dropped among the rows of one row, whether `drop_duplicates`
says so or not; a malformed reply is asked again; a judge's number is read forgivingly.
"""

from __future__ import annotations

import importlib.util
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from sdgkit.errors import SettingsError
from sdgkit.prompts import Prompt, load_prompt, read_score
from sdgkit.stages import Combine, Drop, Generate, GenerateMany, Judge, Keep, Stage, Step

BLOCKS = ("LLMBlock", "FilterByValueBlock", "CombineColumnsBlock")
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    f"operator.{name}": getattr(operator, name) for name in ("eq", "ne", "ge", "gt", "le", "lt", "contains")
}
TYPES: dict[str, Callable[[Any], Any]] = {"float": float, "int": int}
SAMPLING = {"temperature": 0, "max_tokens": 4096}  # what sdg_hub 0.1 sends where a flow says nothing
OWN = ("temperature", "top_p", "max_tokens")
NOT_SENT = ("n", "seed", "model", "extra_body")
TOPS = (1, 2, 3, 4, 5, 10, 100)  # of scales: a flow does not say how far its judge's reaches


@dataclass(frozen=True, kw_only=True)
class FlowJudge(Judge):
    """A judge whose scale is not known: any whole number, also as "2/3"."""

    scale: Sequence[float] = tuple(float(number) for number in range(11))

    def read(self, text: str) -> float | None:
        scores = (read_score(text, range(top + 1)) for top in TOPS)
        return next((score for score in scores if score is not None), None)


@dataclass(frozen=True, kw_only=True)
class KeepIf(Stage):
    """Lets on the rows whose `column`, converted to the type if one is named, compares with one of the values."""

    column: str
    operation: str
    values: Sequence[Any]
    convert: str | None = None
    columns: ClassVar[Sequence[str]] = ()

    async def change(self, step: Step) -> dict[str, Any]:
        if self.column not in step.row:
            raise SettingsError(f"{self.name} needs the column {self.column!r}. There are {', '.join(step.row)}.")
        found = step.row[self.column]
        try:
            found = TYPES[self.convert](found) if self.convert else found
            kept = any(OPERATORS[self.operation](found, value) for value in self.values)
        except (TypeError, ValueError):
            kept = False
        if not kept:
            wanted = f"{self.operation} {' or '.join(map(str, self.values))}"
            raise Drop(self.name, f"{self.column} is {found!r}; {wanted} is kept.", step.last_reply())
        return {**step.row, self.column: found}


@dataclass(frozen=True, kw_only=True)
class TakeOff(Stage):
    """Takes columns off."""

    remove: Sequence[str]

    async def change(self, step: Step) -> dict[str, Any]:
        return {name: value for name, value in step.row.items() if name not in self.remove}


def read_flow(path: str | Path) -> tuple[str, tuple[Stage, ...], Mapping[str, Prompt], str]:
    """(name, stages, prompts, model) of the flow in a file, or in the sdg_hub that is installed, by the file's name.

    model: the one that the flow names, a default for whoever connects a teacher; "" if it names none.
    Prompt files are looked for beside the flow and in the folders above it, up to its package's. Raises SettingsError
    for what is no flow of sdg_hub 0.1 or has a block that is not known here, PromptError for a prompt.
    """
    import yaml

    file = _file(Path(path))
    try:
        blocks = yaml.safe_load(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise SettingsError(f"The flow {path} cannot be read: {' '.join(str(error).split())[:200]}.") from None
    if not isinstance(blocks, list) or not all(isinstance(block, dict) and block.get("block_type") for block in blocks):
        raise SettingsError(f"{path} is no flow of sdg_hub 0.1, which is a list of blocks with a block_type each.")
    try:
        read = [_Block.of(block, f"{file.name}, block {number}") for number, block in enumerate(blocks, 1)]
        filtered = {block.config.get("filter_column") for block in read}
        stages = [stage for block in read for stage in block.stages(filtered)]
        prompts = {block.name: block.prompt(file) for block in read if block.kind == "LLMBlock"}
    except (AttributeError, TypeError, ValueError) as error:  # a list where a mapping is wanted, a number that is none
        raise SettingsError(f"{path} is no flow of sdg_hub 0.1: {error}. Mend that block.") from error
    model = next((str(block.config["model_id"]) for block in read if block.config.get("model_id")), "")
    return file.stem, tuple(stages), prompts, model


@dataclass(frozen=True)
class _Block:
    """One block of a flow. where: what to call it in messages."""

    kind: str
    name: str
    config: Mapping[str, Any]
    sent: Mapping[str, Any]
    drop_columns: Sequence[str]
    where: str

    @classmethod
    def of(cls, block: Mapping[str, Any], where: str) -> _Block:
        kind, config = str(block["block_type"]), block.get("block_config") or {}
        name = str(config.get("block_name") or "")
        if kind not in BLOCKS:
            raise SettingsError(
                f"{where} ({name or 'no name'}): the block {kind} is not known here. Flows may be made of "
                f"{', '.join(BLOCKS)}; write what {kind} does as a stage of your own."
            )
        if not name:
            raise SettingsError(f"{where}: a {kind} without a block_name.")
        dropped = [str(column) for column in block.get("drop_columns") or () if column != "num_samples"]
        return cls(kind, name, config, block.get("gen_kwargs") or {}, dropped, f"{where} ({name})")

    def stages(self, filtered: set[Any]) -> Iterator[Stage]:
        """The stages that do what the block does. filtered: columns that some block filters by."""
        if self.kind == "FilterByValueBlock":
            stage: Stage = self._filter()
        elif self.kind == "CombineColumnsBlock":
            separator = str(self.config.get("separator", "\n\n"))
            parts = tuple(self._needed("columns"))
            stage = Combine(name=self.name, column=self._needed("output_col"), parts=parts, separator=separator)
        else:
            stage = self._ask("score" in filtered)
        if self.drop_columns and isinstance(stage, Keep):
            stage = replace(stage, remove=tuple(self.drop_columns))
        yield stage
        if self.drop_columns and not isinstance(stage, Keep):
            yield TakeOff(name=f"{self.name}_drop_columns", remove=tuple(self.drop_columns))

    def _ask(self, scores: bool) -> Stage:
        columns = tuple(self._needed("output_cols"))
        n, together = int(self.sent.get("n") or 1), (self.config.get("batch_kwargs") or {}).get("num_samples")
        if (self.config.get("parser_kwargs") or {}).get("parser_name"):
            raise SettingsError(f"{self.where}: a parser of its own is not known here. Give its prompt a pair of tags.")
        if n > 1 and together:
            raise SettingsError(f"{self.where}: both n and num_samples. Leave one of them out.")
        if n > 1 or together:
            letter = columns[0][0] if columns[0][0].isalpha() else "r"
            number = int(together or n)
            return GenerateMany(name=self.name, columns=columns, letter=letter, per_row=number, together=bool(together))
        if columns == Judge.columns and scores:
            return FlowJudge(name=self.name)
        return Generate(name=self.name, columns=columns)

    def _filter(self) -> Stage:
        column, operation = self._needed("filter_column"), self._needed("operation")
        value, convert = self._needed("filter_value"), self.config.get("convert_dtype")
        for what, given, known in (("operation", operation, OPERATORS), ("convert_dtype", convert, TYPES)):
            if given is not None and given not in known:
                raise SettingsError(f"{self.where}: {what} {given!r} is not known here. There are {', '.join(known)}.")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if column == "score" and number and convert == "float" and operation in ("operator.eq", "operator.ge"):
            equals = float(value) if operation == "operator.eq" else None
            return Keep(name=self.name, equals=equals, at_least=float(value))
        values = tuple(value) if isinstance(value, list) else (value,)
        return KeepIf(name=self.name, column=column, operation=operation, values=values, convert=convert)

    def prompt(self, flow: Path) -> Prompt:
        """The block's prompt, with what the flow sends along."""
        given = Path(self._needed("config_path"))
        places = [given] if given.is_absolute() else [folder / given for folder in (*flow.absolute().parents, Path())]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise SettingsError(
                f"{self.where}: there is no prompt file {given} beside the flow or in a folder above it."
            )
        prompt = replace(load_prompt(file), name=self.name)
        sampling = {**SAMPLING, **prompt.sampling} | {name: self.sent[name] for name in OWN if name in self.sent}
        others = {name: value for name, value in self.sent.items() if name not in (*OWN, *NOT_SENT)}
        body = {**others, **(self.sent.get("extra_body") or {})}
        return prompt.with_sampling(**sampling, **({"extra_body": body} if body else {}))

    def _needed(self, name: str) -> Any:
        if self.config.get(name) in (None, "", []):
            raise SettingsError(f"{self.where}: a {self.kind} needs {name}.")
        return self.config[name]


def _file(path: Path) -> Path:
    """The file, here or among the flows of the sdg_hub that is installed."""
    if path.is_file():
        return path
    package = importlib.util.find_spec("sdg_hub")
    places = list(package.submodule_search_locations or ()) if package is not None else []
    found = [file for place in places for file in Path(place).glob(f"flows/**/{path.name}")]
    if not found:
        raise SettingsError(f"There is no flow {path}, and no sdg_hub installed here that has one of this name.")
    return found[0]
