"""Prints what LLaMA-Factory makes of a training file; runs in an environment of its own.

    python read_with_llama_factory.py FILE FORMAT TOKENIZER

FORMAT is messages, alpaca or sharegpt: how the file is declared in `dataset_info.json`, as
LLaMA-Factory's data/README.md says. TOKENIZER is a folder.
"""

import json
import sys
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

# It has no build for this CPU-only torch. LLaMA-Factory imports it for audio, which is not read
# here.
torchaudio = ModuleType("torchaudio")
torchaudio.__spec__ = ModuleSpec("torchaudio", None)
sys.modules["torchaudio"] = torchaudio

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # noqa: E402
from llamafactory.hparams import get_train_args  # noqa: E402
from llamafactory.model import load_tokenizer  # noqa: E402

MESSAGES: dict[str, Any] = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}
SHAREGPT: dict[str, Any] = {
    "formatting": "sharegpt",
    "columns": {"messages": "conversations"},
    "tags": {
        "role_tag": "from",
        "content_tag": "value",
        "user_tag": "human",
        "assistant_tag": "gpt",
        "system_tag": "system",
    },
}
ALPACA: dict[str, Any] = {
    "columns": {
        "prompt": "instruction",
        "query": "input",
        "response": "output",
        "system": "system",
    },
}
DECLARATIONS = {"messages": MESSAGES, "sharegpt": SHAREGPT, "alpaca": ALPACA}


def main(file: str, format: str, tokenizer: str) -> None:
    path = Path(file)
    with tempfile.TemporaryDirectory() as folder:
        declaration = {"ours": {"file_name": str(path.resolve()), **DECLARATIONS[format]}}
        (Path(folder) / "dataset_info.json").write_text(json.dumps(declaration))
        arguments = {
            "model_name_or_path": tokenizer,
            "stage": "sft",
            "do_train": True,
            "dataset": "ours",
            "dataset_dir": folder,
            "template": "default",
            "cutoff_len": 4096,
            "output_dir": f"{folder}/out",
            "overwrite_cache": True,
            "use_cpu": True,
            "report_to": "none",
        }
        model_args, data_args, training_args, *_ = get_train_args(arguments)
        words = load_tokenizer(model_args)["tokenizer"]
        template = get_template_and_fix_tokenizer(words, data_args)
        sets = get_dataset(
            template, model_args, data_args, training_args, stage="sft", tokenizer=words
        )
        read = []
        for row in sets["train_dataset"]:
            learned = [token for token in row["labels"] if token >= 0]
            read.append({"text": words.decode(row["input_ids"]), "learned": words.decode(learned)})
    print(json.dumps(read))


if __name__ == "__main__":
    main(*sys.argv[1:])
