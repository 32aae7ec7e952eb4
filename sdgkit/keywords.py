"""Misspelt keywords of public functions: one error, which names the nearest right one."""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import ParamSpec, TypeVar, Unpack, get_args, get_origin

from sdgkit.errors import SettingsError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def known_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function raise `SettingsError` for a keyword that it does not know.

    The signature that `help` and Shift-Tab show is the function's own; keywords that it takes by a
    TypedDict (`**options: Unpack[PlanOptions]`) are spelled out in it.

    Example:
        >>> @known_keywords
        ... def plan(*, vary: int = 10) -> int:
        ...     return vary
        >>> plan(vari=3)
        Traceback (most recent call last):
        sdgkit.errors.SettingsError: plan has no argument 'vari'. Did you mean 'vary'?
    """
    signature = spell_out(inspect.signature(function))
    name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return function  # it takes any, or looks at them itself

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        check_keywords(name, kwargs, signature.parameters)
        return function(*args, **kwargs)

    checked.__signature__ = signature  # type: ignore[attr-defined]
    return checked


def known_keywords_throughout(kind: type[T]) -> type[T]:
    """Do what `known_keywords` does for how a class is called, and for each of its public methods.

    What the class inherits is left as it is, and so are methods that take any keyword.

    Example:
        >>> @known_keywords_throughout
        ... class Run:
        ...     def export(self, path: str, *, test_share: float = 0.0) -> None: ...
        >>> Run().export("train.jsonl", test_shre=0.1)
        Traceback (most recent call last):
        sdgkit.errors.SettingsError: export has no argument 'test_shre'. Did you mean 'test_share'?
    """
    for name, attribute in list(vars(kind).items()):
        is_callable = inspect.isfunction(attribute) and not inspect.iscoroutinefunction(attribute)
        is_public = not name.startswith("_") or name == "__init__"
        if is_callable and is_public and not hasattr(attribute, "__wrapped__"):
            setattr(kind, name, known_keywords(attribute))
    return kind


def spell_out(signature: inspect.Signature) -> inspect.Signature:
    """The signature with each key of `**options: Unpack[TypedDict]` as a keyword of its own.

    The default of such a keyword is None: it is not given.
    """
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if get_origin(parameter.annotation) is Unpack:
            parameters += _keywords_of(*get_args(parameter.annotation))
        else:
            parameters.append(parameter)
    return signature.replace(parameters=parameters)


def _keywords_of(options: type) -> list[inspect.Parameter]:
    """The keys of a TypedDict as keyword-only parameters."""
    parameters = []
    for name, annotation in options.__annotations__.items():
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
            )
        )
    return parameters


def check_keywords(function: str, keywords: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keywords that a function does not know.

    Args:
        function: The name of the function.
        keywords: The keywords that it was called with.
        known: The keywords that it knows.

    Raises:
        SettingsError: One of them is unknown.
    """
    known_names = list(known)
    for keyword in keywords:
        if keyword not in known_names:
            raise unknown_keyword(function, keyword, known_names)


def unknown_keyword(function: str, name: str, known: Iterable[str]) -> SettingsError:
    """The error for a keyword that a function does not know."""
    choices = []
    for choice in known:
        if choice != "self" and not choice.startswith("_"):
            choices.append(choice)
    what_to_do = advice(name, choices) if choices else "It takes no arguments."
    return SettingsError(
        f"{function} has no argument {name!r}. {what_to_do}",
        setting=name,
        choices=choices,
    )


def as_text(name: str, value: object) -> str | None:
    """An argument that is text, which papermill's `-p` may have turned into a whole number.

    Args:
        name: The argument's name.
        value: Its value; None if it was left out.

    Raises:
        SettingsError: It is neither text nor a whole number. Of any other number it cannot be known
            how it was written.

    Example:
        >>> as_text("system", 42)
        '42'
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise SettingsError(
        f"{name} must be text, not {value!r}. With papermill, give it with -r {name} VALUE, which "
        "keeps it as it is written (-p turns it into a number).",
        setting=name,
    )


def as_texts(name: str, value: object) -> str | list[str] | None:
    """An argument that is text or a list of texts: `as_text` for each."""
    if isinstance(value, list | tuple):
        return [as_text(name, entry) or "" for entry in value]
    return as_text(name, value)


def as_path(name: str, value: object) -> "str | Path | None":
    """An argument that is a path: `as_text` for anything else."""
    return value if isinstance(value, Path) else as_text(name, value)


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
