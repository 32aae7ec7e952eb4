"""data-designer: a workflow of two stages, since the number of rows changes between them."""

import os
from pathlib import Path
from typing import Any

os.environ.update(NEMO_TELEMETRY_ENABLED="false", DO_NOT_TRACK="1")

import data_designer.config as dd
import pandas as pd
from data_designer.interface import DataDesigner
from job_file import FOLDER, JOB, KEY, MODEL, PROMPTS, finish, pieces, score, template

BUFFER = JOB["settings"].get("buffer", 1000)
# Columns that each question's row takes along from the first stage.
LATER = ("eval_grounded_questions", "gen_grounded_responses", "evaluate_grounded_qa_pair")


def models() -> list[Any]:
    """The teacher once for each temperature; both share its slots."""
    configs = []
    for alias, temperature in {"writer": 0.7, "judge": 0.0}.items():
        parameters = dd.ChatCompletionInferenceParams(
            temperature=temperature,
            max_tokens=PROMPTS["gen_contexts"]["max_tokens"],
            max_parallel_requests=JOB["slots"],
        )
        configs.append(
            dd.ModelConfig(
                alias=alias,
                model=MODEL,
                provider="peers",
                inference_parameters=parameters,
                skip_health_check=True,
            )
        )
    return configs


def asking(stage: str, **more: Any) -> Any:
    """A column with the teacher's reply."""
    return dd.LLMTextColumnConfig(
        name=f"{stage}_reply",
        prompt=template(stage),
        system_prompt=PROMPTS[stage]["system"],
        model_alias="writer" if PROMPTS[stage]["temperature"] else "judge",
        **more,
    )


def reading(stage: str, column: str, **more: Any) -> Any:
    """A column with what a reply says between its tags, or the score; "" if it does not."""
    reply = f"{stage}_reply"

    def read(row: dict[str, Any]) -> dict[str, Any]:
        text = row[reply]
        if column.startswith("score"):
            row[column] = score(stage, text)
        else:
            found = pieces(stage, text)
            row[column] = found[0][column] if found else ""
        return row

    generator = dd.custom_column_generator(required_columns=[reply])(read)
    return dd.CustomColumnConfig(name=column, generator_function=generator, **more)


def one_row_a_question(path: Path) -> Path:
    """The seeds of the second stage."""
    rows = []
    for row in pd.read_parquet(path / "parquet-files").to_dict("records"):
        for piece in pieces("gen_grounded_questions", row["gen_grounded_questions_reply"]):
            asks = {f"ask_{stage}": row[f"ask_{stage}"] for stage in LATER}
            rows.append({**asks, "context": row["context"], "question": piece["question"]})
    target = FOLDER / "questions.parquet"
    pd.DataFrame(rows).to_parquet(target)
    return target


def contexts_and_questions() -> Any:
    rows = [seed for seed in JOB["seeds"] for _ in range(JOB["contexts"])]
    seeds = FOLDER / "seeds.parquet"
    if not seeds.exists():
        pd.DataFrame(rows).to_parquet(seeds)
    builder = dd.DataDesignerConfigBuilder(model_configs=models())
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(seeds)))
    builder.add_column(asking("gen_contexts"))
    builder.add_column(reading("gen_contexts", "context"))
    no_context = dd.SkipConfig(when="{{ context == '' }}")
    builder.add_column(asking("gen_grounded_questions", skip=no_context))
    return builder, len(rows)


def responses() -> Any:
    builder = dd.DataDesignerConfigBuilder(model_configs=models())
    builder.add_column(asking("eval_grounded_questions"))
    builder.add_column(reading("eval_grounded_questions", "score_question"))
    bad_question = dd.SkipConfig(when="{{ score_question != 1.0 }}")
    builder.add_column(asking("gen_grounded_responses", skip=bad_question))
    builder.add_column(reading("gen_grounded_responses", "response"))
    no_response = dd.SkipConfig(when="{{ response == '' }}")
    builder.add_column(asking("evaluate_grounded_qa_pair", skip=no_response))
    builder.add_column(reading("evaluate_grounded_qa_pair", "score_pair"))
    return builder


def main() -> None:
    provider = dd.ModelProvider(name="peers", endpoint=JOB["base_url"], api_key=KEY)
    designer = DataDesigner(artifact_path=FOLDER / "artifacts", model_providers=[provider])
    designer.set_run_config(
        dd.RunConfig(buffer_size=BUFFER, disable_early_shutdown=True, otel_metrics_port=None)
    )
    workflow = designer.compose_workflow(name="grounded-skills")
    builder, number = contexts_and_questions()
    workflow.add_stage(
        "questions",
        builder,
        num_records=number,
        on_success=one_row_a_question,
        on_success_version="1",
    )
    workflow.add_stage("responses", responses())
    result = workflow.run(resume=dd.ResumeMode.IF_POSSIBLE)
    rows = result.load_dataset().to_dict("records")
    # A row whose judge was skipped has no score.
    finish([row for row in rows if (row["score_pair"] or 0.0) >= 2.0])


if __name__ == "__main__":
    main()
