"""The check `same_language`, and recognising the language of a text."""

import re
from functools import cache, lru_cache
from typing import Any

from sdgkit.checks.registry import CheckedText, check
from sdgkit.texts import load_texts

# With fewer letters, or less certainty, a language is not named. The model is certain of nearly
# everything; measured on the shipped seeds and their rehearsals, all that it got wrong was shorter
# or less certain.
CERTAIN_LETTERS = 80
CERTAIN_SHARE = 0.99

# Letters of scripts in which one sign says about as much as two letters of an alphabet.
_FIRST_DENSE_LETTER = 0x2E80
_NOT_PROSE = re.compile(r"```.*?```|`[^`]*`|https?://\S+|(?<!\S)\S+@\S+|[\d|_*#]+", re.DOTALL)


@check
def same_language(checked: CheckedText) -> str:
    """Check that the text is in the language of the seed's text.

    Texts too short or too mixed to tell their language pass.
    """
    own = language(checked.text)
    seeds = language(checked.seed)
    if not own or not seeds or own == seeds or _are_close(own, seeds):
        return ""
    return f"It is in {_english_name(own)}, the seed's in {_english_name(seeds)}."


@lru_cache(4096)
def language(text: str) -> str:
    """The language of a text.

    Returns:
        The code of the language (ISO 639-1), or "" if the text is too short or too mixed to tell.
    """
    prose = _NOT_PROSE.sub(" ", text)
    letters = 0
    for character in prose:
        if character.isalpha():
            letters += 2 if ord(character) > _FIRST_DENSE_LETTER else 1
    if letters < CERTAIN_LETTERS:
        return ""
    code, share = _language_model().classify(" ".join(prose.split()))
    if share >= CERTAIN_SHARE:
        return str(code)
    return ""


def _are_close(language: str, other: str) -> bool:
    """Whether two languages are so close that a few lines do not distinguish them."""
    groups = load_texts("languages")["alike"]
    return any(language in group and other in group for group in groups)


def _english_name(language: str) -> str:
    return str(load_texts("languages")["names"].get(language, language))


@cache
def _language_model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
