"""Every training format, loaded back by its readers; what is held out, merged and pushed."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import jinja2
import pytest
from aiohttp import web
from scripted import PROMPTS, ScriptedTeacher, seeds
from servers import FaultServer

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.decisions import Decision, Decisions
from sdgkit.errors import RunError, SettingsError
from sdgkit.export import FORMATS
from sdgkit.export.training_set import EXPORT_FORMATS, Part, TrainingSet, held_out
from sdgkit.funnel import Summary
from sdgkit.review import Review
from sdgkit.samples import Row, content_key

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
)


def sample(context: int, question: int = 1, response: str | None = None) -> dict[str, Any]:
    text = f"Q{question} of {context}?"
    return {
        "id": f"s1/c{context}/q{question}",
        "context": f"Context {context}",
        "question": f"Context {context}\n\n{text}",
        "response": response or f"Answer {context}.{question}",
        "evaluation": "Good.",
        "score": 3.0,
    }


def part(
    samples: Sequence[Row],
    system: str | None = None,
    skill: str = "mail",
    decisions: Sequence[Decision] = (),
    key: str = "",
    teacher: str = "vllm",
    model: str = "llama",
) -> Part:
    summary = Summary("done", teacher=teacher, model=model, seeds=5)
    return Part(lambda: iter(samples), Decisions(decisions), system, skill, summary, key or skill)


LINE_FORMATS = [format for format in FORMATS if format != "parquet"]


def loaded(path: Path, tmp_path: Path) -> Any:
    return datasets.Dataset.from_json(str(path), cache_dir=str(tmp_path / "cache"))


def loaded_folder(path: Path, tmp_path: Path) -> Any:
    return datasets.load_dataset(str(path), cache_dir=str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")


SAMPLES = [sample(context, question) for context in range(1, 41) for question in (1, 2, 3)]


@pytest.mark.parametrize("format", LINE_FORMATS)
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_each_line_format_loads_as_trainers_read_it(
    tmp_path: Path, format: str, system: str | None
) -> None:
    assert TrainingSet(part(SAMPLES, system)).write(format, tmp_path / "train.jsonl") == 120
    rows = loaded(tmp_path / "train.jsonl", tmp_path)
    assert len(rows) == 120 and rows[0]["id"] == "s1/c1/q1"
    texts = {
        "messages": lambda row: [turn["content"] for turn in row["messages"]],
        "instructlab": lambda row: [turn["content"] for turn in row["messages"]],
        "sharegpt": lambda row: [turn["value"] for turn in row["conversations"]],
        "alpaca": lambda row: [
            *([row["system"]] if system else []),
            f"{row['input']}\n\n{row['instruction']}",
            row["output"],
        ],
    }[format](rows[0])
    assert texts == [*([system] if system else []), "Context 1\n\nQ1 of 1?", "Answer 1.1"]
    if format == "instructlab":
        assert json.loads(rows[0]["metadata"]) == {"system": system or ""}


def test_a_chat_template_renders_the_messages(tmp_path: Path) -> None:
    TrainingSet(part(SAMPLES, "Be brief.")).write("messages", tmp_path / "train.jsonl")
    text = jinja2.Template(CHATML).render(
        messages=loaded(tmp_path / "train.jsonl", tmp_path)[0]["messages"]
    )
    assert re.findall(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", text, re.DOTALL) == [
        ("system", "Be brief."),
        ("user", "Context 1\n\nQ1 of 1?"),
        ("assistant", "Answer 1.1"),
    ]


def test_the_guide_s_recipe_for_a_trainer_loads_the_file_and_a_chat_template_renders_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "notebooks" / "guide" / "training.md"
    [load] = re.findall(r"^train = .*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    written = TrainingSet(part(SAMPLES)).write("messages", "train.jsonl", test_share=0.1)
    names = {"Dataset": datasets.Dataset}
    exec(load, names)
    rendered = [jinja2.Template(CHATML).render(messages=row["messages"]) for row in names["train"]]
    assert len(rendered) == written < len(SAMPLES) and all(
        text.count("<|im_start|>") == 2 for text in rendered
    )


def test_a_freeform_sample_has_no_input_in_alpaca_s_form() -> None:
    row = {"id": "s1/q1", "question": "Q?", "response": "R."}
    assert FORMATS["alpaca"](row, None) == {
        "id": "s1/q1",
        "instruction": "Q?",
        "input": "",
        "output": "R.",
    }


def test_parquet_holds_every_column_and_the_messages(tmp_path: Path) -> None:
    import datasets

    TrainingSet(part(SAMPLES)).write("parquet", tmp_path / "train.parquet")
    rows = datasets.Dataset.from_parquet(
        str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "cache")
    )
    assert [turn["role"] for turn in rows[0]["messages"]] == ["user", "assistant"]
    assert rows[119]["score"] == 3.0 and rows[119]["context"] == "Context 40"


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"'alpaka'.*{', '.join(EXPORT_FORMATS)}"):
        TrainingSet(part(SAMPLES)).write("alpaka", tmp_path / "x.jsonl")


# The split ----------------------------------------------------------------------------------------


def test_the_folder_is_a_dataset_with_two_splits_that_share_no_context(tmp_path: Path) -> None:
    folder = tmp_path / "datasets"
    assert TrainingSet(part(SAMPLES)).write("datasets", folder, test_share=0.2) == 120
    splits = loaded_folder(folder, tmp_path)
    contexts = {name: {row["context"] for row in split} for name, split in splits.items()}
    assert not contexts["train"] & contexts["test"]
    assert len(splits["train"]) + len(splits["test"]) == 120
    assert 3 <= len(contexts["test"]) <= 14  # of 40, by chance of the hash
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| `mail` | 120 | 5 | `llama` | `llama` |" in card and "rehearsal" not in card


def test_further_samples_do_not_move_the_others() -> None:
    few = SAMPLES[:60]
    held_out_of_few = held_out(lambda: few, 0.2)
    held_out_of_all = held_out(lambda: SAMPLES, 0.2)
    assert list(map(held_out_of_few, few)) == list(map(held_out_of_all, few))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_two_contexts_are_enough_for_both_sides(share: float) -> None:
    two = SAMPLES[:6]
    assert {held_out(lambda: two, share)(row) for row in two} == {True, False}
    assert not held_out(lambda: two[:3], share)(two[0])  # one context is all there is to train on


def test_a_test_share_of_0_is_one_split_and_of_1_an_error(tmp_path: Path) -> None:
    TrainingSet(part(SAMPLES)).write("datasets", tmp_path / "all", test_share=0)
    assert list(loaded_folder(tmp_path / "all", tmp_path)) == ["train"]
    with pytest.raises(SettingsError, match=r"test_share must be .* not 1\.0"):
        TrainingSet(part(SAMPLES)).write("datasets", tmp_path / "none", test_share=1.0)


# Review -------------------------------------------------------------------------------------------


def test_an_edited_response_is_chosen_and_the_original_rejected(tmp_path: Path) -> None:
    rewritten, accepted, with_other_question = SAMPLES[:3]
    decisions = [
        Decision(content_key(rewritten), rewritten["id"], "accept", edits={"response": "Better."}),
        Decision(content_key(accepted), accepted["id"], "accept"),
        Decision(
            content_key(with_other_question),
            with_other_question["id"],
            "accept",
            edits={"question": "Other?"},
        ),
    ]
    reviewed = TrainingSet(part(SAMPLES, "S", decisions=decisions))
    assert reviewed.write("preference", tmp_path / "pairs.jsonl") == 1
    [row] = loaded(tmp_path / "pairs.jsonl", tmp_path)
    assert row["chosen"] == [{"role": "assistant", "content": "Better."}]
    assert row["rejected"] == [{"role": "assistant", "content": "Answer 1.1"}]
    assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "mail"
    with ScriptedTeacher() as script:
        sk.generate(
            seeds(3),
            teacher=script.connect(),
            num_contexts=3,
            prompts=PROMPTS,
            profile=False,
            out=out,
        )
    return out


def test_exports_in_the_folder_follow_the_review(folder: Path, tmp_path: Path) -> None:
    run = sk.open_run(folder)
    for format in ("preference", "datasets", "alpaca"):
        run.export(format, folder / format, test_share=0.3)
    review = Review(run)
    first, second = (row["id"] for row in review.samples[:2])
    review.edit(first, response="As a person would say it.")
    review.reject(second)
    assert (
        json.loads((folder / "preference").read_text())["chosen"][0]["content"]
        == "As a person would say it."
    )
    ids = [
        row["id"]
        for split in loaded_folder(folder / "datasets", tmp_path).values()
        for row in split
    ]
    assert first in ids and second not in ids
    assert "As a person would say it." in (folder / "alpaca").read_text()
    review.undo()
    review.undo()


# Several runs -------------------------------------------------------------------------------------


def test_a_merged_set_has_skills_unique_ids_and_no_question_twice(tmp_path: Path) -> None:
    mail = part([sample(1), sample(2)], "Mail.", "mail")
    again = part([sample(2, response="Another answer."), sample(3)], None, "tables", key="tables_2")
    assert TrainingSet(mail, again).write("messages", tmp_path / "all.jsonl") == 3
    rows = list(loaded(tmp_path / "all.jsonl", tmp_path))
    assert [row["skill"] for row in rows] == ["mail", "mail", "tables"]
    assert [row["id"] for row in rows] == ["mail/s1/c1/q1", "mail/s1/c2/q1", "tables_2/s1/c3/q1"]
    assert [len(row["messages"]) for row in rows] == [
        3,
        3,
        2,
    ]  # each with its own run's system message


def test_runs_are_merged_from_their_folders(folder: Path, tmp_path: Path) -> None:
    number = len(list(sk.open_run(folder).samples()))
    with pytest.raises(SettingsError, match="at least two runs"):
        sk.merge([folder], tmp_path / "x.jsonl")
    with pytest.raises(SettingsError, match="at least two runs"):
        sk.merge(str(folder), tmp_path / "x.jsonl")
    assert (
        sk.merge([folder, sk.open_run(folder)], tmp_path / "x.jsonl", "alpaca") == number
    )  # all twice: once


def test_a_rehearsal_is_not_merged_with_a_real_run(tmp_path: Path) -> None:
    from sdgkit.export.training_set import merged

    rehearsed = part(SAMPLES[:3], skill="try", teacher="rehearsal", model="rehearsal")
    with pytest.raises(SettingsError, match="try is a rehearsal"):
        merged([part(SAMPLES), rehearsed])
    TrainingSet(rehearsed).write("datasets", tmp_path / "set")
    assert "do not train on them" in (tmp_path / "set" / "README.md").read_text()
    names = sorted(file.name.partition("-")[0] for file in (tmp_path / "set").iterdir())
    assert names == ["README.md", "rehearsal_test", "rehearsal_train"]


def test_a_datasets_folder_loads_what_was_exported_last(tmp_path: Path) -> None:
    import datasets

    cache = str(tmp_path / "cache")

    def loaded(folder: Path) -> list[str]:
        splits = datasets.load_dataset(str(folder), cache_dir=cache)
        return sorted(row["id"] for split in splits.values() for row in split)

    for name, samples in {"a": SAMPLES, "b": SAMPLES[:4]}.items():
        TrainingSet(part(samples)).write("datasets", tmp_path / name / "datasets")
        assert loaded(tmp_path / name / "datasets") == sorted(row["id"] for row in samples)
    again = tmp_path / "a" / "datasets"
    TrainingSet(part(SAMPLES[2:])).write("datasets", again)
    assert loaded(again) == sorted(row["id"] for row in SAMPLES[2:])
    assert len(list(again.glob("train-*.parquet"))) == 1, "what was exported before is gone"


def test_the_commands_write_where_you_expect_it(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(folder), "--format", "datasets", "--test-share", "0.3"]) == 0
    assert "test" in loaded_folder(folder / "datasets", tmp_path)
    assert main(["export", str(folder), "--format", "preference"]) == 0
    assert "A pair needs a response that you edited" in capsys.readouterr().out
    assert main(["merge", str(folder), str(folder)]) == 0
    assert (tmp_path / "merged_train_messages.jsonl").exists()
    assert main(["merge", str(folder)]) == 2
    assert main(["explain", str(folder)]) == 0
    assert "kept from 3 seed examples" in capsys.readouterr().out


# The Hub ------------------------------------------------------------------------------------------


class Hub(FaultServer):
    """As much of the Hub as an upload of small files needs.

    Attributes:
        status: The status of every answer; at 200 the uploads work.
        created: The repository that was created.
        files: What was committed, by path.
        tokens: The Authorization headers that were sent.
    """

    def __init__(self, status: int = 200) -> None:
        super().__init__()
        self.status = status
        self.created: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        self.tokens.add(request.headers.get("Authorization"))
        if self.status != 200:
            return web.json_response({"error": "no"}, status=self.status)
        body = await request.text()
        if request.path == "/api/repos/create":
            self.created = json.loads(body)
            return web.json_response(
                {"url": f"{self.address}/datasets/{self.created['organization']}/x"}
            )
        if "/preupload/" in request.path:
            files = json.loads(body)["files"]
            uploads = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in files
            ]
            return web.json_response({"files": uploads})
        if "/commit/" in request.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return web.json_response(
                {"commitUrl": f"{self.address}/datasets/me/tables/commit/0", "commitOid": "0" * 40}
            )
        return web.json_response({"siblings": [], "id": "me/x", "sha": "0" * 40})

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def test_a_run_is_pushed_privately_with_card_and_splits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        # As on a machine that has never spoken to a hub.
        monkeypatch.setattr(
            "huggingface_hub.constants.AGENT_HARNESSES_PATH", str(tmp_path / "list"), raising=False
        )
        sk.push(folder, "me/tables", token="hf_secret", test_share=0.3)
    assert (hub.created["name"], hub.created["organization"]) == ("tables", "me")
    assert (
        hub.created.get("visibility") == "private" or hub.created.get("private") is True
    )  # the client's older versions
    assert hub.tokens == {"Bearer hf_secret"}
    for name, content in hub.files.items():
        (tmp_path / name).write_bytes(content)
    splits = loaded_folder(tmp_path, tmp_path / "cache")
    assert set(splits) == {"train", "test"}
    assert sum(map(len, splits.values())) == len(list(sk.open_run(folder).samples()))


@pytest.mark.parametrize(
    ("status", "name", "error", "sentence"),
    [
        (403, "me/x", RunError, "HF_TOKEN"),
        (500, "me/x", RunError, "could not be pushed"),
        (200, "a b", SettingsError, "OWNER/NAME"),
    ],
)
def test_a_refusal_of_the_hub_is_reported_in_one_sentence(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    name: str,
    error: type[Exception],
    sentence: str,
) -> None:
    with Hub(status) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with pytest.raises(error, match=sentence):
            sk.push(folder, name, token="hf_secret")
