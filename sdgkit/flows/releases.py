"""Which tool and release wrote a flow file, and its blocks in the form of sdg_hub 0.1."""

from collections.abc import Mapping
from typing import Any

from sdgkit.errors import SettingsError

SDG_HUB = "sdg_hub 0.1"
INSTRUCTLAB = "InstructLab SDG"
NEWER_SDG_HUB = "sdg_hub 0.2 or later"
# Settings of an InstructLab block that stand beside its `config`, or in it.
_GEN_KWARGS = "gen_kwargs"
_COMPARISONS = ("eq", "ne", "ge", "gt", "le", "lt", "contains")
_SENTENCE = (
    "{file} is not a flow of sdg_hub 0.1 (a list of blocks, each with a block_type) nor a pipeline "
    "of InstructLab SDG (version and blocks, each with name, type and config)."
)


def recognise(document: object, file: str) -> tuple[str, list[Any]]:
    """Who wrote a flow file, and its blocks as sdg_hub 0.1 would write them.

    Args:
        document: The values of the file.
        file: The file's name, for messages.

    Raises:
        SettingsError: It is a flow of a release whose blocks are others, or no flow at all.
    """
    if isinstance(document, list):
        return SDG_HUB, document
    blocks = None
    if isinstance(document, Mapping):
        blocks = document.get("blocks")
    if not isinstance(document, Mapping) or not isinstance(blocks, list):
        raise SettingsError(_SENTENCE.format(file=file))
    is_newer = "metadata" in document or any(
        isinstance(block, Mapping) and "block_type" in block for block in blocks
    )
    if is_newer:
        raise SettingsError(_newer(document, blocks, file))
    release = f"{INSTRUCTLAB} (pipeline version {document.get('version', '1.0')})"
    return release, [_from_instructlab(block) for block in blocks]


def _newer(document: Mapping[str, Any], blocks: list[Any], file: str) -> str:
    metadata = document.get("metadata")
    name = None
    if isinstance(metadata, Mapping):
        name = metadata.get("name")
    called = ""
    if name:
        called = f" ({name!s:.60})"
    block_types = []
    for block in blocks:
        if isinstance(block, Mapping):
            block_types.append(str(block.get("block_type")))
    types = dict.fromkeys(block_types)
    return (
        f"{file}{called} is a flow of {NEWER_SDG_HUB}: metadata, and blocks of the types "
        f"{', '.join(types)}. sdgkit runs flows of sdg_hub 0.1 and pipelines of InstructLab SDG. "
        "Run this one with sdg_hub itself, or give its prompts, one file per stage, with --prompts."
    )


def _from_instructlab(block: object) -> object:
    """A block of InstructLab's (`name`, `type`, `config`) in sdg_hub 0.1's keys."""
    if not isinstance(block, Mapping):
        return block
    config = dict(block.get("config") or {})
    config["block_name"] = block.get("name")
    sent = {**(block.get(_GEN_KWARGS) or {}), **(config.pop(_GEN_KWARGS, None) or {})}
    operation = config.get("operation")
    if operation in _COMPARISONS:
        config["operation"] = f"operator.{operation}"
    removed = [*(block.get("drop_columns") or []), *(config.pop("drop_columns", None) or [])]
    return {
        "block_type": block.get("type"),
        "block_config": config,
        _GEN_KWARGS: sent,
        "drop_columns": removed,
    }
