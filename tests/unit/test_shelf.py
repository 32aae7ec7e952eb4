"""Several skills at once: a tree runs as one job, and gives one training set."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from scripted import PROMPTS, ScriptedTeacher, seeds
from servers import status

import sdgkit as sk
from sdgkit.cli.main import main
from sdgkit.formatting import pluralize
from sdgkit.method import PlanOptions
from sdgkit.shelf import find_leaves
from sdgkit.shelf.generate import plan_shelf
from sdgkit.shelf.tree import Leaf

THINGS = "boiler lift lamp door tap radiator bell window gate fuse".split()
LEAVES = (
    *(f"writing/freeform/poems{number}" for number in range(6)),
    *(f"office/notes/room{number}" for number in range(10)),
    *(f"extraction/deep/nested/lists{number}" for number in range(4)),
)
SMALL: PlanOptions = {"num_contexts": 1, "num_questions": 1, "profile": False}


def example(leaf: str, number: int) -> dict[str, str]:
    """A seed example of a leaf, as a taxonomy has it."""
    thing = THINGS[(number + len(leaf)) % len(THINGS)]
    if "poems" in leaf:
        return {
            "question": f"Write a couplet about a {thing}.",
            "answer": f"The {thing} of the house in {leaf[-1]}\nwas never in want of a fix.",
        }
    return {
        "context": f"The {thing} in flat {number + 2} of house {leaf[-1]} is broken again.",
        "question": "What is this note about?",
        "answer": f"A broken {thing} in flat {number + 2}.",
    }


def write_leaf(folder: Path, leaf: str) -> None:
    """A leaf of a taxonomy: a `qna.yaml` with three seed examples."""
    folder.mkdir(parents=True)
    lines = ["version: 2", "created_by: me", f"task_description: Do the job of {leaf}."]
    lines.append("seed_examples:")
    for number in range(3):
        items = [f"{key}: {json.dumps(text)}" for key, text in example(leaf, number).items()]
        lines.append("  - " + "\n    ".join(items))
    (folder / "qna.yaml").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "attribution.txt").write_text("Title of work: mine\n", "utf-8")


@pytest.fixture(scope="module")
def taxonomy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of twenty leaves, grounded and freeform, at three depths, beside knowledge."""
    root = tmp_path_factory.mktemp("taxonomy")
    for leaf in LEAVES:
        write_leaf(root / "compositional_skills" / leaf, leaf)
    knowledge = root / "knowledge" / "science"
    knowledge.mkdir(parents=True)
    (knowledge / "qna.yaml").write_text(
        "version: 3\ndomain: physics\ndocument:\n  repo: here\nseed_examples: []\n", "utf-8"
    )
    return root


@pytest.fixture(scope="module")
def teacher() -> Iterator[sk.Teacher]:
    with sk.connect("rehearsal") as connected:
        yield connected


@pytest.fixture(scope="module")
def shelf(
    taxonomy: Path, teacher: sk.Teacher, tmp_path_factory: pytest.TempPathFactory
) -> sk.Shelf:
    """All twenty skills, done once."""
    out = tmp_path_factory.mktemp("runs") / "all"
    return sk.generate_shelf(taxonomy, teacher=teacher, out=out, **SMALL)


# The tree -----------------------------------------------------------------------------------------


def test_every_leaf_is_named_by_its_path_and_knowledge_is_none(taxonomy: Path) -> None:
    names = [leaf.name for leaf in find_leaves(taxonomy)]
    assert sorted(names) == sorted(f"compositional_skills/{leaf}" for leaf in LEAVES)
    assert names == sorted(names)


def test_only_chooses_and_leaves_out(taxonomy: Path) -> None:
    def chosen(*patterns: str) -> int:
        return len(find_leaves(taxonomy, patterns))

    assert chosen("compositional_skills/writing/**") == 6
    assert chosen("*/office/notes") == 10
    assert chosen("!compositional_skills/writing/**") == 14
    assert chosen("*/office/**", "!*/room3") == 9
    with pytest.raises(sk.SettingsError, match=r"No skill in .* matches maths"):
        find_leaves(taxonomy, ["maths"])


def test_what_lies_in_a_skill_or_a_run_is_no_skill_of_its_own(tmp_path: Path) -> None:
    write_leaf(tmp_path / "a", "notes1")
    write_leaf(tmp_path / "a" / "drafts", "notes2")
    write_leaf(tmp_path / ".hidden", "notes3")
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "journal.sqlite").touch()
    (tmp_path / "runs" / "a" / "seeds.jsonl").touch()
    assert find_leaves(tmp_path) == [Leaf("a", tmp_path / "a")]


# The run ------------------------------------------------------------------------------------------


def test_every_skill_has_a_folder_of_its_own_and_the_whole_has_one_funnel(shelf: sk.Shelf) -> None:
    snapshot = shelf.snapshot()
    assert snapshot.state == "done"
    assert len(snapshot.skills) == len(LEAVES)
    samples = 0
    for leaf in LEAVES:
        run = sk.open_run(shelf.out / "compositional_skills" / leaf)
        assert run.state == "done"
        samples += len(list(run.samples()))
    assert samples == snapshot.whole.samples > 0
    by_name = {line.name: line for line in shelf.funnel}
    assert by_name["gen_contexts"].rows_in == 14 * 3
    assert by_name["gen_questions"].rows_in == 6 * 3
    kept = by_name["filter_grounded_qa_pair"].rows_out + by_name["filter_qa_pair"].rows_out
    assert kept == samples


def test_a_skill_makes_the_same_samples_alone(
    shelf: sk.Shelf, taxonomy: Path, teacher: sk.Teacher
) -> None:
    leaf = f"compositional_skills/{LEAVES[7]}"
    alone = sk.generate(taxonomy / leaf, teacher=teacher, out=None, **SMALL)
    assert list(alone.samples()) == list(shelf.run(leaf).samples())


def test_run_again_it_asks_nothing(shelf: sk.Shelf, taxonomy: Path, teacher: sk.Teacher) -> None:
    asked = sum(run.summary.requests for _, run in shelf.runs())
    again = sk.generate_shelf(taxonomy, teacher=teacher, out=shelf.out, **SMALL)
    assert sum(run.summary.requests for _, run in again.runs()) == asked > 0
    assert again.snapshot().whole.samples == shelf.snapshot().whole.samples


def test_opened_it_shows_the_same(shelf: sk.Shelf) -> None:
    opened = sk.open_shelf(shelf.out)
    assert opened.snapshot().whole.samples == shelf.snapshot().whole.samples
    assert [skill.name for skill in opened.skills] == [skill.name for skill in shelf.skills]
    with pytest.raises(sk.RunError, match="opened read-only"):
        opened.start()


def test_a_cancelled_shelf_resumes_with_what_it_has(
    taxonomy: Path, teacher: sk.Teacher, shelf: sk.Shelf, tmp_path: Path
) -> None:
    from sdgkit.shelf.generate import plan_shelf

    slow: PlanOptions = {"num_contexts": 3, "num_questions": 2, "profile": False}
    only = ["*/office/**"]
    first = plan_shelf(taxonomy, tmp_path / "all", teacher=teacher, only=only, **slow).start()
    while not first.snapshot().whole.samples and first.is_running:
        pass
    first.cancel()
    first.wait()
    assert first.state in ("cancelled", "interrupted", "done")
    before = {skill.name: run.summary.requests for skill, run in first.runs()}
    second = sk.generate_shelf(taxonomy, teacher=teacher, out=tmp_path / "all", only=only, **slow)
    fresh = sk.generate_shelf(taxonomy, teacher=teacher, out=tmp_path / "b", only=only, **slow)
    assert second.state == "done"
    for skill, run in fresh.runs():
        asked = second.run(skill.name).summary.requests
        assert before.get(skill.name, 0) <= asked <= run.summary.requests
        assert list(second.run(skill.name).samples()) == list(run.samples())


def test_faulty_skills_are_all_named_before_anything_is_asked(
    tmp_path: Path, teacher: sk.Teacher
) -> None:
    for name in ("a", "b", "c"):
        write_leaf(tmp_path / name, name)
    (tmp_path / "a" / "qna.yaml").write_text("version: 2\nseed_examples: []\n", "utf-8")
    (tmp_path / "c" / "skill.toml").write_text("num_context = 2\n", "utf-8")
    with pytest.raises(sk.SdgkitError) as caught:
        sk.generate_shelf(tmp_path, teacher=teacher, out=tmp_path / "out", **SMALL)
    message = str(caught.value)
    assert message.startswith("2 skills in ")
    assert "\na: " in message
    assert "\nc: " in message
    assert "--only '!a' --only '!c'" in message
    assert not (tmp_path / "out").exists()


def test_one_skill_that_fails_leaves_the_others_alone(tmp_path: Path, teacher: sk.Teacher) -> None:
    for name in ("a", "b"):
        write_leaf(tmp_path / "tree" / name, name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("a file where the folder has to be", "utf-8")
    with pytest.raises(sk.RunError, match=r"1 skill of 2 failed"):
        sk.generate_shelf(tmp_path / "tree", teacher=teacher, out=tmp_path / "out", **SMALL)
    assert sk.open_run(tmp_path / "out" / "b").state == "done"


def test_a_shelf_whose_teacher_refused_it_resumes_when_it_is_started_again(
    tmp_path: Path,
) -> None:
    for name in ("a", "b"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        sk.save_seeds(seeds(2), tmp_path / "tree" / name / "seeds.jsonl")
    options: PlanOptions = {**SMALL, "prompts": PROMPTS}
    with ScriptedTeacher() as script:
        teacher = script.connect()
        shelf = plan_shelf(tmp_path / "tree", tmp_path / "out", teacher=teacher, **options)
        script.answer = lambda ask: status(401, "This account is closed.")
        with pytest.raises(sk.RunError, match="of 2 failed"):
            shelf.start().wait()
        assert shelf.state == "failed"
        script.answer = script.usual
        assert shelf.start().wait().state == "done"
    assert shelf.error is None
    assert [run.state for _, run in shelf.runs()] == ["done", "done"]


def test_a_strangers_shelf_reads_nothing_outside_of_it(tmp_path: Path) -> None:
    names = [{"name": "../../secret"}]
    (tmp_path / "shelf.json").write_text(json.dumps({"skills": names}), "utf-8")
    with pytest.raises(sk.RunError, match="names a skill outside of the folder"):
        sk.open_shelf(tmp_path)


def test_the_command_runs_a_tree_and_tells_how_each_skill_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mail/short", "notes"):
        write_leaf(tmp_path / "skills" / name, name)
    monkeypatch.chdir(tmp_path)
    options = ["--num-contexts", "1", "--num-questions", "1", "--no-profile"]
    assert main(["generate", "skills", *options, "--teacher", "rehearsal"]) == 0
    ending = capsys.readouterr().out
    assert "sdgkit mix runs/skills --to train.jsonl" in ending.replace("\n", " ")
    assert main(["status", "runs/skills"]) == 0
    status = capsys.readouterr().out
    assert "runs/skills: done, 2 skills" in status
    assert "mail/short" in status
    assert main(["generate", "skills", "--only", "maths"]) == 2
    assert "No skill in skills matches maths" in capsys.readouterr().err
    assert main(["generate", "skills/notes", "--only", "notes"]) == 2


# The mix ------------------------------------------------------------------------------------------


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def questions(path: Path) -> list[str]:
    return [line["messages"][0]["content"] for line in lines(path)]  # type: ignore[index]


def test_every_row_of_a_mix_names_its_skill_and_no_question_comes_twice(
    shelf: sk.Shelf, tmp_path: Path
) -> None:
    written = sk.mix(shelf, tmp_path / "train.jsonl")
    rows = lines(tmp_path / "train.jsonl")
    assert written.train == len(rows) == len({row["id"] for row in rows})
    assert {row["skill"] for row in rows} <= {skill.name for skill in shelf.skills}
    assert len(set(questions(tmp_path / "train.jsonl"))) == len(rows)


def test_a_mix_is_the_same_every_time(shelf: sk.Shelf, tmp_path: Path) -> None:
    for name in ("one", "two"):
        sk.mix(shelf, tmp_path / f"{name}.jsonl", cap=2, weights={"*/writing/**": 0.5})
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_cap_and_weight_decide_how_many_rows_a_skill_gets(shelf: sk.Shelf, tmp_path: Path) -> None:
    poems = {"*/writing/**": 2.0}
    written = sk.mix(shelf, tmp_path / "train.jsonl", weights=poems, cap=5)
    for line in written.lines:
        factor = 2 if "/writing/" in line.skill else 1
        assert line.rows == min(5, factor * line.available)
    halved = sk.mix(shelf, tmp_path / "half.jsonl", weights={"*": 0.5})
    assert all(line.rows == round(line.available / 2) for line in halved.lines)


def test_a_row_is_not_repeated_beyond_the_stated_factor(shelf: sk.Shelf, tmp_path: Path) -> None:
    with pytest.raises(sk.SettingsError, match=r"the weight 4 is out of range.*at most 3"):
        sk.mix(shelf, tmp_path / "train.jsonl", weights={"*/writing/**": 4.0})
    sk.mix(shelf, tmp_path / "train.jsonl", weights={"*/writing/**": 4.0}, max_repeat=4)


def test_a_weight_that_fits_no_skill_is_refused(shelf: sk.Shelf, tmp_path: Path) -> None:
    with pytest.raises(sk.SettingsError, match="matches no skill"):
        sk.mix(shelf, tmp_path / "train.jsonl", weights={"maths": 0.5})


def chats(number: int) -> list[dict[str, object]]:
    """Rows of an existing set, one of them a chat of several turns."""
    turns = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Good day."},
        {"role": "user", "content": "How are you?"},
        {"role": "assistant", "content": "Well."},
    ]
    single: list[dict[str, object]]
    single = [{"question": f"What is {n} + {n}?", "response": str(2 * n)} for n in range(number)]
    return [{"messages": turns}, *single]


def test_an_existing_set_gets_its_share_of_the_whole(shelf: sk.Shelf, tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    old.write_text("".join(json.dumps(row) + "\n" for row in chats(60)), "utf-8")
    written = sk.mix(shelf, tmp_path / "train.jsonl", replay={old: 0.2})
    replayed = [row for row in lines(tmp_path / "train.jsonl") if row["skill"] == "old.jsonl"]
    assert len(replayed) == written.lines[-1].rows
    assert abs(len(replayed) / written.train - 0.2) < 0.02
    with pytest.raises(sk.SettingsError, match=r"more than --max-repeat \(3\)"):
        sk.mix(shelf, tmp_path / "train.jsonl", replay={old: 0.9})
    with pytest.raises(sk.SettingsError, match="several turns does not fit the format alpaca"):
        sk.mix(shelf, tmp_path / "train.jsonl", "alpaca", replay={old: 0.2})


def test_a_question_of_the_set_is_not_replayed(shelf: sk.Shelf, tmp_path: Path) -> None:
    sk.mix(shelf, tmp_path / "train.jsonl")
    asked = questions(tmp_path / "train.jsonl")
    old = tmp_path / "old.jsonl"
    rows = [{"question": text, "response": "Another answer."} for text in asked]
    old.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *chats(40)]), "utf-8")
    written = sk.mix(shelf, tmp_path / "mixed.jsonl", replay={old: 0.2})
    assert written.lines[-1].available == len(chats(40))
    mixed = questions(tmp_path / "mixed.jsonl")
    assert len(set(mixed)) == len(mixed)


def test_no_context_is_on_both_sides_of_the_split(shelf: sk.Shelf, tmp_path: Path) -> None:
    written = sk.mix(shelf, tmp_path / "train.jsonl", test_share=0.25)
    assert written.test_path == tmp_path / "train_test.jsonl"
    sides = [lines(tmp_path / "train.jsonl"), lines(tmp_path / "train_test.jsonl")]
    assert [len(side) for side in sides] == [written.train, written.test]
    contexts = []
    for side in sides:
        contexts.append({str(row["id"]).rpartition("/q")[0] for row in side})
    assert not contexts[0] & contexts[1]


def test_the_card_has_the_table(shelf: sk.Shelf, tmp_path: Path) -> None:
    written = sk.mix(shelf, tmp_path / "train.jsonl", cap=3)
    card = written.card.read_text("utf-8")
    for line in written.lines:
        assert f"| `{line.skill}` | {line.rows} | {line.available} | 1 |" in card
    assert "rehearsal" in card


def test_a_folder_of_a_mix_is_what_datasets_loads(shelf: sk.Shelf, tmp_path: Path) -> None:
    import datasets

    written = sk.mix(shelf, tmp_path / "set", "datasets", test_share=0.2)
    loaded = datasets.load_dataset(str(tmp_path / "set"))
    assert loaded["train"].num_rows == written.train
    assert loaded["test"].num_rows == written.test
    assert set(loaded["train"]["skill"]) <= {skill.name for skill in shelf.skills}


def test_the_weight_of_a_skills_folder_counts(teacher: sk.Teacher, tmp_path: Path) -> None:
    for name in ("mail", "notes"):
        write_leaf(tmp_path / "skills" / name, name)
    (tmp_path / "skills" / "mail" / "skill.toml").write_text("weight = 2\n", "utf-8")
    out = tmp_path / "all"
    sk.generate_shelf(tmp_path / "skills", teacher=teacher, out=out, **SMALL)
    by_skill = {line.skill: line for line in sk.mix(out, tmp_path / "train.jsonl").lines}
    assert by_skill["mail"].rows == 2 * by_skill["mail"].available
    assert by_skill["notes"].rows == by_skill["notes"].available


def test_the_command_mixes(
    shelf: sk.Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "train.jsonl"
    assert main(["mix", str(shelf.out), "--to", str(to), "--cap", "2"]) == 0
    assert f"rows to {to}" in capsys.readouterr().out
    assert main(["mix", str(shelf.out), "--to", str(to), "--weight", "mail"]) == 2
    assert "must be a name and a number" in capsys.readouterr().err


# In a notebook ------------------------------------------------------------------------------------


def test_a_shelf_shows_each_skill_with_its_state_samples_and_files(
    shelf: sk.Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shelf.out.parent)
    page = unescape(sk.open_shelf(shelf.out.name)._repr_html_())
    for name, snapshot in shelf.snapshot().skills.items():
        [row] = [row for row in page.split("<tr") if f"<code>{name}</code>" in row]
        assert "Done" in row
        assert f">{snapshot.samples}</td>" in row
        [report] = [link for link in re.findall(r'href="([^"]*)"', row) if "report" in link]
        assert Path(unquote(report)).is_file()
    assert pluralize(len(LEAVES), "skill") in page
    assert f"sk.mix('{shelf.out.name}', 'train.jsonl')" in page


def test_a_shelf_that_is_new_or_failed_in_part_says_so(tmp_path: Path, teacher: sk.Teacher) -> None:
    for name in ("<b>good", "bad"):
        write_leaf(tmp_path / "tree" / name, name)
    shelf = plan_shelf(tmp_path / "tree", tmp_path / "out", teacher=teacher, **SMALL)
    assert "shelf.start().wait()" in unescape(shelf._repr_html_())
    (tmp_path / "out" / "bad").mkdir(parents=True)
    (tmp_path / "out" / "bad" / "journal.sqlite").write_text("This is no journal. " * 20)
    with pytest.raises(sk.SdgkitError):
        shelf.start().wait()
    page = shelf._repr_html_()
    assert "<b>good" not in page
    [row] = [row for row in page.split("<tr") if "<code>bad</code>" in row]
    assert "Failed" in row and "journal" in row
    assert "sk.generate_shelf(" in page


def test_what_a_shelf_shows_to_do_next_can_be_done(
    shelf: sk.Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = unescape(shelf._repr_html_())
    [code] = [code for code in re.findall(r"<code>(.*?)</code>", page) if code.startswith("sk.mix")]
    monkeypatch.chdir(tmp_path)
    eval(code, {"sk": sk})
    assert (tmp_path / "train.jsonl").read_text("utf-8")
