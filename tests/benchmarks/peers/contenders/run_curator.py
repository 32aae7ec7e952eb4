"""curator: one of its models for each stage; its cache folder lets a second start go on."""

import importlib.util
import os
from pathlib import Path
from typing import Any

os.environ.update(TELEMETRY_ENABLED="false", LITELLM_LOCAL_MODEL_COST_MAP="True")
os.environ["CURATOR_DISABLE_RICH_DISPLAY"] = "1"
# It counts tokens with a table that it would fetch; litellm, which it brings, holds a copy.
LITELLM = importlib.util.find_spec("litellm")
assert LITELLM is not None and LITELLM.origin is not None
TABLES = Path(LITELLM.origin).parent / "litellm_core_utils" / "tokenizers"
os.environ["TIKTOKEN_CACHE_DIR"] = str(TABLES)

from bespokelabs import curator
from job_file import FOLDER, JOB, KEY, MODEL, PROMPTS, finish, message, pieces, score

Row = dict[str, Any]
BACKEND = {
    "base_url": JOB["base_url"],
    "api_key": KEY,
    "max_concurrent_requests": JOB["slots"],
    "max_requests_per_minute": 1_000_000,
    "max_tokens_per_minute": 1_000_000_000,
    "require_all_responses": False,
}


def asking(stage: str) -> Any:
    """A model of curator's that asks for this stage, with the rows that come of its replies."""

    # Its package is not installed where this is checked.
    class Stage(curator.LLM):  # type: ignore[misc]
        def prompt(self, row: Row) -> list[dict[str, str]]:
            return [
                {"role": "system", "content": PROMPTS[stage]["system"]},
                {"role": "user", "content": message(stage, row)},
            ]

        def parse(self, row: Row, reply: str) -> list[Row]:
            if stage.startswith("eval"):
                return [{**row, "score": score(stage, reply)}]
            return [{**row, **piece} for piece in pieces(stage, reply)]

    return Stage(
        model_name=MODEL,
        backend="openai",
        generation_params={
            "temperature": PROMPTS[stage]["temperature"],
            "max_tokens": PROMPTS[stage]["max_tokens"],
        },
        backend_params=BACKEND,
    )


def asked(stage: str, rows: list[Row]) -> list[Row]:
    result = asking(stage)(rows, working_dir=str(FOLDER / "cache" / stage))
    return list(result.dataset)


def main() -> None:
    rows = [
        {**seed, "ordinal": ordinal} for seed in JOB["seeds"] for ordinal in range(JOB["contexts"])
    ]
    rows = asked("gen_contexts", rows)
    rows = asked("gen_grounded_questions", rows)
    rows = asked("eval_grounded_questions", rows)
    rows = [row for row in rows if row["score"] == 1.0]
    rows = asked("gen_grounded_responses", rows)
    rows = asked("evaluate_grounded_qa_pair", rows)
    finish([row for row in rows if row["score"] >= 2.0])


if __name__ == "__main__":
    main()
