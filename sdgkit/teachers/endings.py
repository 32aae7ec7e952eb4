"""How a reply ended, by any server's word for it.

Every server has words of its own for `finish_reason`. `ENDING_WORDS` is the one table of them. Only
a natural end makes a sample possible; a word that is not in the table is none.
"""

import re
from enum import Enum


class Ending(Enum):
    """How a reply ended.

    Attributes:
        NATURAL: The model had said what it had to say.
        TRUNCATED: A limit of tokens cut it off.
        REFUSED: The model declined, or a filter withheld the reply.
        UNSAID: The server did not say. What is between its tags can be read, and no more.
        ELSEWHERE: The model called a tool instead of answering.
        BROKEN_OFF: Anything else: an error, an abort, an unknown word.
    """

    NATURAL = "natural"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    UNSAID = "unsaid"
    ELSEWHERE = "elsewhere"
    BROKEN_OFF = "broken off"


ENDING_WORDS: dict[Ending, tuple[str, ...]] = {
    # OpenAI, vLLM, Llama Stack; Anthropic; Cohere; Hugging Face; Mistral; Gemini; llama.cpp.
    Ending.NATURAL: (
        "stop",
        "stopped",
        "end",
        "end_turn",
        "end_of_turn",
        "end_of_message",
        "stop_sequence",
        "stop_sequences",
        "stop_str",
        "stop_word",
        "stop_token",
        "eos",
        "eos_token",
        "complete",
        "completed",
        "finish",
        "finished",
        "done",
        "normal",
        "finish_reason_stop",
        "success",
    ),
    Ending.TRUNCATED: (
        "length",
        "max_length",
        "model_length",
        "max_token",
        "max_tokens",
        "max_new_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "token_limit",
        "limit",
        "truncated",
        "incomplete",
        "context_length",
        "context_length_exceeded",
        "model_context_window_exceeded",
        "out_of_tokens",
        # vLLM, with `repetition_detection`: it cut a loop off.
        "repetition",
    ),
    Ending.REFUSED: (
        "content_filter",
        "content_filtered",
        "filtered",
        "refusal",
        "refused",
        "safety",
        "recitation",
        "blocklist",
        "blocked",
        "prohibited_content",
        "spii",
        "image_safety",
        "guardrail_intervened",
        "error_toxic",
        "toxicity",
        "moderation",
        "moderated",
        "sensitive",
    ),
    Ending.ELSEWHERE: (
        "tool_calls",
        "tool_call",
        "tool_use",
        "function_call",
        "malformed_function_call",
        "unexpected_tool_call",
    ),
}
"""The words of servers, in lower case; Ending.BROKEN_OFF is every other."""

_BY_WORD: dict[str, Ending] = {}
for _ending, _words in ENDING_WORDS.items():
    _BY_WORD.update(dict.fromkeys(_words, _ending))

# Words that are in no table and still say clearly what they mean.
_MEANINGS = (
    (Ending.REFUSED, re.compile(r"filter|safety|refus|moderat|prohibit|guardrail|blocklist|toxic")),
    (Ending.REFUSED, re.compile(r"content_?polic|responsible_?ai|policy_?violat|data_?inspection")),
    (Ending.TRUNCATED, re.compile(r"max_\w*tokens?|token_limit|context_(?:length|window)")),
)
_BROKEN = re.compile(r"error|abort|cancel|fail|time_?d?_?out|interrupt")
_SEPARATOR = re.compile(r"[^a-z0-9]+")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def ending_of(word: str) -> Ending:
    """How a reply ended, by the server's word for it.

    Args:
        word: The server's `finish_reason`, or the code of its error; empty where it has none.

    Example:
        >>> ending_of("MAX_TOKENS")
        <Ending.TRUNCATED: 'truncated'>
        >>> ending_of("network_error")
        <Ending.BROKEN_OFF: 'broken off'>
    """
    plain = _plain(word)
    if not plain:
        return Ending.UNSAID
    ending = _BY_WORD.get(plain)
    if ending is not None:
        return ending
    for ending, meaning in _MEANINGS:
        if meaning.search(plain):
            return ending
    return Ending.BROKEN_OFF


def tells_unnatural_end(word: str) -> bool:
    """Whether a word surely means that a reply did not end naturally.

    Args:
        word: A word passed on from another server, of which not every one is known.

    Example:
        >>> tells_unnatural_end("MAX_TOKENS")
        True
        >>> tells_unnatural_end("</s>")
        False
    """
    ending = ending_of(word)
    if ending is Ending.BROKEN_OFF:
        return _BROKEN.search(_plain(word)) is not None
    return ending in (Ending.TRUNCATED, Ending.REFUSED)


def _plain(word: str) -> str:
    """A word in lower case, with underscores between its parts."""
    plain = _SEPARATOR.sub("_", _CAPITAL.sub("_", word.strip()).lower()).strip("_")
    return plain.removeprefix("finish_reason_")
