"""sdg_hub 0.1.0a4, whose flow for grounded skills is this method; seeds run side by side."""

import os

os.environ["LOG_LEVEL"] = "ERROR"

import yaml
from datasets import Dataset
from job_file import FOLDER, JOB, KEY, MODEL, PROMPTS, finish, template
from openai import OpenAI
from sdg_hub.flow import Flow
from sdg_hub.pipeline import Pipeline
from sdg_hub.sdg import SDG


def asking(stage: str, **more: object) -> dict[str, object]:
    """The block that asks the teacher, with its prompt in a file."""
    prompt = PROMPTS[stage]
    config = {
        "system": prompt["system"],
        "introduction": template(stage),
        "principles": "",
        "examples": "",
        "generation": "",
        "start_tags": [start for start, _ in prompt["tags"].values()],
        "end_tags": [end for _, end in prompt["tags"].values()],
    }
    file = FOLDER / f"{stage}.yaml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    return {
        "block_type": "LLMBlock",
        "block_config": {
            "block_name": stage,
            "config_path": str(file),
            "model_id": MODEL,
            "model_prompt": "blank",
            "output_cols": list(prompt["tags"]),
        },
        **more,
        "gen_kwargs": {
            "temperature": prompt["temperature"],
            "max_tokens": prompt["max_tokens"],
            **({"n": JOB["contexts"]} if stage == "gen_contexts" else {}),
        },
    }


def keeping(name: str, operation: str, value: float) -> dict[str, object]:
    return {
        "block_type": "FilterByValueBlock",
        "block_config": {
            "block_name": name,
            "filter_column": "score",
            "filter_value": value,
            "operation": operation,
            "convert_dtype": "float",
            "batch_kwargs": {"num_procs": 1},
        },
        "drop_columns": ["evaluation", "score"] if "questions" in name else [],
    }


def main() -> None:
    blocks = [
        asking("gen_contexts", drop_duplicates=["context"]),
        asking("gen_grounded_questions", drop_duplicates=["question"]),
        asking("eval_grounded_questions"),
        keeping("filter_grounded_questions", "operator.eq", 1.0),
        asking("gen_grounded_responses"),
        asking("evaluate_grounded_qa_pair"),
        keeping("filter_grounded_qa_pair", "operator.ge", 2.0),
    ]
    flow_file = FOLDER / "flow.yaml"
    flow_file.write_text(yaml.safe_dump(blocks), "utf-8")
    client = OpenAI(base_url=JOB["base_url"], api_key=KEY)
    # Otherwise it sends a test request to find out.
    setattr(client, "server_supports_batched", True)  # noqa: B010
    flow = Flow(client).get_flow_from_file(str(flow_file))
    checkpoints = FOLDER / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    sdg = SDG([Pipeline(flow)], num_workers=len(JOB["seeds"]), batch_size=1, save_freq=1)
    result = sdg.generate(Dataset.from_list(JOB["seeds"]), checkpoint_dir=str(checkpoints))
    finish(list(result))


if __name__ == "__main__":
    main()
