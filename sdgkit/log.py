"""The logger "sdgkit", which a host application configures.

What a run reports (start, pauses, retries, warnings, end) goes there, each with an `event` and its
counts as fields of the record. The library prints nothing by itself except in a notebook, where you
sit in front of it; the command line prints what it gets.
"""

import logging
import sys

LOGGER = logging.getLogger("sdgkit")
LOGGER.addHandler(logging.NullHandler())  # or warnings would reach stderr without being asked for

HTTP_LIBRARIES = ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "llama_stack_client")


def log(level: int, event: str, message: str, **fields: object) -> None:
    """Log an event with its counts.

    Args:
        level: One of `logging`'s levels.
        event: What happened, in a word, such as `run_ended`.
        message: The same as a sentence.
        fields: Its data, each a field of the record.
    """
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, "%s", message, extra={"event": event, **fields})


def quiet_http_libraries() -> None:
    """Keep the HTTP libraries from logging a line for each request, unless you set their levels."""
    for name in HTTP_LIBRARIES:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


def is_interactive() -> bool:
    """Whether a person works in a notebook, or in another IPython."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
