"""The folder of a skill: it takes the place of a seed file, and a run writes one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import sdgkit as sk
from sdgkit.method import PlanOptions
from sdgkit.skill_folder import SKILL_SETTINGS, SkillFolder

SEED = {
    "task_description": "Say what a note is about in one line.",
    "seed_context": "The boiler in flat 4 leaks again, and the plumber comes on Tuesday.",
    "seed_question": "What is this note about?",
    "seed_response": "A leaking boiler in flat 4; the plumber comes on Tuesday.",
}


@pytest.fixture(scope="module")
def teacher() -> Iterator[sk.Teacher]:
    with sk.connect("rehearsal") as connected:
        yield connected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "seeds.jsonl").write_text(json.dumps(SEED) + "\n", "utf-8")
    return folder


def settings(folder: Path, text: str) -> None:
    (folder / "skill.toml").write_text(text, "utf-8")


def test_a_folder_stands_for_its_seed_file(folder: Path) -> None:
    assert sk.load_seeds(folder).to_list() == sk.load_seeds(folder / "seeds.jsonl").to_list()


def test_a_taxonomys_leaf_is_a_folder_of_a_skill(tmp_path: Path) -> None:
    leaf = tmp_path / "limericks"
    leaf.mkdir()
    example = "- question: Write one about a cat.\n  answer: There was a cat.\n"
    (leaf / "qna.yaml").write_text(
        f"version: 2\ntask_description: Write limericks.\nseed_examples:\n{example}", "utf-8"
    )
    planned = sk.plan(leaf)
    assert planned.name == "limericks"
    assert planned.rows[0]["seed_question"] == "Write one about a cat."


def test_a_skill_decides_its_job_and_arguments_come_before_it(folder: Path) -> None:
    settings(
        folder,
        'num_contexts = 3\ntarget = 7\nchecks = ["length=..60 words"]\nsystem = "Be brief."\n'
        '[vary]\nmood = ["calm", "angry"]\n[sampling.gen_contexts]\ntemperature = 0.9\n',
    )
    planned = sk.plan(folder)
    assert planned.target == 7
    assert planned.system == "Be brief."
    assert planned.pipeline.stage("gen_contexts").per_row == 3
    assert planned.settings["vary"] == {"mood": ["calm", "angry"]}
    assert planned.prompts["gen_contexts"].sampling["temperature"] == 0.9
    assert "length" in planned.pipeline.names
    assert sk.plan(folder, target=9, num_contexts=2).target == 9


def test_every_option_of_a_job_can_be_in_the_folder() -> None:
    in_files = {"prompts", "contexts"}
    of_the_moment = {"judge", "pipeline"}  # a teacher, and code
    options = PlanOptions.__annotations__.keys() - in_files - of_the_moment
    assert SKILL_SETTINGS.keys() == options | {"weight"}


def test_prompts_profile_and_contexts_of_the_folder_are_used(folder: Path) -> None:
    prompts = folder / "prompts"
    prompts.mkdir()
    shipped = sk.load_prompt(sk.shipped("prompts") / "grounded" / "gen_contexts.yaml")
    own = shipped.with_sampling(temperature=0.11)
    own.save(prompts / "gen_contexts.yaml")
    sk.Profile(criteria=(sk.Criterion("It is one line."),)).save(folder / "profile.yaml")
    (folder / "contexts.jsonl").write_text('{"context": "The lift is stuck."}\n', "utf-8")
    planned = sk.plan(folder)
    assert planned.profile is not None
    assert planned.settings["contexts"] == [{"context": "The lift is stuck."}]
    (folder / "contexts.jsonl").unlink()
    assert sk.plan(folder).prompts["gen_contexts"].sampling["temperature"] == 0.11


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("num_context = 3\n", "there is no setting 'num_context'. Did you mean 'num_contexts'?"),
        ("num_contexts = true\n", "num_contexts must be a whole number"),
        ('target = "many"\n', "target must be a whole number"),
        ("weight = 0\n", "weight must be above 0"),
        ("checks = [3]\n", "checks must be a list of texts"),
        ("num_contexts = \n", "is not valid TOML"),
        ('teacher = "vllm"\n', "there is no setting 'teacher'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(folder: Path, text: str, sentence: str) -> None:
    settings(folder, text)
    with pytest.raises(sk.SettingsError) as caught:
        sk.plan(folder)
    assert sentence in str(caught.value)
    assert "skill.toml" in str(caught.value)


def test_a_strangers_skill_runs_no_code(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('it ran')\n", "utf-8")
    settings(folder, f'checks = ["{folder}/evil.py:f"]\n')
    with pytest.raises(sk.SettingsError, match="a skill's folder never runs"):
        sk.plan(folder)


@pytest.mark.parametrize("name", ["skill.toml", "profile.yaml", "prompts", "contexts.jsonl"])
def test_a_strangers_skill_reads_nothing_outside_of_it(folder: Path, name: str) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / name).symlink_to(outside)
    with pytest.raises(sk.SettingsError, match="leads out of the skill's folder"):
        SkillFolder.open(folder)


def test_several_seed_files_are_refused_by_name(folder: Path) -> None:
    (folder / "seeds.csv").write_text("a\n", "utf-8")
    with pytest.raises(sk.SeedError, match=r"several files with seeds: seeds.csv, seeds.jsonl"):
        sk.plan(folder)


def test_a_folder_with_nothing_in_it_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(sk.SeedError, match="holds no run, no skill"):
        sk.plan(tmp_path)


def test_a_saved_skill_does_the_same_job_anywhere(teacher: sk.Teacher, tmp_path: Path) -> None:
    seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
    run = sk.generate(
        seeds,
        teacher=teacher,
        out=tmp_path / "run",
        num_contexts=1,
        num_questions=1,
        vary={"mood": ["calm", "angry"]},
        checks=["no_refusal", "length=1..900 words"],
        max_tokens=700,
        system="Be brief.",
    )
    folder = run.save_skill(tmp_path / "tables")
    again = sk.generate(folder, teacher=teacher, out=tmp_path / "again")
    assert list(again.samples()) == list(run.samples())
    assert again.part().skill == "tables"
    written = "".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file())
    assert str(tmp_path) not in written
    assert teacher.base_url not in written


def test_an_opened_run_saves_the_same_skill(teacher: sk.Teacher, tmp_path: Path) -> None:
    run = sk.generate([SEED], teacher=teacher, out=tmp_path / "run", num_contexts=1)
    one = run.save_skill(tmp_path / "one")
    other = sk.open_run(tmp_path / "run").save_skill(tmp_path / "other")
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    assert names == sorted(path.relative_to(other) for path in other.rglob("*"))
    for name in names:
        if (one / name).is_file():
            assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_skill_overwrites_nothing(teacher: sk.Teacher, folder: Path, tmp_path: Path) -> None:
    run = sk.generate([SEED], teacher=teacher, out=tmp_path / "run", num_contexts=1, profile=False)
    before = (folder / "seeds.jsonl").read_bytes()
    with pytest.raises(sk.SdgkitError, match="is not empty"):
        run.save_skill(folder)
    assert (folder / "seeds.jsonl").read_bytes() == before


def test_a_check_of_your_own_is_not_saved_as_code(teacher: sk.Teacher, tmp_path: Path) -> None:
    def has_dot(row: dict[str, str]) -> str:
        return "" if "." in row["response"] else "no full stop"

    run = sk.generate(
        [SEED], teacher=teacher, out=tmp_path / "run", num_contexts=1, profile=False,
        checks=[has_dot],
    )  # fmt: skip
    folder = run.save_skill(tmp_path / "skill")
    assert "has_dot" not in (folder / "skill.toml").read_text("utf-8")
    sk.plan(folder)
