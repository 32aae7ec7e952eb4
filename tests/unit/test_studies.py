"""The study of a skill: what the teacher is asked, and what a run does with the profile."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import PROMPTS, Ask, ScriptedTeacher, prompt, seeds, tagged

import sdgkit as sk
from sdgkit.journal import Journal
from sdgkit.run.profiles import study_of
from sdgkit.studies.fitting import fitting_seeds
from sdgkit.studies.stages import entries_in, verdicts_in
from sdgkit.teachers import background

NOTES = {
    "criteria": "- It names the date.\n- It is one line.",
    "kinds": "a note\na form",
    "cases": "1. the ordinary case\n2. no date given",
    "settings": "an office",
    "sizes": "short\nlong",
    "steering": "no",
}
STUDY_PROMPTS = {
    "write_profile": prompt("write_profile", ("seeds", "task_description"), *NOTES, temperature=0),
    "test_criteria": prompt(
        "test_criteria", ("criteria", "seed_response"), "findings", temperature=0
    ),
}
CRITERIA = "{% if criteria is defined %}Rules: {{ criteria|join(' / ') }}{% endif %}"
ALL_PROMPTS = {
    **PROMPTS,
    **STUDY_PROMPTS,
    "evaluate_grounded_qa_pair": replace(PROMPTS["evaluate_grounded_qa_pair"], system=CRITERIA),
}
SMALL: dict[str, Any] = {"num_contexts": 2, "num_questions": 1, "prompts": ALL_PROMPTS}


def studying(ask: Ask) -> str:
    """Seed 2 breaks the second criterion; all else as usual."""
    if ask.stage == "write_profile":
        return tagged(**NOTES)
    if ask.stage == "test_criteria":
        second = "no" if ask.given["seed_response"].endswith("2") else "yes"
        return tagged(findings=f"1: found: yes\n2: looked: {second}")
    return ScriptedTeacher.usual(ask)


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        script.answer = studying
        yield script


def rules_told(script: ScriptedTeacher) -> set[str]:
    """What the judges' system messages say."""
    asks = [ask for ask in script.asks if ask.stage == "evaluate_grounded_qa_pair"]
    return {ask.body["messages"][0]["content"] for ask in asks}


# Asking -------------------------------------------------------------------------------------------


def test_one_request_reads_all_seeds_and_one_a_seed_tests_the_criteria(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    run = sk.generate(seeds(3), teacher=script.connect(), **SMALL)
    assert script.asked("write_profile") == 1
    assert script.asked("test_criteria") == 3
    [ask] = [ask for ask in script.asks if ask.stage == "write_profile"]
    assert [seed["seed_response"] for seed in ask.given["seeds"]] == [
        f"Response of seed {number}" for number in (1, 2, 3)
    ]
    assert run.profile is not None
    assert run.profile.variety["case"] == ("the ordinary case", "no date given")


def test_a_criterion_that_a_seed_breaks_is_switched_off_and_names_the_seed(
    script: ScriptedTeacher,
) -> None:
    run = sk.generate(seeds(3), teacher=script.connect(), **SMALL)
    assert run.profile is not None
    first, second = run.profile.criteria
    assert first.enabled and not first.broken_by
    assert not second.enabled and second.broken_by == ("s2",)
    assert rules_told(script) == {"Rules: It names the date."}
    assert any("s2 breaks the criterion" in note for note in run.notes)


def test_a_malformed_reply_is_asked_again(script: ScriptedTeacher) -> None:
    def hesitating(ask: Ask) -> str:
        if ask.stage == "write_profile" and ask.attempt < 3:
            return tagged(**{**NOTES, "cases": "-"}) if ask.attempt == 1 else "Let me think."
        if ask.stage == "test_criteria" and ask.attempt == 1:
            return tagged(findings="1: found: yes")  # and not a word about the second
        return studying(ask)

    script.answer = hesitating
    run = sk.generate(seeds(2), teacher=script.connect(), **SMALL)
    assert script.asked("write_profile") == 3
    assert script.asked("test_criteria") == 4
    assert run.profile is not None and len(run.profile.criteria) == 2


def test_a_seed_about_which_the_judge_gives_no_answer_is_untested_and_said_to_be(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    def vague(ask: Ask) -> str:
        about_second = str(ask.given.get("seed_response")).endswith("2")
        return "Hm." if ask.stage == "test_criteria" and about_second else studying(ask)

    script.answer = vague
    out = tmp_path / "run"
    run = sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    assert run.profile is not None
    assert run.profile.untested_on == ("s2",)
    assert not run.profile.broken_criteria
    assert any("No criterion could be tested on s2:" in note for note in run.notes)
    assert "untested_on: s2" in (out / "profile.yaml").read_text("utf-8")
    assert sk.Profile.load(out / "profile.yaml") == run.profile


def test_a_study_in_which_every_seed_was_tested_says_nothing_of_untested_ones(
    script: ScriptedTeacher,
) -> None:
    run = sk.generate(seeds(3), teacher=script.connect(), **SMALL)
    assert run.profile is not None and not run.profile.untested_on
    assert not any("tested" in note for note in run.notes)
    assert "untested_on" not in run.profile.as_json()


# The teacher's context ----------------------------------------------------------------------------


def long_seeds(number: int, words: int) -> list[dict[str, str]]:
    rows = seeds(number)
    for row in rows:
        row["seed_context"] = f"{row['seed_context']} {'word ' * words}".strip()
    return rows


def test_seeds_that_do_not_fit_into_the_context_are_left_out_and_counted(
    script: ScriptedTeacher,
) -> None:
    script.rows = [{"id": "tiny", "max_model_len": 4_000}]
    run = sk.generate(long_seeds(30, words=200), teacher=script.connect(), **SMALL)
    [ask] = [ask for ask in script.asks if ask.stage == "write_profile"]
    shown = len(ask.given["seeds"])
    assert 5 <= shown <= 10
    assert len(str(ask.given["seeds"])) < 3 * 4_000
    assert script.asked("test_criteria") == 30
    assert run.profile is not None and run.profile.seeds_shown == shown
    assert any(f"it was shown {shown} of them" in note for note in run.notes)


def test_which_seeds_are_shown_does_not_depend_on_their_order_in_the_file() -> None:
    prompt = STUDY_PROMPTS["write_profile"]
    rows = long_seeds(30, words=200)
    shown = fitting_seeds(rows, prompt, 4_000)
    assert shown == [row for row in rows if row in shown]
    assert fitting_seeds(rows[::-1], prompt, 4_000) == shown[::-1]


def test_one_seed_is_shown_however_long_all_of_them_are() -> None:
    rows = [*long_seeds(1, words=9_000), *long_seeds(1, words=8_000)]
    assert fitting_seeds(rows, STUDY_PROMPTS["write_profile"], 4_000) == [rows[1]]


def test_all_seeds_are_shown_where_they_fit() -> None:
    rows = long_seeds(30, words=200)
    assert fitting_seeds(rows, STUDY_PROMPTS["write_profile"], None) == rows


@pytest.mark.parametrize("words", [1, 400])
def test_thousands_of_seeds_are_studied_by_a_fair_sample_of_them(words: int) -> None:
    rows = long_seeds(3_000, words=words)
    for context_length in (None, 1_000_000):
        shown = fitting_seeds(rows, STUDY_PROMPTS["write_profile"], context_length)
        assert 5 < len(shown) < len(rows)


def test_the_replies_of_a_study_leave_room_for_its_prompts(script: ScriptedTeacher) -> None:
    script.rows = [{"id": "tiny", "max_model_len": 2_000}]
    long_replies = {"max_tokens": 4_096}
    own = {name: replace(prompt, sampling=long_replies) for name, prompt in STUDY_PROMPTS.items()}
    given = {**SMALL, "prompts": {**ALL_PROMPTS, **own}}
    sk.generate(seeds(2), teacher=script.connect(), **given)
    limits = {ask.body["max_tokens"] for ask in script.asks if ask.stage in STUDY_PROMPTS}
    assert limits == {1_000}


def test_a_teacher_that_cannot_write_one_is_said_once_and_the_run_does_without(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    def silent(ask: Ask) -> str:
        return "I would rather not." if ask.stage == "write_profile" else studying(ask)

    script.answer = silent
    run = sk.generate(seeds(2), teacher=script.connect(), out=tmp_path / "run", **SMALL)
    assert run.state == "done" and run.dataset.num_rows
    assert len([note for note in run.notes if "could not write a profile" in note]) == 1
    assert not (tmp_path / "run" / "profile.yaml").exists()
    assert not any("Rules:" in message for message in rules_told(script))
    assert script.asked("write_profile") == 4


def test_study_raises_where_a_run_does_without(script: ScriptedTeacher, tmp_path: Path) -> None:
    for name, own in STUDY_PROMPTS.items():
        own.save(tmp_path / f"{name}.yaml")
    profile = sk.study(seeds(3), teacher=script.connect(), prompts=tmp_path)
    assert profile.enabled_criteria == ["It names the date."]
    script.answer = lambda ask: "no"
    with pytest.raises(sk.RunError, match="could not write a profile"):
        sk.study(seeds(3), teacher=script.connect(), prompts=tmp_path)


def test_a_study_that_is_cancelled_before_it_begins_asks_nothing(script: ScriptedTeacher) -> None:
    plan = sk.plan(seeds(3), teacher=script.connect(), **SMALL)
    with closing(Journal()) as journal:
        study = study_of(plan, journal)
        assert study is not None
        study.cancel()
        outcome = background.wait(study.carry_out())
    assert outcome.profile is None
    assert script.asked() == 0


# A run and its profile ----------------------------------------------------------------------------


def test_nothing_of_a_study_is_asked_twice(script: ScriptedTeacher, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    script.forget()
    again = sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    assert script.asked() == 0
    (out / "profile.yaml").unlink()
    anew = sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    assert script.asked() == 0
    assert list(first.samples()) == list(again.samples()) == list(anew.samples())
    assert (out / "profile.yaml").exists()


def test_an_edited_profile_asks_again_only_what_follows_from_it(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    path = out / "profile.yaml"
    path.write_text(
        path.read_text("utf-8").replace("enabled: false", "enabled: true"), encoding="utf-8"
    )
    script.forget()
    run = sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    assert set(script.by_stage()) == {"evaluate_grounded_qa_pair"}
    assert rules_told(script) == {"Rules: It names the date. / It is one line."}
    assert any("changed since the last session: criteria;" in note for note in run.notes)
    assert "broken_by: s2" in path.read_text("utf-8")


def test_checks_may_come_and_go_in_one_folder(script: ScriptedTeacher, tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    assert "profile_checks" in [line.name for line in before.funnel]
    profile = sk.Profile.load(out / "profile.yaml")
    replace(profile, checks=()).save(out / "profile.yaml")
    script.forget()
    after = sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    assert "profile_checks" not in [line.name for line in after.funnel]
    assert set(script.by_stage()) <= {"evaluate_grounded_qa_pair"}  # of rows that a check dropped


def test_a_given_profile_is_used_and_nothing_is_studied(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    path = sk.Profile((sk.Criterion("Mine."),), {"kind": ("a poem",)}).save(tmp_path / "p.yaml")
    run = sk.generate(seeds(2), teacher=script.connect(), profile=path, **SMALL)
    assert not {"write_profile", "test_criteria"} & set(script.by_stage())
    assert rules_told(script) == {"Rules: Mine."}
    assert {sample["vary"]["kind"] for sample in run.samples()} == {"a poem"}


def test_without_a_profile_nothing_is_studied_and_nothing_drawn(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    run = sk.generate(seeds(2), teacher=script.connect(), profile=False, out=out, **SMALL)
    again = sk.generate(out, teacher=script.connect())
    assert not {"write_profile", "test_criteria"} & set(script.by_stage())
    assert "vary" not in run.dataset.column_names
    assert again.profile is None


def test_a_folder_begun_without_a_profile_continues_without(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    first = sk.generate(seeds(2), teacher=script.connect(), profile=False, out=out, **SMALL)
    script.forget()
    again = sk.generate(seeds(2), teacher=script.connect(), out=out, **SMALL)
    assert script.asked() == 0
    assert list(again.samples()) == list(first.samples())
    assert any("started without a profile" in note for note in again.notes)


def test_the_run_is_done_again_from_its_folder_with_its_profile(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    first = sk.generate(seeds(3), teacher=script.connect(), out=out, **SMALL)
    script.forget()
    elsewhere = sk.generate(out, teacher=script.connect(), out=tmp_path / "other")
    assert not {"write_profile", "test_criteria"} & set(script.by_stage())
    assert elsewhere.profile == first.profile
    assert list(elsewhere.samples()) == list(first.samples())


def test_your_own_lists_come_before_those_of_the_profile_by_name(
    script: ScriptedTeacher,
) -> None:
    run = sk.generate(seeds(1), teacher=script.connect(), vary={"kind": ["mine"]}, **SMALL)
    drawn = [sample["vary"] for sample in run.samples()]
    assert {entry["kind"] for entry in drawn} == {"mine"}
    assert {entry["case"] for entry in drawn} <= {"the ordinary case", "no date given"}


def test_a_prompt_without_vary_leaves_its_rows_undrawn(script: ScriptedTeacher) -> None:
    plain = replace(
        PROMPTS["gen_contexts"],
        generation=PROMPTS["gen_contexts"].generation.replace("vary", "nothing"),
    )
    given = {**SMALL, "prompts": {**ALL_PROMPTS, "gen_contexts": plain}}
    run = sk.generate(seeds(1), teacher=script.connect(), **given)
    assert run.profile is not None and run.profile.variety
    assert "vary" not in run.dataset.column_names


def test_a_stage_alone_draws_from_a_profile_that_it_is_given(script: ScriptedTeacher) -> None:
    rows, teacher = seeds(1), script.connect()
    own = PROMPTS["gen_contexts"]
    plain = sk.gen_contexts(rows, teacher=teacher, prompt=own, num_contexts=2)
    assert "vary" not in plain.column_names
    profile = sk.Profile(variety={"kind": ("a poem", "a song")})
    drawn = sk.gen_contexts(rows, teacher=teacher, prompt=own, num_contexts=2, profile=profile)
    assert sorted(vary["kind"] for vary in drawn["vary"]) == ["a poem", "a song"]
    assert script.asked("write_profile") == 0


def test_the_explanation_says_which_cases_have_samples(script: ScriptedTeacher) -> None:
    run = sk.generate(seeds(1), teacher=script.connect(), **{**SMALL, "num_contexts": 6})
    [case] = [entry for entry in run.explain().coverage if entry.name == "case"]
    drawn = [sample["vary"]["case"] for sample in run.samples()]
    assert case.samples == {
        name: drawn.count(name) for name in ("the ordinary case", "no date given")
    }
    assert f"case {case.covered} of 2" in str(run.explain())


def test_rows_are_the_same_whether_the_profile_is_made_or_given(script: ScriptedTeacher) -> None:
    made = sk.generate(seeds(2), teacher=script.connect(), **SMALL)
    given = sk.generate(seeds(2), teacher=script.connect(), profile=made.profile, **SMALL)
    assert list(made.samples()) == list(given.samples())


# Reading ------------------------------------------------------------------------------------------


def test_bullets_and_numbers_are_no_part_of_an_entry() -> None:
    assert entries_in("- a\n* b\n3) c\n 4. d\n12:30 at noon\n-5 degrees\n\nA") == (
        "a",
        "b",
        "c",
        "d",
        "12:30 at noon",
        "-5 degrees",
    )


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        ("1: seen: yes\n2: not seen: no", {1: True, 2: False}),
        ("1. **Yes**\n2. **No.**", {1: True, 2: False}),
        ("Rule 1: it has\n  two lines: yes\nRule 2: no", {1: True, 2: False}),
        ("1: perhaps", {}),
        ("1: yes\n1: no", {}),
        ("", {}),
    ],
)
def test_findings_are_read_where_they_are_certain(text: str, verdicts: dict[int, bool]) -> None:
    assert verdicts_in(text) == verdicts


# The rehearsal teacher and the command ------------------------------------------------------------


def test_the_rehearsal_teacher_studies_every_tutorial_skill(repo: Path) -> None:
    with sk.connect("rehearsal") as teacher:
        for file in sorted((repo / "notebooks" / "seeds").glob("*.jsonl")):
            profile = sk.study(file, teacher=teacher)
            assert 3 <= len(profile.criteria) <= 10
            assert set(profile.variety) == {"kind", "case", "setting", "size"}
            assert "no_refusal" in profile.checks


def test_the_rehearsal_teacher_finds_the_seed_that_breaks_a_rule() -> None:
    rows = [
        {"task_description": "Say it.", "seed_question": f"{n}?", "seed_response": text}
        for n, text in enumerate(("One.", "Two.", "Three.\nAnd\nmore."), 1)
    ]
    with sk.connect("rehearsal") as teacher:
        profile = sk.study(rows, teacher=teacher)
    assert [criterion.broken_by for criterion in profile.broken_criteria] == [("s3",)]


def test_the_command_writes_a_file_and_prints_json(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sdgkit.cli.main import main

    file = str(repo / "notebooks" / "seeds" / "feedback_to_table.jsonl")
    to = tmp_path / "profile.yaml"
    assert main(["study", file, "--to", str(to)]) == 0
    assert str(to) in capsys.readouterr().out
    assert main(["study", file, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert sk.Profile.from_json(printed) == sk.Profile.load(to)
    assert main(["generate", file, "--profile", str(to), "--no-profile"]) == 2
