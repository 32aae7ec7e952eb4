"""Misspelt keywords of public functions: one error everywhere, which names the nearest right one."""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import ParamSpec, TypeVar

from sdgkit.errors import SettingsError

P = ParamSpec("P")
R = TypeVar("R")


def known_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function raise `SettingsError` for a keyword that it does not know.

    The signature that `help` and Shift-Tab show stays the function's own. For a class, decorate its
    `__init__`.

    Example:
        >>> @known_keywords
        ... def plan(*, num_contexts: int = 10) -> int:
        ...     return num_contexts
        >>> plan(num_context=3)
        Traceback (most recent call last):
        sdgkit.errors.SettingsError: plan has no argument 'num_context'. Did you mean 'num_contexts'?
    """
    parameters = inspect.signature(function).parameters.values()
    names = [parameter.name for parameter in parameters]
    shown_name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in names:
                raise unknown_keyword(shown_name, name, names)
        return function(*args, **kwargs)

    return checked


def unknown_keyword(function: str, name: str, known: Iterable[str]) -> SettingsError:
    """The error for a keyword that a function does not know."""
    choices = [choice for choice in known if choice != "self"]
    return SettingsError(
        f"{function} has no argument {name!r}. {advice(name, choices)}",
        setting=name,
        choices=choices,
    )


def advice(name: str, choices: Sequence[str]) -> str:
    """What to write instead of a name that is not among the choices.

    Example:
        >>> advice("vlm", ["vllm", "openai"])
        "Did you mean 'vllm'?"
        >>> advice("local", ["vllm", "openai"])
        'Choose from vllm, openai.'
    """
    nearest = get_close_matches(name, choices, n=1)
    if nearest:
        return f"Did you mean {nearest[0]!r}?"
    return f"Choose from {', '.join(choices)}."
