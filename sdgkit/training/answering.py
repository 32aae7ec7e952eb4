"""A student: a model that is trained here, and its answers to questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Chat = Sequence[dict[str, str]]

BATCH = 16
"""Questions that are answered at once, by default."""

MAX_TOKENS = 256
"""The longest answer in tokens, by default. What is longer is cut off there."""


@dataclass
class Student:
    """A model that is trained here.

    Attributes:
        name: What it is called in tables.
        model: The model, as `transformers` has it.
        tokenizer: Its tokenizer, with a chat template.
    """

    name: str
    model: Any
    tokenizer: PreTrainedTokenizerBase

    def answers(
        self, chats: Sequence[Chat], *, max_tokens: int = MAX_TOKENS, batch: int = BATCH
    ) -> list[str]:
        """The most likely answer to each chat, in their order.

        Args:
            chats: Messages that end with the user's.
            max_tokens: The longest answer, in tokens.
            batch: How many are answered at once. Of several, each step costs hardly more than of
                one.
        """
        lengths = [len(self._tokens(chat)) for chat in chats]
        # Chats of like length stand together, so that little is padded.
        order = sorted(range(len(chats)), key=lambda place: lengths[place])
        answers = [""] * len(chats)
        for places in _in_groups(order, batch):
            texts = self._answer_at_once([chats[place] for place in places], max_tokens)
            for place, text in zip(places, texts, strict=True):
                answers[place] = text
        return answers

    def _tokens(self, chat: Chat) -> Sequence[int]:
        encoded = self.tokenizer.apply_chat_template(chat, tokenize=True, return_dict=True)
        tokens: Sequence[int] = encoded["input_ids"]
        return tokens

    def _answer_at_once(self, chats: Sequence[Chat], max_tokens: int) -> list[str]:
        from torch import inference_mode

        encoded = self.tokenizer.apply_chat_template(
            chats,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
            tokenizer_kwargs={"padding_side": "left"},
        ).to(self.model.device)
        was_training = self.model.training
        self.model.eval()
        with inference_mode():
            replies = self.model.generate(
                **encoded,
                do_sample=False,
                max_new_tokens=max_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        self.model.train(was_training)
        prompt_length = encoded["input_ids"].shape[1]
        texts = self.tokenizer.batch_decode(replies[:, prompt_length:], skip_special_tokens=True)
        return [text.strip() for text in texts]


def _in_groups(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
