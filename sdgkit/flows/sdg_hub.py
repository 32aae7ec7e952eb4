"""Flow files of sdg_hub 0.1 (github.com/Red-Hat-AI-Innovation-Team/sdg_hub), read as stages with their prompts.

What differs from that release, on purpose: each of `n` outputs is a request of its own, so `seed` in a flow is not
sent; `num_samples` reaches the prompt; duplicates are dropped among the rows of one row, whether `drop_duplicates`
says so or not; a malformed reply is asked again; a judge's number is read forgivingly.
"""

import importlib.util
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sdgkit.errors import SettingsError
from sdgkit.prompts import OUT_OF, Prompt, load_prompt, read_score
from sdgkit.stages import VERDICT, Combine, Drop, Generate, GenerateMany, Judge, Keep, Stage, Step

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    f"operator.{name}": getattr(operator, name)
    for name in ("eq", "ne", "ge", "gt", "le", "lt", "contains")
}
TYPES: dict[str, Callable[[Any], Any]] = {"float": float, "int": int}
SAMPLING = {
    "temperature": 0,
    "max_tokens": 4096,
}  # what sdg_hub 0.1 sends where a flow says nothing
OWN = ("temperature", "top_p", "max_tokens")
NOT_SENT = ("n", "seed", "model", "extra_body")


@dataclass(frozen=True, kw_only=True)
class FlowJudge(Judge):
    """A judge whose scale is not known, since a flow does not say it: any whole number, also as "2/3"."""

    scale: Sequence[float] = tuple(float(number) for number in range(11))

    def score_in(self, text: str) -> float | None:
        return read_score(OUT_OF.sub("", text), range(101))


@dataclass(frozen=True, kw_only=True)
class FlowFilter(Stage):
    """Lets on the rows whose `column`, converted to the type if one is named, compares with one of the values (all of
    them if there is no column), and takes the `remove` columns off."""

    column: str = ""
    operation: str = ""
    values: Sequence[Any] = ()
    convert: str | None = None
    remove: Sequence[str] = ()

    async def change(self, step: Step) -> dict[str, Any]:
        row = dict(step.row)
        if self.column:
            try:
                row[self.column] = (
                    TYPES[self.convert](row[self.column]) if self.convert else row[self.column]
                )
                kept = any(
                    OPERATORS[self.operation](row[self.column], value) for value in self.values
                )
            except (TypeError, ValueError):
                kept = False
            if not kept:
                wanted = f"{self.operation} {' or '.join(map(str, self.values))}"
                raise Drop(
                    self.name,
                    f"{self.column} is {row[self.column]!r}; {wanted} is kept.",
                    step.last_reply(),
                )
        return {name: value for name, value in row.items() if name not in self.remove}


def read_flow(path: str | Path) -> tuple[str, tuple[Stage, ...], Mapping[str, Prompt], str]:
    """(name, stages, prompts, model) of the flow in a file, or in the sdg_hub that is installed, by the file's name.

    model: the one that the flow names, a default for whoever connects a teacher; "" if it names none.
    Prompt files are looked for beside the flow, in the folders above it and here. Raises SettingsError for what is no
    flow of sdg_hub 0.1 or has a block that is not known here, PromptError for a prompt.
    """
    file = _file(Path(path))
    try:
        blocks = yaml.safe_load(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise SettingsError(
            f"The flow {path} cannot be read: {' '.join(str(error).split())[:200]}."
        ) from None
    if not isinstance(blocks, list):
        raise SettingsError(
            f"{path} is no flow of sdg_hub 0.1, which is a list of blocks with a block_type each."
        )
    stages: list[Stage] = []
    prompts: dict[str, Prompt] = {}
    model = ""
    for number, block in enumerate(blocks, 1):
        where = f"{file.name}, block {number}"
        try:
            kind, config = (
                block["block_type"],
                {**block["block_config"], "sent": block.get("gen_kwargs") or {}},
            )
            name = str(config["block_name"])
            where += f" ({name})"
            if kind not in READERS:
                raise ValueError(
                    f"the block {kind} is not known here; flows may be made of {', '.join(READERS)}"
                )
            stage = READERS[kind](name, config)
            dropped = tuple(
                column for column in block.get("drop_columns") or () if column != "num_samples"
            )
            own = isinstance(stage, Keep | FlowFilter)
            stages.append(replace(stage, remove=dropped) if own else stage)
            if dropped and not own:
                stages.append(FlowFilter(name=f"{name}_drop_columns", remove=dropped))
            if kind == "LLMBlock":
                prompts[name] = _prompt(name, config, file)
            model = model or str(config.get("model_id") or "")
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            words = f"it needs {error}" if isinstance(error, KeyError) else error
            raise SettingsError(f"{where}: {words}. Mend that block of the flow.") from error
    return file.stem, tuple(stages), prompts, model


def _file(path: Path) -> Path:
    """The file, here or among the flows of the sdg_hub that is installed."""
    package = importlib.util.find_spec("sdg_hub")
    folders = (package.submodule_search_locations if package else None) or []
    for file in (
        path,
        *(file for folder in folders for file in Path(folder).glob(f"flows/**/{path.name}")),
    ):
        if file.is_file():
            return file
    raise SettingsError(
        f"There is no flow {path}, and no sdg_hub installed here that has one of this name."
    )


def _asked(name: str, config: Mapping[str, Any]) -> Stage:
    columns, n = tuple(config["output_cols"]), int(config["sent"].get("n") or 1)
    together = int((config.get("batch_kwargs") or {}).get("num_samples") or 0)
    if config.get("parser_kwargs"):
        raise ValueError("a parser of its own is not known here; give its prompt a pair of tags")
    if n > 1 and together:
        raise ValueError("both n and num_samples; leave one of them out")
    if n > 1 or together:
        settings = {"letter": columns[0][0], "per_row": together or n, "together": bool(together)}
        return GenerateMany(name=name, columns=columns, **settings)
    return FlowJudge(name=name) if columns == VERDICT else Generate(name=name, columns=columns)


def _filtered(name: str, config: Mapping[str, Any]) -> Stage:
    column, operation, value = (
        config[key] for key in ("filter_column", "operation", "filter_value")
    )
    convert = config.get("convert_dtype")
    for what, given, known in (
        ("operation", operation, OPERATORS),
        ("convert_dtype", convert, TYPES),
    ):
        if given is not None and given not in known:
            raise ValueError(f"{what} {given!r} is not known here; there are {', '.join(known)}")
    values = tuple(value) if isinstance(value, list) else (value,)
    if (column, convert, len(values)) == ("score", "float", 1) and operation in (
        "operator.eq",
        "operator.ge",
    ):
        least = float(values[0])
        return Keep(name=name, equals=least if operation == "operator.eq" else None, at_least=least)
    return FlowFilter(name=name, column=column, operation=operation, values=values, convert=convert)


def _combined(name: str, config: Mapping[str, Any]) -> Stage:
    parts, separator = tuple(config["columns"]), str(config.get("separator", "\n\n"))
    return Combine(name=name, column=config["output_col"], parts=parts, separator=separator)


READERS: dict[str, Callable[[str, Mapping[str, Any]], Any]] = {
    "LLMBlock": _asked, "FilterByValueBlock": _filtered, "CombineColumnsBlock": _combined,
}  # fmt: skip


def _prompt(name: str, config: Mapping[str, Any], flow: Path) -> Prompt:
    """The block's prompt, with what the flow sends along."""
    sent, places = (
        config["sent"],
        (folder / config["config_path"] for folder in (*flow.absolute().parents, Path())),
    )
    file = next(filter(Path.is_file, places), None)
    if file is None:
        raise ValueError(
            f"there is no prompt file {config['config_path']} beside the flow or in a folder above it"
        )
    prompt = replace(load_prompt(file), name=name)
    others = {key: value for key, value in sent.items() if key not in (*OWN, *NOT_SENT)}
    body = {**others, **(sent.get("extra_body") or {})}
    sampling = {**SAMPLING, **prompt.sampling, **{key: sent[key] for key in OWN if key in sent}}
    return prompt.with_sampling(**sampling, **({"extra_body": body} if body else {}))
