"""Writes a tiny model with random weights into a folder; runs in vLLM's environment. Its words mean nothing.

A byte-level tokenizer of its own (512 entries), a chat template, two layers: two megabytes, made in seconds, the same
every time. It proves that requests, forms and counts are right; never that a text is good.

    python tiny_model.py FOLDER
"""

import random
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROLES = ("system", "user", "assistant")
SPECIAL = ["<|pad|>", "<|begin|>", "<|end|>", *(f"<|{role}|>" for role in ROLES)]
CONTEXT_TOKENS = 4096
PARAGRAPH = """
A careful reader looks at the first five examples before asking for five hundred more. The kitchen closes at nine, the
garden never does. Please send the report to the whole team by Friday, and write what changed since the last one.
[Start of Context] [End of Context] [Start of Question] [End of Question] [Start of Response] [End of Response]
[Start of Evaluation] [End of Evaluation] [Start of Score] [End of Score]
"""
# What follows a turn in the template is what the model is asked to go on from.
TEMPLATE = (
    "<|begin|>{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([PARAGRAPH], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<|pad|>",
        bos_token="<|begin|>",
        eos_token="<|end|>",
        chat_template=TEMPLATE,
        model_max_length=CONTEXT_TOKENS,
    )


def main(folder: str) -> None:
    random.seed(0)
    torch.manual_seed(0)
    words = tokenizer()
    config = LlamaConfig(
        vocab_size=len(words),  # more would let it sample numbers that stand for no token
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
