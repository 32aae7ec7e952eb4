"""Writes a tiny model with random weights into a folder; runs in vLLM's environment.

Its words mean nothing.

A byte-level tokenizer of its own (512 entries), a chat template, two layers: three megabytes, made
in seconds, the same every time. It knows one thing, when to stop: the tokens that end a turn or a
value are more likely than others. It never writes the form that a prompt asks for. So it proves
that requests, forms and counts are right; never that a text is good.

    python tiny_model.py FOLDER
"""

import json
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROLES = ("system", "user", "assistant")
TURN_ENDS = "<|end|>"
# A line break, and the beginning of an end tag, as byte-level vocabularies spell it.
VALUE_ENDS = "Ċ[EndĠofĠ"
SPECIAL = ["<|pad|>", "<|begin|>", TURN_ENDS, *(f"<|{role}|>" for role in ROLES)]
# The shipped prompts, in tokens of one to three letters, with room for a reply.
CONTEXT_TOKENS = 16_384
# How much likelier than others: e to the power of this, at temperature 1. A value ends so in tags,
# or so in JSON.
BONUS = {TURN_ENDS: 5.5, VALUE_ENDS: 3.0, '"': 2.2}
PARAGRAPH = """
A careful reader looks at the first five examples before asking for five hundred more. \
The kitchen closes at nine, the
garden never does. Please send the report to the whole team by Friday, and write what changed \
since the last one.
Does the table have a row for each question? One sentence is enough, if it is the right sentence.
"""
# `aside`: a setting of the template's own, as real ones have `enable_thinking`.
TEMPLATE = (
    "<|begin|>{{ aside|default('') }}"
    "{% for message in messages %}"
    "<|{{ message['role'] }}|>{{ message['content'] }}<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=511,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([PARAGRAPH], trainer)
    learned = json.loads(inner.to_str())["model"]
    merges = [tuple(pair) for pair in learned["merges"]]
    inner.model = models.BPE({**learned["vocab"], VALUE_ENDS: len(learned["vocab"])}, merges)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<|pad|>",
        bos_token="<|begin|>",
        eos_token=TURN_ENDS,
        chat_template=TEMPLATE,
        model_max_length=CONTEXT_TOKENS,
    )


def main(folder: str) -> None:
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
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        # One of the 256 numbers is the same for all tokens, and large: a constant on which the
        # output can put a bonus.
        model.model.embed_tokens.weight[:, 0] = 8 * config.initializer_range
        constant = 7.0  # about what becomes of it after the last normalization
        model.lm_head.weight[:, 0] = 0
        for text, bonus in BONUS.items():
            model.lm_head.weight[words.get_vocab()[text], 0] = bonus / constant
        for digit in "0123":  # as a judge it is fair: all scores are equally likely
            model.lm_head.weight[words.get_vocab()[digit]] = 0
    model.to(torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
