"""Flow files of sdg_hub 0.1 (github.com/Red-Hat-AI-Innovation-Team/sdg_hub), read as stages.

Pipelines of InstructLab SDG (github.com/instructlab/sdg), whose blocks these were, are read too.
What differs from those releases, on purpose:

- Each of `n` outputs is a request of its own, so a flow's `seed` is not sent.
- `num_samples` reaches the prompt.
- Duplicates among the rows of one row are dropped, whether `drop_duplicates` says so or not.
- A malformed reply is requested again.
- A judge's number is read forgivingly.
"""

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from sdgkit.errors import SettingsError
from sdgkit.flows.blocks import PROMPTED, Block, BlockError
from sdgkit.flows.releases import SDG_HUB, recognise
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.prompts.sampling import SamplingSettings
from sdgkit.prompts.yaml_text import YamlProblem, first_line, node_value, read_document
from sdgkit.stages import Stage

DEFAULT_SAMPLING = {"temperature": 0, "max_tokens": 4096}
"""What sdg_hub 0.1 sends where a flow does not say."""

SAMPLING = ("temperature", "top_p", "max_tokens")
"""The `gen_kwargs` that are sampling settings of a prompt."""

STRUCTURED_OUTPUTS = "structured_outputs"
GUIDED = {
    "guided_choice": "choice",
    "guided_regex": "regex",
    "guided_json": "json",
    "guided_grammar": "grammar",
    "guided_whitespace_pattern": "whitespace_pattern",
}
"""vLLM's names until 0.11, and what they are called in `structured_outputs`."""

NOT_SENT = ("n", "seed", "model", "extra_body")
"""The `gen_kwargs` that are not fields of a request here; all others are sent as they are."""


@dataclass(frozen=True)
class Flow:
    """What a flow file holds.

    Attributes:
        name: The file's name, without its ending.
        stages: The stages, in order.
        prompts: Their prompts, by stage name.
        model: The model that the flow names, a default for `connect(model=)`; empty if it names
            none.
        release: The tool and the release that wrote it.
    """

    name: str
    stages: tuple[Stage, ...]
    prompts: Mapping[str, Prompt]
    model: str
    release: str = SDG_HUB


def read_flow(path: str | Path) -> Flow:
    """Read the flow in a file.

    Args:
        path: The file, or the name of a flow in the installed sdg_hub. Its prompt files are
            looked for beside it, in the folders above it, and in the working folder.

    Raises:
        SettingsError: The file is a flow of another release, none at all, or has a block that is
            not supported.
        PromptError: A prompt cannot be used.
    """
    file = _find_file(Path(path))
    stages: list[Stage] = []
    prompts: dict[str, Prompt] = {}
    model = ""
    release, blocks = recognise(_read_document(file), str(file))
    for number, values in enumerate(blocks, 1):
        place = f"{file.name}, block {number}"
        try:
            block = Block.from_yaml(values)
            place = f"{place} ({block.name})"
            stages.extend(block.stages())
            if block.type == PROMPTED:
                prompts[block.name] = _read_prompt(block, file)
        except BlockError as error:
            raise SettingsError(
                f"{place}: {error}. Correct that block of the flow, which {release} wrote."
            ) from error
        model = model or block.model
    return Flow(file.stem, tuple(stages), prompts, model, release)


def _read_document(file: Path) -> object:
    try:
        node = read_document(file.read_text("utf-8-sig"))
        if node is None:
            return None
        return node_value(node)
    except YamlProblem as problem:
        raise SettingsError(
            f"Cannot read the flow {file}, line {problem.line}: {problem.problem}"
        ) from None
    except Exception as error:  # also Python's own, where a tag such as !!int does not fit
        raise SettingsError(f"Cannot read the flow {file}: {first_line(error)[:200]}.") from None


def _find_file(path: Path) -> Path:
    """The file itself, or the flow of this name in the installed sdg_hub."""
    if path.is_file():
        return path
    for file in _installed_flows(path.name):
        if file.is_file():
            return file
    raise SettingsError(
        f"There is no flow {path}, and no installed sdg_hub has a flow of that name. "
        "Check the path."
    )


def _installed_flows(name: str) -> Iterator[Path]:
    package = importlib.util.find_spec("sdg_hub")
    if package is None:
        return
    for folder in package.submodule_search_locations or ():
        yield from Path(folder).glob(f"flows/**/{name}")


def _read_prompt(block: Block, flow: Path) -> Prompt:
    """The block's prompt, with the sampling settings that the flow sends along."""
    prompt = replace(load_prompt(_find_prompt(block, flow)), name=block.name)
    sampling: dict[str, Any] = {**DEFAULT_SAMPLING, **prompt.sampling}
    extra_body: dict[str, Any] = {}
    for key, value in block.sent.items():
        if key in SAMPLING:
            sampling[key] = value
        elif key not in NOT_SENT:
            extra_body[key] = value
    extra_body.update(block.sent.get("extra_body") or {})
    extra_body = _with_todays_names(extra_body)
    if extra_body:
        sampling["extra_body"] = extra_body
    return prompt.with_sampling(**cast(SamplingSettings, sampling))


def _with_todays_names(extra_body: Mapping[str, Any]) -> dict[str, Any]:
    """The same with vLLM's `guided_choice` and similar settings under their current names.

    vLLM has ignored the old names without a word since 0.12.
    """
    renamed: dict[str, Any] = {}
    forms = dict(extra_body.get(STRUCTURED_OUTPUTS) or {})
    for key, value in extra_body.items():
        form = GUIDED.get(key)
        if form is not None:
            forms.setdefault(form, value)
        elif not key.startswith("guided_"):  # guided_decoding_backend: a choice of the server's
            renamed[key] = value
    if forms:
        renamed[STRUCTURED_OUTPUTS] = forms
    return renamed


def _find_prompt(block: Block, flow: Path) -> Path:
    path = str(block.required("config_path"))
    for folder in (*flow.absolute().parents, Path()):
        file = folder / path
        if file.is_file():
            return file
    raise BlockError(
        f"there is no prompt file {path} beside the flow or in a folder above it. Put it there; "
        "the prompts of the method's own stages also go into the folder of --prompts"
    )
