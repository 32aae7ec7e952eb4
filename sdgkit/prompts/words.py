"""How many words a text has, in every script.

Chinese, Japanese, Thai, Lao, Khmer, Burmese and Tibetan put no spaces between words. There a sign
is counted as a word: an ideograph, a kana, or a consonant with its vowels.
"""

import re
import unicodedata

# Consonants below another one, after the sign that stacks them, belong to the one above.
_SIGN = re.compile(
    r"(?<![\u1039\u17d2])"
    r"[\u0e01-\u0e2e\u0e81-\u0eae\u0edc-\u0edf\u0f40-\u0f6c\u1000-\u102a\u103f\u1050-\u1055"
    r"\u1780-\u17b3\u3005\u3007\u3041-\u3096\u30a1-\u30fa\u3105-\u312f\u31a0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Everything in these scripts, with their vowels, marks and punctuation.
_SCRIPTS = re.compile(
    r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff]+"
)


def count_words(text: str) -> int:
    """The number of words; of signs, where a script puts no spaces between words.

    Example:
        >>> count_words("The tray is bent.")
        4
        >>> count_words("打印机4号卡纸。")
        7
    """
    plain = unicodedata.normalize("NFKC", text)
    signs = len(_SIGN.findall(plain))
    if not signs:
        return len(text.split())
    others = []
    for word in _SCRIPTS.sub(" ", plain).split():
        if any(map(str.isalnum, word)):
            others.append(word)
    return signs + len(others)
