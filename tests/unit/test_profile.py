"""The profile of a skill: a file that a person reads and edits."""

from dataclasses import replace
from pathlib import Path

import pytest

import sdgkit as sk
from sdgkit.checks import derive_checks
from sdgkit.profile import Criterion, Profile

EDITED = """\
# My skill, as I see it.
criteria:
- NO
- text: "It ends with: regards"   # the house rule
  enabled: off
  broken_by: s2, s5
- on
variety:
  case:     # drawn for each context
  - 12:30
  - 007
  - ~
checks:
- length=1..30 words
question_steers: no
"""


def test_texts_are_read_as_they_are_written() -> None:
    profile = Profile.from_yaml(EDITED)
    assert [criterion.text for criterion in profile.criteria] == [
        "NO",
        "It ends with: regards",
        "on",
    ]
    assert profile.criteria[1] == Criterion("It ends with: regards", False, ("s2", "s5"))
    assert profile.variety == {"case": ("12:30", "007", "~")}
    assert profile.question_steers is False


@pytest.mark.parametrize("text", ["NO", "on", "12:30", "007", "null", "1e3", "a: b", "- x", "#5"])
def test_a_text_survives_being_written_and_read(text: str, tmp_path: Path) -> None:
    profile = Profile((Criterion(text),), {text: (text,)}, ("no_refusal",), None)
    assert Profile.load(profile.save(tmp_path / "profile.yaml")) == profile
    assert Profile.from_json(profile.as_json()) == profile


def test_what_the_study_could_not_look_at_is_kept_in_the_file(tmp_path: Path) -> None:
    profile = Profile((Criterion("One."),), untested_on=("s2", "s7"), seeds_shown=12)
    assert Profile.load(profile.save(tmp_path / "profile.yaml")) == profile
    assert Profile.from_json(profile.as_json()) == profile
    looked_at = replace(profile, untested_on=())
    looked_at.save(tmp_path / "profile.yaml")
    assert Profile.load(tmp_path / "profile.yaml") == looked_at


@pytest.mark.parametrize("text", ["seeds_shown: many", "seeds_shown: [1]", "seeds_shown: 1.5"])
def test_a_number_of_seeds_that_is_none_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(
        sk.ProfileError, match="line 1, list seeds_shown: it must be a whole number"
    ):
        Profile.from_yaml(text)


def test_comments_stay_when_something_else_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(EDITED, encoding="utf-8")
    profile = Profile.load(path)
    replace(profile, checks=("length=1..40 words",)).save(path)
    expected = EDITED.replace("length=1..30 words", '"length=1..40 words"')
    assert path.read_text(encoding="utf-8") == expected


def test_a_profile_that_says_the_same_is_not_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(EDITED, encoding="utf-8")
    Profile.load(path).save(path)
    assert path.read_text(encoding="utf-8") == EDITED


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "criteria:\nvariety:\nchecks:\n"])
def test_an_empty_profile_is_a_profile(text: str) -> None:
    assert Profile.from_yaml(text) == Profile()


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("criteria:\n- A.\n- Due: today\n", 3, "criteria"),
        ("criteria:\n- A.\n-\n", 3, "criteria"),
        ("criteria:\n- text: A.\n  enabled: perhaps\n", 3, "criteria"),
        ("variety:\n  size:\n  - small\n  - [a, b]\n", 4, "size"),
        ("variety:\n  size: small\n", 2, "size"),
        ("variety:\n- small\n", 2, "variety"),
        ("checks:\n- no_refusal\n- longth=3\n", 3, "checks"),
        ("checks:\n- length=many\n", 2, "checks"),
        ("question_steers: sometimes\n", 1, "question_steers"),
        ("rules:\n- A.\n", 2, "rules"),
    ],
)
def test_an_error_names_file_line_and_list(text: str, line: int, name: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(sk.ProfileError) as raised:
        Profile.load(path)
    assert (raised.value.file, raised.value.line, raised.value.list) == (str(path), line, name)
    assert str(raised.value).startswith(f"{path}, line {line}, list {name}: ")


@pytest.mark.parametrize("check", ["mine.py:judge", "valid_json=/etc/schema.json"])
def test_a_profile_names_no_code_and_no_other_file(check: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit", encoding="utf-8")
    with pytest.raises(sk.ProfileError):
        Profile.from_yaml(f"checks:\n- {check}\n")
    with pytest.raises(sk.SettingsError):
        Profile(checks=(check,)).check_stages()


# The checks that all seeds pass -------------------------------------------------------------------


def seeds_with(*responses: str) -> list[dict[str, str]]:
    return [
        {"task_description": "Do it.", "seed_question": f"Question {n}", "seed_response": text}
        for n, text in enumerate(responses, 1)
    ]


def test_the_columns_that_all_tables_share_are_checked() -> None:
    tables = ("| A | B |\n|---|---|\n| 1 | 2 |", "| A | B |\n|---|---|\n| 3 | 4 |\n| 5 | 6 |")
    assert derive_checks(seeds_with(*tables))[0] == "markdown_table=A,B"
    other = "| A | C |\n|---|---|\n| 3 | 4 |"
    assert derive_checks(seeds_with(tables[0], other))[0] == "markdown_table"
    assert not any("table" in check for check in derive_checks(seeds_with(tables[0], "None.")))


def test_the_keys_that_all_json_objects_share_are_checked() -> None:
    assert derive_checks(seeds_with('{"a": 1, "b": 2}', '{"b": "x", "a": []}'))[0] == (
        "valid_json=a,b"
    )
    assert derive_checks(seeds_with('{"a": 1}', '{"b": 1}'))[0] == "valid_json"
    [_, check] = sk.checks.read_checks(["no_refusal", "valid_json=a,b"])
    assert check.function({"response": '[{"a": 1, "b": 2}]'}) is None
    assert "Its keys are" in check.function({"response": '{"a": 1}'})


def test_words_with_which_all_responses_begin_are_checked() -> None:
    checks = derive_checks(seeds_with("Re (2): the lamp\nA", "Re (2): a pump\nB"))
    assert checks[0] == r"matches=\ARe \(2\):"


def test_what_one_seed_fails_is_not_checked() -> None:
    refusing = seeds_with("I'm sorry, but I can't help with that.", "The lamp is broken.")
    checks = derive_checks(refusing)
    samples = [{**seed, "response": seed["seed_response"]} for seed in refusing]
    for check in sk.checks.read_checks(checks):
        assert not any(check.function(sample) for sample in samples)


def grounded_seeds(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Seeds with these contexts and responses."""
    seeds = seeds_with(*(response for _, response in pairs))
    return [{**seed, "seed_context": pair[0]} for seed, pair in zip(seeds, pairs, strict=True)]


def test_facts_are_checked_where_the_responses_keep_to_their_contexts() -> None:
    copying = grounded_seeds(
        ("31 lamps for hall 12", "31 lamps"),
        ("45 pumps for hall 13", "45 pumps"),
        ("58 doors for hall 14", "58 doors"),
    )
    assert "facts_in_context" in derive_checks(copying)


def test_facts_are_not_checked_where_the_responses_compute_what_the_check_cannot_follow() -> None:
    multiplying = grounded_seeds(
        ("3 boxes of 12 lamps", "36 lamps"),
        ("4 boxes of 15 pumps", "60 pumps"),
        ("5 boxes of 18 doors", "90 doors"),
    )
    assert "facts_in_context" not in derive_checks(multiplying)


def test_lengths_far_outside_those_of_the_seeds_fail() -> None:
    words = ["one two three four five six", "one two three"]
    [text] = [check for check in derive_checks(seeds_with(*words)) if check.startswith("length")]
    [check] = sk.checks.read_checks(text)
    assert check.function({"response": "word " * 18}) is None
    assert check.function({"response": "word " * 19})
