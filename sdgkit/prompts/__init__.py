"""Prompts: what a teacher is asked, how its replies are read, and their required form."""

from sdgkit.prompts.files import load_prompt, load_prompts, read_text
from sdgkit.prompts.parser import ParsedReply
from sdgkit.prompts.prompt import Prompt
from sdgkit.prompts.prompt_yaml import PARTS, TAGS
from sdgkit.prompts.sampling import SAMPLING, SamplingSettings
from sdgkit.prompts.scores import OUT_OF, read_score
from sdgkit.prompts.tags import TagPair

__all__ = [
    "OUT_OF",
    "PARTS",
    "SAMPLING",
    "TAGS",
    "ParsedReply",
    "Prompt",
    "SamplingSettings",
    "TagPair",
    "load_prompt",
    "load_prompts",
    "read_score",
    "read_text",
]
