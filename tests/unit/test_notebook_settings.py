"""The settings of a notebook: variables under the options' names."""

from pathlib import Path

import pytest

import sdgkit as sk


def test_what_is_not_set_has_its_default() -> None:
    settings = sk.notebook_settings({"seeds": None, "target": None})
    assert settings.teacher == {} and settings.job == {}
    assert settings.out == Path("runs/feedback_to_table")


def test_a_setting_goes_where_it_belongs() -> None:
    namespace = {"teacher": "vllm", "base_url": "http://a/v1", "timeout": 5, "profile": False}
    settings = sk.notebook_settings({**namespace, "reuse": True, "seeds": "mine/mails.jsonl"})
    assert settings.teacher == {"kind": "vllm", "base_url": "http://a/v1", "timeout": 5}
    assert settings.job == {"reuse": True, "profile": False}
    assert settings.out == Path("runs/mails")


def test_a_variable_of_the_same_name_that_is_no_setting_is_left_alone() -> None:
    with sk.connect("rehearsal") as teacher:
        assert sk.notebook_settings({"teacher": teacher, "checks": sk.checks}).values == {}


def test_another_model_judges_on_the_teachers_own_server_and_is_connected_once() -> None:
    with sk.connect("rehearsal") as teacher:
        address = {"teacher": "vllm", "base_url": teacher.base_url, "judge_model": "rehearsal"}
        settings = sk.notebook_settings(address)
        judge = settings.job["judge"]
        assert (judge.base_url, judge.model) == (teacher.base_url, "rehearsal")
        assert settings.job["judge"] is judge


def test_seeds_that_cannot_be_read_are_refused_with_their_name() -> None:
    with pytest.raises(sk.SeedError, match=r"nowhere\.jsonl"):
        _ = sk.notebook_settings({"seeds": "nowhere.jsonl"}).seeds
