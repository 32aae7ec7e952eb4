"""How values become text: numbers, shares, durations, Markdown, and invisible characters.

Every surface (command line, panels, report, card) formats its values here, so that the same value
reads the same everywhere.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

CLIPPED = 20_000  # characters: more of one text makes a page slow to open and is never read

_PATH_START = re.compile(r"([/~\\.]|[A-Za-z]:\\)")


# Characters that reverse, break or join a text, or hide one in it (Unicode 16, "Format" and
# "Default_Ignorable_Code_Point"). Without the joiners U+200C and U+200D, which Persian and emoji
# need, and the selectors U+FE0E and U+FE0F of emoji.
_HIDDEN = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian selectors
    (0x200B, 0x200B),  # zero-width space
    (0x200E, 0x200F),  # direction marks
    (0x2028, 0x202E),  # line and paragraph separators, embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, isolates
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0D),  # variation selectors
    (0xFEFF, 0xFEFF),  # zero-width no-break space
    (0xFFA0, 0xFFA0),  # Hangul filler
    (0xFFF9, 0xFFFB),  # annotations
    (0x1D173, 0x1D17A),  # musical format characters
    (0xE0000, 0xE0FFF),  # tags and further variation selectors
)
# A joiner between ASCII characters joins nothing.
_LONELY_JOINER = re.compile(r"(?<=[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f]|$)")


def _replacements() -> Iterator[tuple[int, str]]:
    """Code points that are invisible or mislead the eye, each with what is shown instead."""
    for code_point in range(32):
        if chr(code_point) not in "\t\n":
            yield code_point, chr(0x2400 + code_point)  # Unicode's pictures of control characters
    yield 0x7F, "\u2421"
    for code_point in range(0x80, 0xA0):
        yield code_point, "\ufffd"
    for code_point in range(0xD800, 0xE000):  # half of a surrogate pair: no file can hold it
        yield code_point, "\ufffd"
    for first, last in _HIDDEN:
        for code_point in range(first, last + 1):
            yield code_point, f"[U+{code_point:04X}]"


_REPLACEMENTS = dict(_replacements())


def visible(text: str) -> str:
    """Make control characters, lone surrogates and hidden characters visible.

    Args:
        text: Any text, such as a reply or a server's error message.

    Returns:
        The text with Unix line ends and a visible sign for each character that would be invisible.

    Example:
        >>> visible("a\\x1b[31mb")
        'a\u241b[31mb'
    """
    text = _LONELY_JOINER.sub(lambda joiner: f"[U+{ord(joiner[0]):04X}]", text)
    return text.replace("\r\n", "\n").translate(_REPLACEMENTS)


def clip(text: str, limit: int = CLIPPED) -> str:
    """Shorten a text to `limit` characters, with a note of how many were left out.

    Example:
        >>> clip("a long text", 6)
        'a long\\n[… 5 more characters]'
    """
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[… {len(text) - limit:,} more characters]"


def format_number(number: float) -> str:
    """Write a number with thousands separators and at most one decimal.

    Example:
        >>> format_number(60_000), format_number(2.5)
        ('60,000', '2.5')
    """
    decimals = 0 if float(number).is_integer() else 1
    return f"{number:,.{decimals}f}"


def pluralize(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun, in the plural where it belongs.

    Args:
        number: The number.
        noun: The noun in the singular.
        plural: Its plural, by default with an "s".

    Example:
        >>> pluralize(1, "sample"), pluralize(1200, "sample"), pluralize(2, "reply", "replies")
        ('1 sample', '1,200 samples', '2 replies')
    """
    if number == 1:
        return f"{number:,} {noun}"
    return f"{number:,} {plural or noun + 's'}"


def list_briefly(names: Sequence[str], most: int = 5) -> str:
    """Name a few and count the others.

    Args:
        names: The names.
        most: How many of them are named.

    Example:
        >>> list_briefly(["s1", "s2"]), list_briefly(["s1", "s2", "s3"], most=2)
        ('s1, s2', 's1, s2 and 1 more')
    """
    named = ", ".join(names[:most])
    if len(names) <= most:
        return named
    return f"{named} and {format_number(len(names) - most)} more"


def format_samples(samples: int, distinct_answers: int | None) -> str:
    """Samples, and how many distinct answers they give, if that is fewer.

    Args:
        samples: How many samples there are.
        distinct_answers: How many are left if each answer to a context counts once; None if that
            was not counted.

    Example:
        >>> format_samples(12, 6), format_samples(12, 12)
        ('12 samples, 6 distinct answers', '12 samples')
    """
    number = pluralize(samples, "sample")
    if distinct_answers is None or distinct_answers >= samples:
        return number
    return f"{number}, {pluralize(distinct_answers, 'distinct answer')}"


def format_amount(amount: float) -> str:
    """An amount of money, in whatever currency.

    Example:
        >>> format_amount(1234.5), format_amount(0.002)
        ('1,234.50', 'less than 0.01')
    """
    if 0 < amount < 0.01:
        return "less than 0.01"
    return f"{amount:,.2f}"


def format_percent(share: float) -> str:
    """Write a share, 0 to 1, as a percentage without decimals.

    Example:
        >>> format_percent(0.15)
        '15%'
    """
    return f"{100 * share:.0f}%"


def format_duration(seconds: float) -> str:
    """Write a duration in its two largest units.

    Example:
        >>> format_duration(0.84), format_duration(200), format_duration(7500)
        ('0.8 s', '3 min 20 s', '2 h 5 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min")]
    if not hours:
        parts.append((rest, "s"))
    filled_parts = []
    for number, unit in parts:
        if number:
            filled_parts.append(f"{number} {unit}")
    return " ".join(filled_parts)


def format_rough_duration(seconds: float | None) -> str:
    """Write an estimated duration, rounded so that it does not change every time you look.

    Args:
        seconds: The estimate, or None while there is none.

    Returns:
        The estimate to 5 seconds below 90 seconds (at least 10), to a minute above; "…" for None.

    Example:
        >>> format_rough_duration(42), format_rough_duration(200), format_rough_duration(None)
        ('about 40 s', 'about 3 min', '…')
    """
    if seconds is None:
        return "…"
    rounded = max(10, round(seconds / 5) * 5)
    if seconds >= 90:
        rounded = round(seconds / 60) * 60
    return f"about {format_duration(rounded)}"


def format_value(value: object) -> str:
    """Write the value of any column: numbers as `format_number` does, nothing for None.

    Example:
        >>> format_value(3.0), format_value(None), format_value(True), format_value("yes")
        ('3', '', 'True', 'yes')
    """
    if isinstance(value, float | int) and not isinstance(value, bool):
        return format_number(value)
    return "" if value is None else str(value)


def format_drops(dropped: Mapping[str, int]) -> str:
    """Write drops by reason, the most frequent reason first.

    Example:
        >>> format_drops({"malformed": 3, "score": 6, "truncated": 0})
        'score 6, malformed 3'
    """
    by_frequency = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    drops = []
    for reason, number in by_frequency:
        if number:
            drops.append(f"{reason} {number:,}")
    return ", ".join(drops)


def markdown_code(value: object) -> str:
    """Write a value as a Markdown code span that backticks, line ends and table cells cannot break.

    Example:
        >>> markdown_code("a`b|c")
        '`a b\\\\|c`'
    """
    text = re.sub(r"[`\s]+", " ", str(value)).strip()
    return "`" + text.replace("|", r"\|") + "`"


def markdown_block(text: str) -> str:
    """Write a text as a Markdown code block whose fence is longer than any fence inside it."""
    inner_fences = re.findall("`+", text)
    longest = max(map(len, inner_fences), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def inside_quotes(text: str) -> str:
    """Write a text as it stands between double quotation marks: with single ones of its own.

    Example:
        >>> inside_quotes("\u201cLogin\u201d is wrong") == "\u2018Login\u2019 is wrong"
        True
    """
    return text.translate({0x201C: "\u2018", 0x201D: "\u2019"})


def public_model_name(model: object) -> str:
    """A model's name as it may be published: of a model served from a path, without the folders.

    Example:
        >>> public_model_name("/models/granite-3.3"), public_model_name("ibm/granite-3.3")
        ('granite-3.3', 'ibm/granite-3.3')
    """
    name = "" if model is None else str(model)
    if not _PATH_START.match(name):
        return name
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]
