"""The measurement of quality: its set, and what it measures on a few seeds of the rehearsal."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import quality
from quality import Cost, Measurement, Result, Share, of_run
from quality_set import Skill, load_skills

import sdgkit as sk
from sdgkit.checks.languages import language
from sdgkit.run import Run

SKILLS = load_skills()
FEW = ("notice_to_plain_words", "speaking_clock")


@pytest.fixture
def few() -> list[Skill]:
    """Two skills, one of each method, with two seeds each."""
    skills = []
    for skill in load_skills(FEW):
        seeds = list(skill.values["seeds"])[:2]
        skills.append(Skill(skill.name, {**skill.values, "seeds": seeds}))
    return skills


def measured(skills: list[Skill], folder: Path, **options: Any) -> list[Result]:
    few_rows = {"num_contexts": 2, "num_questions": 1}
    with sk.connect("rehearsal") as teacher:
        return Measurement(teacher, folder, options={**few_rows, **options}).of_all(skills)


def number_of_requests(folder: Path, skill: str) -> int:
    return sum(cost.requests for cost in quality.costs_by_stage(folder / skill).values())


# The set ------------------------------------------------------------------------------------------


def test_the_set_has_six_skills_of_which_two_are_not_english() -> None:
    languages = [language(skill.seeds[0]["task_description"]) for skill in SKILLS]
    assert len(SKILLS) >= 6
    assert len([name for name in languages if name != "en"]) >= 2


def test_the_set_has_sixty_faults_of_many_kinds_beside_good_rows() -> None:
    kinds = {fault.kind for skill in SKILLS for fault in skill.faults}
    assert sum(len(skill.faults) for skill in SKILLS) >= 60
    assert kinds >= {"truth", "completeness", "form", "language", "copied", "extra"}
    assert all(len(skill.good) >= 4 for skill in SKILLS)


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_every_fault_differs_from_every_good_row(skill: Skill) -> None:
    good = {(row.columns["question"], row.columns["response"]) for row in skill.good}
    for fault in skill.faults:
        assert (fault.columns["question"], fault.columns["response"]) not in good


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_no_rule_case_is_in_every_example(skill: Skill) -> None:
    seeds = [
        {name.removeprefix("seed_"): text for name, text in seed.items()} for seed in skill.seeds
    ]
    examples: list[Mapping[str, str]] = [*seeds, *(row.columns for row in skill.good)]
    for case in skill.cases:
        assert not all(case.is_in(example) for example in examples), case.name


def test_a_fault_whose_place_is_not_in_the_good_row_is_refused() -> None:
    skill = SKILLS[0]
    fault = {"of": skill.good[0].id, "kind": "truth", "change": ["not in it", "wrong"]}
    with pytest.raises(ValueError, match="must be in the response once"):
        Skill(skill.name, {**skill.values, "faults": [fault]}).faults  # noqa: B018


# The measures -------------------------------------------------------------------------------------


def test_every_measure_of_a_small_run_is_in_the_table(few: list[Skill], tmp_path: Path) -> None:
    results = measured(few, tmp_path)
    grounded, freeform = results
    everything = Result.together(results, "all")
    assert grounded.funnel["contexts"] == Share(4, 4)
    assert freeform.funnel["questions"].number == 4
    assert everything.samples == grounded.samples + freeform.samples
    assert sum(share.of for share in everything.faults.values()) == 22
    assert everything.good.of == 8
    assert everything.unfit.of == 6
    assert everything.seeds_kept.of == 4
    assert everything.covered.of == 22
    lines = everything.lines()
    for name in (
        "samples",
        "distinct answers",
        "rule cases covered",
        "mean similarity",
        "faults let through",
        "good rows kept",
        "requests per distinct sample",
        "prompt tokens per sample",
        "prompt tokens: judging responses",
    ):
        assert lines[name], name
    assert "prompt tokens: study" in quality.table([everything])


def test_a_measurement_in_the_same_folder_asks_nothing_again(
    few: list[Skill], tmp_path: Path
) -> None:
    first = measured(few, tmp_path)
    requests = number_of_requests(tmp_path, FEW[0])
    assert measured(few, tmp_path) == first
    assert number_of_requests(tmp_path, FEW[0]) == requests


def test_a_rule_case_counts_as_covered_once_a_sample_shows_it(tmp_path: Path) -> None:
    [skill] = load_skills(["speaking_clock"])
    with sk.connect("rehearsal") as teacher:
        plan = sk.plan(skill.seeds, teacher=teacher, num_questions=1, profile=False)
        run = Run(plan, tmp_path, on_note=lambda _: None).start().wait()
    without = [case for case in skill.cases if not any(map(case.is_in, run.samples()))]
    assert of_run(skill, run, tmp_path)["missed"] == [case.name for case in without]
    all_texts = {"name": "any text", "response": "."}
    anything = Skill(skill.name, {**skill.values, "cases": [all_texts]})
    assert of_run(anything, run, tmp_path)["covered"] == Share(1, 1)


def test_tokens_that_a_prefix_cache_has_are_not_new() -> None:
    seen: set[int] = set()
    beginning = "the same beginning " * 64
    assert quality._share_of_new_blocks(f"{beginning}{'a' * 64}", seen) == 1
    assert quality._share_of_new_blocks(f"{beginning}{'b' * 64}", seen) < 0.1


def test_two_files_are_compared_on_the_skills_that_both_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lean = Result("mail", {"samples": Share(4, 5)}, distinct=4, costs={"study": Cost(8, 400)})
    rich = Result("mail", {"samples": Share(2, 5)}, distinct=1, costs={"study": Cost(8, 900)})
    other = Result("table", {"samples": Share(90, 90)}, distinct=90)
    quality.save(tmp_path / "before.json", [lean, other])
    quality.save(tmp_path / "after.json", [rich])
    quality.main(["--compare", str(tmp_path / "before.json"), str(tmp_path / "after.json")])
    told = capsys.readouterr().out
    assert re.search(r"before +after", told)
    assert re.search(r"prompt tokens per distinct sample +100 +900\n", told)
    assert "On mail." in told


def test_what_is_written_to_a_file_is_read_as_it_was(few: list[Skill], tmp_path: Path) -> None:
    results = measured(few[1:], tmp_path / "runs")
    quality.save(tmp_path / "results.json", results, model="rehearsal")
    [entry] = json.loads((tmp_path / "results.json").read_text("utf-8"))["skills"]
    assert Result.from_json(entry) == results[0]


def test_options_of_generate_are_typed_as_json() -> None:
    assert quality._option("keep_reasoning=true") == ("keep_reasoning", True)
    assert quality._option("twins=drop") == ("twins", "drop")
