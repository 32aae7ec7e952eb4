"""sdg_hub 0.1's skill flows: the same shape, the same prompt files, run as they are."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripted import ScriptedTeacher, assert_adds_up, completion, seeds, tagged
from servers import FaultServer

import sdgkit as sk
from sdgkit.errors import SettingsError

MODEL = "somebody/Some-Model-7B"
TAGS = {
    "context": "Context",
    "question": "Question",
    "response": "Response",
    "evaluation": "Evaluation",
}


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def llm(
    name: str, *columns: str, config: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    config = {
        "block_name": name,
        "config_path": f"configs/skills/{name}.yaml",
        "model_id": MODEL,
    } | (config or {})
    return {
        "block_type": "LLMBlock",
        "block_config": config | {"output_cols": list(columns)},
    } | more


def keep(
    name: str,
    operation: str,
    value: Any,
    column: str = "score",
    convert: str | None = "float",
    **more: Any,
) -> dict[str, Any]:
    config = {
        "block_name": name,
        "filter_column": column,
        "filter_value": value,
        "operation": operation,
    }
    config |= {"batch_kwargs": {"num_procs": 8}} | ({"convert_dtype": convert} if convert else {})
    return {"block_type": "FilterByValueBlock", "block_config": config} | more


GROUNDED = [
    llm(
        "gen_contexts",
        "context",
        gen_kwargs={"temperature": 0.7, "max_tokens": 99, "n": 4, "seed": 42},
    ),
    llm(
        "gen_grounded_questions",
        "question",
        config={"batch_kwargs": {"num_samples": 3}},
        drop_duplicates=["question"],
    ),
    llm("eval_grounded_questions", "evaluation", "score"),
    keep(
        "filter_grounded_questions",
        "operator.eq",
        1.0,
        drop_columns=["evaluation", "score", "num_samples"],
    ),
    llm("gen_grounded_responses", "response"),
    llm("evaluate_grounded_qa_pair", "evaluation", "score"),
    keep("filter_grounded_qa_pair", "operator.ge", 2.0),
    {
        "block_type": "CombineColumnsBlock",
        "block_config": {
            "block_name": "combine_question_and_context",
            "columns": ["context", "question"],
            "output_col": "question",
            "batch_kwargs": {"num_procs": 8, "batched": True},
        },
    },
]
VARIABLES = {
    "gen_contexts": "seed_question",
    "gen_grounded_questions": "seed_question context num_samples",
    "eval_grounded_questions": "context question",
    "gen_grounded_responses": "context question",
    "evaluate_grounded_qa_pair": "question response",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder as sdg_hub's package is: flows and prompts in trees of their own."""
    root = tmp_path / "sdg_hub"
    (root / "configs" / "skills").mkdir(parents=True)
    for block in GROUNDED:
        config = block["block_config"]
        if block["block_type"] != "LLMBlock":
            continue
        name = config["block_name"]
        values = ", ".join(f'"{v}": {{{{ {v}|tojson }}}}' for v in VARIABLES[name].split())
        tags = [TAGS.get(column, column.capitalize()) for column in config["output_cols"]]
        prompt: dict[str, Any] = {
            "system": "You help.",
            "introduction": None,
            "principles": "",
            "examples": "",
        }
        prompt |= {"generation": f'{{"stage": "{name}", {values}}}'}
        prompt |= {
            "start_tags": [f"[Start of {tag}]" for tag in tags],
            "end_tags": [f"[End of {tag}]" for tag in tags],
        }
        (root / config["config_path"]).write_text(yaml.safe_dump(prompt))
    return root


def flow(package: Path, blocks: Any, name: str = "synth_grounded_skills") -> Path:
    path = package / "flows" / "generation" / "skills" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(blocks))
    return path


def test_a_grounded_flow_runs_with_its_own_prompts_and_settings(
    package: Path, script: ScriptedTeacher, tmp_path: Path
) -> None:
    pipeline = sk.Pipeline.from_flow(flow(package, GROUNDED))
    assert (pipeline.name, pipeline.model) == ("synth_grounded_skills", MODEL)
    run = sk.generate(seeds(2), teacher=script.connect(), pipeline=pipeline, out=tmp_path / "run")
    assert (
        script.by_stage()["gen_contexts"] == 8 and script.by_stage()["gen_grounded_questions"] == 8
    )
    body = next(ask.body for ask in script.asks if ask.stage == "gen_contexts")
    assert (body["temperature"], body["max_tokens"], body["model"]) == (
        0.7,
        99,
        "tiny",
    )  # not the flow's model
    assert body["messages"][0] == {"role": "system", "content": "You help."}
    body = next(ask.body for ask in script.asks if ask.stage == "gen_grounded_responses")
    assert (body["temperature"], body["max_tokens"]) == (
        0,
        4096,
    )  # what sdg_hub sends where a flow says nothing
    assert {
        ask.given["num_samples"] for ask in script.asks if ask.stage == "gen_grounded_questions"
    } == {3}
    samples = list(run.samples())
    assert samples and samples[0]["question"].startswith(f"{samples[0]['context']}\n\n")
    assert {"evaluation", "score", "response"} <= set(samples[0]) and "num_samples" not in samples[
        0
    ]
    assert_adds_up(run)
    assert (tmp_path / "run" / "train_messages.jsonl").read_text().count("\n") == len(samples)


def test_a_flow_makes_the_same_rows_as_the_methods_own_pipeline(
    package: Path, script: ScriptedTeacher
) -> None:
    own = sk.GROUNDED.change("gen_contexts", per_row=4, extra_tries=0)
    pipeline = sk.Pipeline.from_flow(flow(package, GROUNDED))
    teacher = script.connect()
    one = sk.generate(seeds(2), teacher=teacher, pipeline=pipeline)
    other = sk.generate(
        seeds(2), teacher=teacher, pipeline=own, prompts=dict(pipeline.prompts), profile=False
    )
    assert list(one.samples()) == list(other.samples())
    assert one.funnel == other.funnel


def test_a_run_of_a_flow_resumes_where_it_stopped(
    package: Path, script: ScriptedTeacher, tmp_path: Path
) -> None:
    path = flow(package, GROUNDED)
    for _ in range(2):
        sk.generate(
            seeds(2),
            teacher=script.connect(),
            pipeline=sk.Pipeline.from_flow(path),
            out=tmp_path / "run",
        )
    assert script.repeated() == 0


def test_a_folder_of_prompts_takes_precedence_over_the_flows_own(
    package: Path, script: ScriptedTeacher, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(package / "configs/skills/gen_contexts.yaml", mine / "gen_contexts.yaml")
    text = (mine / "gen_contexts.yaml").read_text().replace("You help.", "You write.")
    (mine / "gen_contexts.yaml").write_text(text)
    pipeline = sk.Pipeline.from_flow(flow(package, GROUNDED))
    prompts = sk.plan(seeds(1), pipeline=pipeline, prompts=mine).prompts
    assert (
        prompts["gen_contexts"].system == "You write."
        and prompts["gen_grounded_responses"].system == "You help."
    )


@pytest.mark.parametrize(
    ("said", "kept"), [("3/3", True), ("**2**", True), ("2 out of 3", True), ("1", False)]
)
def test_a_score_is_read_whatever_its_scale(
    package: Path, script: ScriptedTeacher, said: str, kept: bool
) -> None:
    script.answer = lambda ask: (
        tagged(evaluation="Read.", score=said)
        if ask.stage == "evaluate_grounded_qa_pair"
        else script.usual(ask)
    )
    run = sk.generate(
        seeds(1), teacher=script.connect(), pipeline=sk.Pipeline.from_flow(flow(package, GROUNDED))
    )
    assert bool(list(run.samples())) is kept
    assert not any(drop["reason"] == "malformed" for drop in run.drops())


@pytest.mark.parametrize(
    ("operation", "value", "convert", "kept"),
    [
        ("operator.contains", ["Assistant A", "Assistant B"], None, ["B"]),
        ("operator.ne", "The best is Assistant B.", None, ["none"]),
        ("operator.gt", 2, "int", []),
    ],
)
def test_the_named_operators_filter_any_column(
    package: Path,
    script: ScriptedTeacher,
    operation: str,
    value: Any,
    convert: str | None,
    kept: list[str],
) -> None:
    (package / "configs/skills/judge.yaml").write_text(
        'generation: \'{"stage": "judge", "seed_question": {{ seed_question|tojson }}}\'\n'
    )
    blocks = [
        llm("judge", "verdict"),
        keep(
            "filter_verdict",
            operation,
            value,
            "verdict",
            convert,
            drop_columns=["task_description"],
        ),
    ]
    script.answer = lambda ask: "The best is Assistant B." if ask.seed == 1 else "none"
    run = sk.generate(
        seeds(2),
        teacher=script.connect(),
        pipeline=sk.Pipeline.from_flow(flow(package, blocks, "router")),
    )
    verdicts = [row["verdict"] for row in run.samples()]
    assert [
        verdict.rstrip(".")[-1] if verdict != "none" else "none" for verdict in verdicts
    ] == kept
    assert all("task_description" not in row for row in run.samples())
    assert all(drop["reason"] == "filter_verdict" for drop in run.drops())
    assert_adds_up(run)


def test_the_flows_stop_texts_are_sent_and_the_missing_end_tag_is_forgiven(package: Path) -> None:
    blocks = [
        llm("gen_contexts", "context", gen_kwargs={"stop": ["[End of Context]"], "temperature": 1})
    ]
    with FaultServer() as server:
        server.behave = lambda body, n: completion("[Start of Context]\nA text.\n")
        teacher = sk.connect("openai", base_url=server.base_url, api_key="key")
        run = sk.generate(
            seeds(1), teacher=teacher, pipeline=sk.Pipeline.from_flow(flow(package, blocks))
        )
        teacher.close()
    assert [row["context"] for row in run.samples()] == ["A text."]
    assert server.asked[0]["stop"] == ["[End of Context]"]


UNUSABLE = {
    "sample populator": (
        [{"block_type": "SamplePopulatorBlock", "block_config": {"block_name": "icl"}}],
        "SamplePopulator",
    ),
    "no list": ({"metadata": {}, "blocks": []}, "a flow of sdg_hub 0.2 or later"),
    "operator": ([keep("f", "operator.add", 1)], "'operator.add' is not supported"),
    "type": ([keep("f", "operator.eq", 1, convert="str")], "convert_dtype 'str'"),
    "prompt": ([llm("elsewhere", "context")], "configs/skills/elsewhere.yaml"),
    "columns": (
        [{"block_type": "LLMBlock", "block_config": {"block_name": "x"}}],
        "needs 'output_cols'",
    ),
    "no columns": ([llm("gen_contexts", gen_kwargs={"n": 2})], "block 1"),
    "parser": (
        [llm("gen_contexts", "context", config={"parser_kwargs": {"parser_name": "custom"}})],
        "parser",
    ),
    "a word for a number": ([llm("gen_contexts", "context", gen_kwargs={"n": "many"})], "many"),
    "a list for a mapping": ([{"block_type": "LLMBlock", "block_config": ["a"]}], "block 1"),
    "name": ([{"block_type": "LLMBlock", "block_config": {}}], "needs 'block_name'"),
    "both": (
        [
            llm(
                "gen_contexts",
                "context",
                config={"batch_kwargs": {"num_samples": 3}},
                gen_kwargs={"n": 2},
            )
        ],
        "both n and num_samples",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_flow_that_cannot_be_run_is_refused_with_the_reason(package: Path, case: str) -> None:
    blocks, words = UNUSABLE[case]
    with pytest.raises(SettingsError) as caught:
        sk.Pipeline.from_flow(flow(package, blocks))
    assert words in str(caught.value)
    assert "synth_grounded_skills" in str(caught.value)


def test_a_flow_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no flow .*nowhere\.yaml"):
        sk.Pipeline.from_flow(tmp_path / "nowhere.yaml")


def test_a_flow_is_found_by_name_in_the_installed_package(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "__init__.py").write_text("raise RuntimeError('never imported')")
    flow(package, GROUNDED)
    monkeypatch.syspath_prepend(str(package.parent))
    pipeline = sk.Pipeline.from_flow("synth_grounded_skills.yaml")
    assert [stage.name for stage in pipeline.stages] == [stage.name for stage in sk.GROUNDED.stages]
    assert json.dumps(sk.plan(seeds(1), pipeline=pipeline).edition().as_json())
