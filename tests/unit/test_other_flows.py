"""Flows on rows of their own, and the flow files of other releases."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from servers import FaultServer, completion, is_probe

import sdgkit as sk
from sdgkit.cli import main
from sdgkit.errors import PromptError, SeedError, SettingsError

ROWS = [{"mail": "Where is my parcel?"}, {"mail": "Thank you!"}]
PROMPT = {
    "system": "You sort mail.",
    "introduction": "Name the topic of this mail in a word.",
    "generation": "The mail: {{ mail }}",
    "start_tags": [""],
    "end_tags": [""],
}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.behave = sort
        yield server


def sort(body: dict[str, Any], n: int) -> web.Response:
    return completion("hello" if is_probe(body) else "parcel")


def write_flow(folder: Path, document: object, prompt: object = PROMPT) -> Path:
    (folder / "topic.yaml").write_text(yaml.safe_dump(prompt))
    path = folder / "flow.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def topic_block(*columns: str, **sent: Any) -> dict[str, Any]:
    config = {"block_name": "topic", "config_path": "topic.yaml", "output_cols": [*columns]}
    return {"block_type": "LLMBlock", "block_config": config, "gen_kwargs": sent}


def test_a_flow_runs_on_rows_with_its_own_columns(tmp_path: Path, server: FaultServer) -> None:
    flow = write_flow(tmp_path, [topic_block("output")])
    with sk.connect(base_url=server.base_url) as teacher:
        run = sk.run_pipeline(ROWS, pipeline=flow, teacher=teacher, out=tmp_path / "run")
        again = sk.generate(ROWS, pipeline=sk.Pipeline.from_flow(flow), teacher=teacher)
    samples = [{**row, "output": "parcel"} for row in ROWS]
    for finished in (run, again):
        assert [
            {k: v for k, v in row.items() if k != "id"} for row in finished.samples()
        ] == samples
    assert "Thank you!" in server.asked[1]["messages"][-1]["content"]


def test_a_flow_that_ends_in_output_leaves_a_training_file(
    tmp_path: Path, server: FaultServer
) -> None:
    flow = write_flow(tmp_path, [topic_block("output")])
    with sk.connect(base_url=server.base_url) as teacher:
        run = sk.run_pipeline(ROWS, pipeline=flow, teacher=teacher, out=tmp_path / "run")
    lines = (tmp_path / "run" / "train_messages.jsonl").read_text().splitlines()
    assert [message["content"] for message in json.loads(lines[0])["messages"]] == [
        "Where is my parcel?",
        "parcel",
    ]
    assert run.export("messages", tmp_path / "train.jsonl") == 2


def test_a_flow_whose_question_is_unclear_says_why_there_is_no_training_file(
    tmp_path: Path, server: FaultServer
) -> None:
    flow = write_flow(tmp_path, [topic_block("output")])
    rows = [{**row, "sender": "ana"} for row in ROWS]
    with sk.connect(base_url=server.base_url) as teacher:
        run = sk.run_pipeline(rows, pipeline=flow, teacher=teacher, out=tmp_path / "run")
    assert not (tmp_path / "run" / "train_messages.jsonl").exists()
    [note] = [note for note in run.notes if note.startswith("No training file")]
    assert "mail, sender, output" in note and "CombineColumnsBlock" in note


def test_rows_without_a_column_of_the_flow_are_refused_before_anything_is_asked(
    tmp_path: Path, server: FaultServer
) -> None:
    flow = write_flow(tmp_path, [topic_block("output")])
    with (
        sk.connect(base_url=server.base_url) as teacher,
        pytest.raises(PromptError, match="mail"),
    ):
        sk.run_pipeline([{"letter": "Hello"}], pipeline=flow, teacher=teacher)
    assert not server.asked


def test_the_methods_own_pipelines_still_want_seeds(server: FaultServer) -> None:
    with (
        sk.connect(base_url=server.base_url) as teacher,
        pytest.raises(SeedError, match="seed_question"),
    ):
        sk.generate(ROWS, teacher=teacher)


def test_a_single_stage_takes_a_file_with_other_columns_for_a_prompt_of_your_own(
    tmp_path: Path, server: FaultServer
) -> None:
    path = tmp_path / "mails.csv"
    path.write_text("mail\nWhere is my parcel?\n")
    prompt = sk.Prompt("gen_responses", generation="{{ mail }}", start_tags=("",), end_tags=("",))
    with sk.connect(base_url=server.base_url) as teacher:
        [row] = sk.gen_responses(path, teacher=teacher, prompt=prompt)
    assert (row["mail"], row["response"]) == ("Where is my parcel?", "parcel")


def test_sdgkit_flow_runs_a_flow_file_on_a_file_of_rows(
    tmp_path: Path,
    server: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_flow(tmp_path, [topic_block("output")])
    (tmp_path / "mails.csv").write_bytes("mail\nGrüße\n".encode("cp1252"))
    command = ["flow", "flow.yaml", "mails.csv", "--base-url", server.base_url]
    assert main(command) != 0
    assert "--encoding cp1252" in capsys.readouterr().err
    assert main([*command, "--encoding", "cp1252"]) == 0
    assert "1 row to runs/mails" in capsys.readouterr().out
    assert "Grüße" in (tmp_path / "runs" / "mails" / "train_messages.jsonl").read_text("utf-8")


# ---- other releases


def instructlab_pipeline(**config: Any) -> dict[str, Any]:
    ask = {"config_path": "topic.yaml", "output_cols": ["output"], **config}
    keep = {"filter_column": "output", "filter_value": "parcel", "operation": "eq"}
    return {
        "version": "1.0",
        "blocks": [
            {"name": "topic", "type": "LLMBlock", "config": ask},
            {"name": "keep", "type": "FilterByValueBlock", "config": keep},
        ],
    }


def test_a_pipeline_of_instructlab_is_read(tmp_path: Path, server: FaultServer) -> None:
    document = instructlab_pipeline(gen_kwargs={"temperature": 0.3, "max_tokens": 7})
    flow = write_flow(tmp_path, document)
    with sk.connect(base_url=server.base_url) as teacher:
        run = sk.run_pipeline(ROWS, pipeline=flow, teacher=teacher)
    assert [line.name for line in run.funnel] == ["topic", "keep"]
    assert run.funnel[-1].rows_out == 2
    assert (server.asked[0]["temperature"], server.asked[0]["max_tokens"]) == (0.3, 7)


def test_a_block_that_is_not_supported_says_who_wrote_the_file(tmp_path: Path) -> None:
    document = instructlab_pipeline()
    document["blocks"].append({"name": "mix", "type": "SamplePopulatorBlock", "config": {}})
    with pytest.raises(SettingsError, match=r"block 3 .*SamplePopulatorBlock.*InstructLab SDG"):
        sk.Pipeline.from_flow(write_flow(tmp_path, document))


def test_a_flow_of_a_newer_sdg_hub_is_recognised(tmp_path: Path) -> None:
    document = {
        "metadata": {"name": "Mail topics", "version": "1.0.0"},
        "blocks": [
            {"block_type": "PromptBuilderBlock", "block_config": {"block_name": "a"}},
            {"block_type": "LLMChatBlock", "block_config": {"block_name": "b"}},
        ],
    }
    with pytest.raises(SettingsError, match=r"Mail topics.*sdg_hub 0\.2 or later.*LLMChatBlock"):
        sk.Pipeline.from_flow(write_flow(tmp_path, document))


@pytest.mark.parametrize("document", [{"stages": []}, "text", {"blocks": "none"}])
def test_what_is_no_flow_is_refused(tmp_path: Path, document: object) -> None:
    with pytest.raises(SettingsError, match=r"is not a flow of sdg_hub 0\.1"):
        sk.Pipeline.from_flow(write_flow(tmp_path, document))


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ({"guided_choice": ["parcel", "thanks"]}, {"choice": ["parcel", "thanks"]}),
        ({"guided_regex": "[a-z]+"}, {"regex": "[a-z]+"}),
        ({"extra_body": {"guided_json": {"type": "object"}}}, {"json": {"type": "object"}}),
        ({"guided_grammar": 'root ::= "parcel"'}, {"grammar": 'root ::= "parcel"'}),
    ],
)
def test_vllms_old_names_for_structured_output_are_translated(
    tmp_path: Path, server: FaultServer, sent: dict[str, Any], wanted: dict[str, Any]
) -> None:
    flow = write_flow(tmp_path, [topic_block("output", guided_decoding_backend="outlines", **sent)])
    with sk.connect(base_url=server.base_url) as teacher:
        sk.run_pipeline(ROWS[:1], pipeline=flow, teacher=teacher)
    [body] = server.asked
    assert body["structured_outputs"] == wanted
    assert not [name for name in body if name.startswith("guided_")]


def test_the_rehearsal_teacher_gives_a_flow_a_label_that_fits(tmp_path: Path) -> None:
    flow = write_flow(tmp_path, [topic_block("output", max_tokens=20)])
    with sk.connect("rehearsal") as teacher:
        run = sk.run_pipeline(ROWS, pipeline=flow, teacher=teacher)
    assert [row["output"] for row in run.samples()] == ["I only rehearse."] * 2
