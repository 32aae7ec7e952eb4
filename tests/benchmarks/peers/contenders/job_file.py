"""What every contender needs: to read the job and to write its samples. No sdgkit here."""

import json
import re
import sys
from pathlib import Path
from typing import Any

JOB: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
# Everything that the contender keeps between two starts lies here.
FOLDER = Path(sys.argv[2])
PROMPTS: dict[str, dict[str, Any]] = {prompt["name"]: prompt for prompt in JOB["prompts"]}
MODEL = "rehearsal"
KEY = "key"


def template(stage: str) -> str:
    """The user message of a stage, a Jinja template over the columns of a row."""
    return "{{ ask_%s }}\n\n%s" % (stage, PROMPTS[stage]["tail"])  # noqa: UP031


def message(stage: str, row: dict[str, Any]) -> str:
    """The user message of a stage for one row."""
    text = f"{row[f'ask_{stage}']}\n\n{PROMPTS[stage]['tail']}"
    for column in PROMPTS[stage]["columns"]:
        text = text.replace("{{ %s }}" % column, str(row[column]))  # noqa: UP031
    return text


def pieces(stage: str, reply: object) -> list[dict[str, str]]:
    """The columns that a reply holds, a row for each time that all tags are filled.

    There may be no reply; some contenders then have a number that is none in its place.
    """
    columns = []
    text = reply if isinstance(reply, str) else ""
    for start, end in PROMPTS[stage]["tags"].values():
        found = re.findall(f"{re.escape(start)}(.*?){re.escape(end)}", text, re.DOTALL)
        columns.append([piece.strip() for piece in found])
    return [
        dict(zip(PROMPTS[stage]["tags"], row, strict=True)) for row in zip(*columns, strict=False)
    ]


def score(stage: str, reply: object) -> float:
    """The score in a judge's reply; -1 if there is none."""
    for piece in pieces(stage, reply):
        try:
            return float(piece["score"])
        except ValueError:
            return -1.0
    return -1.0


def finish(samples: list[dict[str, Any]]) -> None:
    """Write the samples that were kept."""
    lines = [
        json.dumps({"question": row["question"], "response": row["response"]}) for row in samples
    ]
    (FOLDER / "samples.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
