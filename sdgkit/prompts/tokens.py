"""About how many tokens a text has, without the server's tokenizer at hand."""

BYTES_PER_TOKEN = 3
"""Of UTF-8 text: few, so that languages for which a tokenizer was not made fit, too."""


def rough_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many than too few.

    Example:
        >>> rough_tokens("Twelve bytes")
        4
    """
    return len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN
