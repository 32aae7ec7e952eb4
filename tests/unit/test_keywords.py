"""A misspelt keyword: the same error everywhere."""

import inspect

import pytest

import sdgkit as sk
from sdgkit.errors import SettingsError
from sdgkit.keywords import known_keywords
from sdgkit.method import StageFunction
from sdgkit.panels.frame import Panel


def is_called_by_users(name: str) -> bool:
    """Whether a public name is a function, a stage function, a panel, or what `open_run` gives."""
    value = getattr(sk, name)
    if inspect.isclass(value):
        return issubclass(value, Panel | sk.Run | sk.Review)
    return inspect.isfunction(value) or isinstance(value, StageFunction)


CALLED = [name for name in sk.__all__ if is_called_by_users(name)]


def required_arguments(name: str) -> dict[str, None]:
    parameters = inspect.signature(getattr(sk, name)).parameters.values()
    return {
        parameter.name: None
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    }


@pytest.mark.parametrize("name", CALLED)
def test_an_unknown_keyword_is_refused_before_anything_else(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} has no argument 'not_a_keyword'") as caught:
        getattr(sk, name)(**required_arguments(name), not_a_keyword=1)
    assert caught.value.setting == "not_a_keyword"


def long_keywords() -> list[tuple[str, str]]:
    """The functions that have a keyword of six letters or more, each with its last one."""
    pairs = []
    for name in CALLED:
        parameters = inspect.signature(getattr(sk, name)).parameters.values()
        keywords = [each.name for each in parameters if each.default is not each.empty]
        long = [keyword for keyword in keywords if len(keyword) > 5]
        if long:
            pairs.append((name, long[-1]))
    return pairs


@pytest.mark.parametrize(("name", "keyword"), long_keywords())
def test_a_misspelt_keyword_is_refused_with_the_nearest_right_one(name: str, keyword: str) -> None:
    misspelt = keyword[:-2] + keyword[-1]
    with pytest.raises(SettingsError, match=f"Did you mean '{keyword}'"):
        getattr(sk, name)(**required_arguments(name), **{misspelt: 1})


METHODS = {
    "Run.export": "test_share",
    "Run.wait": "progress",
    "Review.find": "reason",
    "Review.make_seed": "path",
    "Prompt.with_sampling": "max_tokens",
    "Prompt.save": "layout",
    "Pipeline.after": "stage",
    "Shelf.wait": "timeout",
    "Teacher.ask": "temperature",
    "SeedPanel.save": "overwrite",
}


@pytest.mark.parametrize(("method", "keyword"), METHODS.items())
def test_so_is_a_misspelt_keyword_of_a_method(method: str, keyword: str) -> None:
    class_name, _, name = method.partition(".")
    function = getattr(getattr(sk, class_name), name)
    misspelt = keyword[:-2] + keyword[-1]
    with pytest.raises(SettingsError, match=f"Did you mean '?{keyword}'?"):
        function(object(), **{misspelt: 1})


@pytest.mark.parametrize("kind", ["Generate", "GenerateMany", "Judge", "Keep", "Check", "Combine"])
def test_so_is_a_misspelt_field_of_a_stage(kind: str) -> None:
    with pytest.raises(SettingsError, match=f"{kind} has no argument 'nme'. Did you mean 'name'?"):
        getattr(sk, kind)(nme="mine")


def test_the_teacher_panel_takes_every_option_of_connect() -> None:
    options = inspect.signature(sk.connect).parameters
    assert list(inspect.signature(sk.TeacherPanel).parameters) == list(options)


def test_only_what_you_may_give_is_offered() -> None:
    with pytest.raises(SettingsError) as refused:
        sk.Prompt("mine", lines=3)  # type: ignore[call-arg]
    assert "system" in refused.value.choices
    assert not any(choice.startswith("_") for choice in refused.value.choices)


def test_a_function_without_arguments_says_so() -> None:
    @known_keywords
    def check() -> None: ...

    with pytest.raises(SettingsError, match=r"has no argument 'x'\. It takes no arguments\."):
        check(x=1)  # type: ignore[call-arg]
