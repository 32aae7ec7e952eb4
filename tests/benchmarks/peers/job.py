"""The job that all contenders get: the same seeds, the same prompts, the same method.

A contender reads it as JSON, since its environment does not hold sdgkit.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
from reference import NAMES, repeat

import sdgkit as sk
from sdgkit.prompts import Prompt, load_prompts
from sdgkit.run.plan import Plan
from sdgkit.seeds import read_seeds

SEEDS = 10
CONTEXTS = 10
QUESTIONS = 3
SLOTS = 16


@dataclass(frozen=True)
class StagePrompt:
    """What one stage asks, as a contender can ask it.

    Attributes:
        name: The stage.
        system: The system message.
        tail: The end of the user message, a Jinja template with the columns of the row. What comes
            before it and a blank line is a column of the seed's row, `ask_` and the stage's name.
        columns: The columns in the tail.
        tags: Between which tags each column of the reply stands, in order.
        temperature: The temperature.
        max_tokens: The longest reply.
    """

    name: str
    system: str
    tail: str
    columns: list[str]
    tags: dict[str, list[str]]
    temperature: float
    max_tokens: int


@dataclass(frozen=True)
class Job:
    """Everything that a contender has to know.

    Attributes:
        base_url: The teacher's address.
        seeds: A row for each seed, with its id and the beginnings of its prompts.
        prompts: The prompts.
        contexts: Contexts for each seed.
        questions: Questions for each context.
        slots: Requests that may be with the teacher at once.
    """

    base_url: str
    seeds: list[dict[str, str]]
    prompts: list[StagePrompt]
    contexts: int = CONTEXTS
    questions: int = QUESTIONS
    slots: int = SLOTS

    def write(self, path: Path) -> None:
        """Write it for a contender."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False), "utf-8")


# The columns of the row that a stage shows, and those that it reads from the reply.
SHOWN = {
    "gen_contexts": [],
    "gen_grounded_questions": ["context"],
    "eval_grounded_questions": ["context", "question"],
    "gen_grounded_responses": ["context", "question"],
    "evaluate_grounded_qa_pair": ["context", "question", "response"],
}
READ = {
    "gen_contexts": ["context"],
    "gen_grounded_questions": ["question"],
    "eval_grounded_questions": ["evaluation", "score"],
    "gen_grounded_responses": ["response"],
    "evaluate_grounded_qa_pair": ["evaluation", "faults", "score"],
}


def shipped_seeds(number: int = SEEDS) -> list[dict[str, Any]]:
    """The seeds of the feedback tables, and as many variants as it takes."""
    few = read_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    return repeat(few, number)


def make_job(plan: Plan, base_url: str) -> Job:
    """The job, from the prompts that sdgkit ships and the variables that it gives them."""
    prompts = load_prompts(NAMES, "grounded")
    rows = []
    for number, seed in enumerate(plan.rows, 1):
        row = {"seed_id": f"s{number}"}
        for name in NAMES:
            row[f"ask_{name}"] = _beginning(prompts[name], {**plan.variables_of(seed), **seed})
        rows.append(row)
    first = {**plan.variables_of(plan.rows[0]), **plan.rows[0]}
    return Job(base_url, rows, [_stage_prompt(prompts[name], first) for name in NAMES])


def _marked(prompt: Prompt) -> dict[str, Any]:
    """A Jinja variable in the place of each column of the row."""
    marks: dict[str, Any] = {column: f"{{{{ {column} }}}}" for column in SHOWN[prompt.name]}
    return {**marks, "num_samples": QUESTIONS}


def _tail(prompt: Prompt, seed: dict[str, Any]) -> str:
    generation = jinja2.Template(prompt.generation, keep_trailing_newline=True)
    text: str = generation.render({**seed, **_marked(prompt)})
    return text.strip()


def _beginning(prompt: Prompt, seed: dict[str, Any]) -> str:
    [*_, message] = prompt.render({**seed, **_marked(prompt)})
    tail = _tail(prompt, seed)
    assert message["content"].endswith(f"\n\n{tail}"), prompt.name
    return message["content"].removesuffix(f"\n\n{tail}")


def _stage_prompt(prompt: Prompt, seed: dict[str, Any]) -> StagePrompt:
    pairs = zip(prompt.start_tags, prompt.end_tags, strict=True)
    tags = {}
    for column, (start, end) in zip(READ[prompt.name], pairs, strict=True):
        tags[column] = [start, end]
    return StagePrompt(
        name=prompt.name,
        system=prompt.system.strip(),
        tail=_tail(prompt, seed),
        columns=SHOWN[prompt.name],
        tags=tags,
        temperature=float(prompt.sampling["temperature"]),
        max_tokens=int(prompt.sampling["max_tokens"]),
    )
