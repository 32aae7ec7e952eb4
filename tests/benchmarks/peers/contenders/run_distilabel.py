"""distilabel: a pipeline of steps, each a process; its cache lets a second start go on."""

import os
from typing import Any

from job_file import FOLDER, JOB, KEY, MODEL, PROMPTS, finish, pieces, score, template

os.environ.update(DISTILABEL_CACHE_DIR=str(FOLDER / "cache"), DISTILABEL_LOG_LEVEL="ERROR")

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts, Step, StepInput
from distilabel.steps.tasks import TextGeneration

Row = dict[str, Any]
LEAST = {"eval_grounded_questions": 1.0, "evaluate_grounded_qa_pair": 2.0}


# Its package is not installed where this is checked.
class Reading(Step):  # type: ignore[misc]
    """Reads the replies of a stage: rows with the columns that it writes, or those it keeps."""

    stage: str

    @property
    def inputs(self) -> list[str]:
        return [f"{self.stage}_reply"]

    @property
    def outputs(self) -> list[str]:
        return [] if self.stage in LEAST else list(PROMPTS[self.stage]["tags"])

    def process(self, inputs: StepInput) -> Any:
        rows: list[Row] = []
        for row in inputs:
            reply = row[f"{self.stage}_reply"]
            if self.stage in LEAST:
                if score(self.stage, reply) >= LEAST[self.stage]:
                    rows.append(row)
            else:
                rows += [{**row, **piece} for piece in pieces(self.stage, reply)]
        yield rows


def asking(stage: str, batch: int) -> Any:
    prompt = PROMPTS[stage]
    llm = OpenAILLM(
        model=MODEL,
        base_url=JOB["base_url"],
        api_key=KEY,
        generation_kwargs={
            "temperature": prompt["temperature"],
            "max_new_tokens": prompt["max_tokens"],
        },
    )
    return TextGeneration(
        name=stage,
        llm=llm,
        system_prompt=prompt["system"],
        template=template(stage),
        columns=[f"ask_{stage}", *prompt["columns"]],
        output_mappings={"generation": f"{stage}_reply"},
        input_batch_size=batch,
        add_raw_output=False,
        add_raw_input=False,
    )


def main() -> None:
    batch = JOB["settings"].get("batch", JOB["slots"])
    rows = [
        {**seed, "ordinal": ordinal} for seed in JOB["seeds"] for ordinal in range(JOB["contexts"])
    ]
    with Pipeline("grounded-skills", cache_dir=str(FOLDER / "cache")) as pipeline:
        last: Any = LoadDataFromDicts(data=rows, batch_size=batch)
        for stage in PROMPTS:
            task = asking(stage, batch)
            reading = Reading(name=f"read_{stage}", stage=stage, input_batch_size=batch)
            last >> task >> reading
            last = reading
    result = pipeline.run(use_cache=True)
    finish(list(result["default"]["train"]))


if __name__ == "__main__":
    main()
