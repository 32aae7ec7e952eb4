"""sdg_hub 0.9: a flow of its blocks; it saves a checkpoint after every few seeds."""

import os
from typing import Any

os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", LOG_LEVEL="ERROR")

import pandas as pd
import yaml
from job_file import FOLDER, JOB, KEY, MODEL, PROMPTS, finish, template
from sdg_hub.core.flow import Flow

Block = dict[str, Any]


def block(kind: str, name: str, **config: Any) -> Block:
    return {"block_type": kind, "block_config": {"block_name": name, **config}}


def asking(stage: str) -> list[Block]:
    """The blocks that ask the teacher and read its reply into columns."""
    prompt = PROMPTS[stage]
    messages = [
        {"role": "system", "content": prompt["system"]},
        {"role": "user", "content": template(stage)},
    ]
    file = FOLDER / f"{stage}.yaml"
    file.write_text(yaml.safe_dump(messages), "utf-8")
    tags = prompt["tags"]
    return [
        block(
            "PromptBuilderBlock",
            f"{stage}_prompt",
            input_cols=[f"ask_{stage}", *prompt["columns"]],
            output_cols=f"{stage}_messages",
            prompt_config_path=str(file),
        ),
        block(
            "LLMChatBlock",
            f"{stage}_chat",
            input_cols=f"{stage}_messages",
            output_cols=f"{stage}_raw",
            temperature=prompt["temperature"],
            max_tokens=prompt["max_tokens"],
            async_mode=True,
        ),
        block(
            "LLMResponseExtractorBlock",
            f"{stage}_text",
            input_cols=f"{stage}_raw",
            extract_content=True,
            expand_lists=True,
        ),
        block(
            "TagParserBlock",
            f"{stage}_parse",
            input_cols=f"{stage}_text_content",
            output_cols=[column_of(stage, name) for name in tags],
            start_tags=[start for start, _ in tags.values()],
            end_tags=[end for _, end in tags.values()],
        ),
    ]


def column_of(stage: str, name: str) -> str:
    """The column for a part of a reply; both judges write an evaluation and a score."""
    return f"{stage}_{name}" if name in ("score", "evaluation") else name


def keeping(stage: str, operation: str, value: float) -> Block:
    return block(
        "ColumnValueFilterBlock",
        f"{stage}_filter",
        input_cols=f"{stage}_score",
        filter_value=value,
        operation=operation,
        convert_dtype="float",
    )


def main() -> None:
    blocks = [
        block("RowMultiplierBlock", "contexts", num_samples=JOB["contexts"]),
        *asking("gen_contexts"),
        *asking("gen_grounded_questions"),
        *asking("eval_grounded_questions"),
        keeping("eval_grounded_questions", "eq", 1.0),
        *asking("gen_grounded_responses"),
        *asking("evaluate_grounded_qa_pair"),
        keeping("evaluate_grounded_qa_pair", "ge", 2.0),
    ]
    flow_file = FOLDER / "flow.yaml"
    metadata = {"name": "grounded skills", "version": "1.0.0", "author": "peers"}
    flow_file.write_text(yaml.safe_dump({"metadata": metadata, "blocks": blocks}), "utf-8")
    flow = Flow.from_yaml(str(flow_file))
    flow.set_model_config(model=f"openai/{MODEL}", api_base=JOB["base_url"], api_key=KEY)
    options: dict[str, Any] = {}
    if "save_freq" in JOB.get("settings", {}):
        checkpoints = FOLDER / "checkpoints"
        options = {"checkpoint_dir": str(checkpoints), "save_freq": JOB["settings"]["save_freq"]}
    result = flow.generate(pd.DataFrame(JOB["seeds"]), max_concurrency=JOB["slots"], **options)
    finish(result.to_dict("records"))


if __name__ == "__main__":
    main()
