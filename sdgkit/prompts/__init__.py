"""Prompts: what is asked of a teacher, how its reply is read, and the form a server can hold it to."""

from sdgkit.files import shipped
from sdgkit.prompts.prompt import (
    KINDS,
    OUT_OF,
    PARTS,
    SAMPLING,
    TAGS,
    ParsedReply,
    Prompt,
    load_prompt,
    load_prompts,
    read_score,
    read_text,
    yaml_keys,
    yaml_trouble,
)

__all__ = [
    "KINDS",
    "OUT_OF",
    "PARTS",
    "SAMPLING",
    "TAGS",
    "ParsedReply",
    "Prompt",
    "load_prompt",
    "load_prompts",
    "read_score",
    "read_text",
    "shipped",
    "yaml_keys",
    "yaml_trouble",
]
