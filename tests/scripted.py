"""A teacher whose every reply a test writes.

A reply is a Python function of what was asked; it comes over a real socket.

with ScriptedTeacher() as script:
    script.answer = lambda ask: script.usual(ask) if ask.ordinal != 3 else "no tags here"
    run = sk.generate(SEEDS, teacher=script.connect(), prompts=PROMPTS, profile=False)
    assert script.asked("gen_contexts") == 9
"""

import asyncio
import hashlib
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from servers import FaultServer, is_probe, status

import sdgkit as sk
from sdgkit.prompts import SAMPLING, Prompt
from sdgkit.teachers import Request, Teacher

MODEL = "tiny"
ORDINALS, ATTEMPTS = 130, 4
LATER_ATTEMPTS = 12  # of a list that is cut off, whose rest has attempts of its own


def seeds(count: int = 3, *, first: int = 1, grounded: bool = True) -> list[dict[str, str]]:
    """Seed examples that differ in one number."""
    rows = []
    for number in range(first, first + count):
        row = {
            "task_description": "Do as the example does.",
            "seed_context": f"Context of seed {number}",
        }
        row |= {
            "seed_question": f"Question of seed {number}",
            "seed_response": f"Response of seed {number}",
        }
        rows.append(row if grounded else {k: v for k, v in row.items() if k != "seed_context"})
    return rows


def prompt(stage: str, variables: Iterable[str], *columns: str, **sampling: Any) -> Prompt:
    """A prompt that says its stage and its variables as JSON, for the script to read."""
    values = ", ".join(f'"{name}": {{{{ {name}|tojson }}}}' for name in variables)
    optional = '{% if num_samples is defined %}, "num_samples": {{ num_samples }}{% endif %}'
    optional += '{% if vary is defined %}, "vary": {{ vary|tojson }}{% endif %}'
    tags = [column.capitalize() for column in columns]
    return Prompt(
        stage,
        generation=f'{{"stage": "{stage}", {values}{optional}}}',
        start_tags=tuple(f"[Start of {tag}]" for tag in tags),
        end_tags=tuple(f"[End of {tag}]" for tag in tags),
        sampling={"max_tokens": 100, **sampling},
    )


SEED = ("seed_context", "seed_question", "seed_response")
JUDGED = ("evaluation", "score")
PROMPTS = {
    "gen_contexts": prompt("gen_contexts", SEED, "context", temperature=0.7),
    "gen_grounded_questions": prompt(
        "gen_grounded_questions", (*SEED, "context"), "question", temperature=0.7
    ),
    "eval_grounded_questions": prompt(
        "eval_grounded_questions", ("context", "question"), *JUDGED, temperature=0
    ),
    "gen_grounded_responses": prompt(
        "gen_grounded_responses",
        ("seed_response", "context", "question"),
        "response",
        temperature=0,
    ),
    "evaluate_grounded_qa_pair": prompt(
        "evaluate_grounded_qa_pair", ("context", "question", "response"), *JUDGED, temperature=0
    ),
}
FREEFORM_PROMPTS = {
    "gen_questions": prompt("gen_questions", SEED[1:], "question", temperature=0.7),
    "eval_questions": prompt("eval_questions", ("question",), *JUDGED, temperature=0),
    "gen_responses": prompt(
        "gen_responses", ("seed_response", "question"), "response", temperature=0
    ),
    "evaluate_qa_pair": prompt(
        "evaluate_qa_pair", ("question", "response"), *JUDGED, temperature=0
    ),
}


@dataclass(frozen=True)
class Ask:
    """One request as the script sees it.

    Attributes:
        stage: The stage that asks.
        given: The prompt's variables.
        ordinal: Which of several requests for the same row it is, told by its sampling seed.
        attempt: 1, or higher where a malformed reply is asked again, told by its sampling seed.
        body: The request's body.
    """

    stage: str
    given: Mapping[str, Any]
    ordinal: int
    attempt: int
    body: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Ask":
        given = json.loads(body["messages"][-1]["content"])
        ordinal, attempt = which(body)
        return cls(given.pop("stage"), given, ordinal, attempt, body)

    @property
    def seed(self) -> int:
        """The number of the seed that it is about (0 where the prompt does not say)."""
        return int(str(self.given.get("seed_question", "seed 0")).rsplit(" ", 1)[1])

    @property
    def name(self) -> str:
        """A name of its own for every request, and the same for the same."""
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()[:10]


def which(body: Mapping[str, Any]) -> tuple[int, int]:
    """(ordinal, attempt) of a request, which only its sampling seed tells."""
    sampling = {
        name: value for name, value in body.items() if name not in ("model", "messages", "seed")
    }
    further = {name: sampling.pop(name) for name in [*sampling] if name not in SAMPLING}
    sampling |= {"extra_body": further} if further else {}
    likely = [(ordinal, attempt) for ordinal in (1, 2, 3) for attempt in range(1, ATTEMPTS + 1)]
    others = (
        (ordinal, attempt)
        for attempt in range(1, ATTEMPTS + 1)
        for ordinal in range(4, ORDINALS + 1)
    )
    rare = (
        (ordinal, attempt)
        for attempt in range(ATTEMPTS + 1, LATER_ATTEMPTS + 1)
        for ordinal in (1, 2, 3)
    )
    for ordinal, attempt in itertools.chain(likely, others, rare):
        request = Request(tuple(body["messages"]), sampling, ordinal, attempt)
        if request.sampling_seed(body["model"]) == body["seed"]:
            return ordinal, attempt
    raise AssertionError(f"a sampling seed from nowhere: {body}")


def tagged(**columns: Any) -> str:
    """A reply with these columns between their tags."""
    pairs = ((name.capitalize(), text) for name, text in columns.items())
    return "\n".join(f"[Start of {tag}]\n{text}\n[End of {tag}]" for tag, text in pairs)


def completion(text: str, finish_reason: str = "stop") -> web.Response:
    """A chat completion with this text, as it comes over the wire."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": finish_reason,
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    return web.json_response(
        {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}
    )


Answer = str | web.StreamResponse


class ScriptedTeacher(FaultServer):
    """A server whose replies a test writes.

    Attributes:
        answer: The reply to an ask: its text, or a whole response.
        delay: Seconds before it is sent.
    """

    def __init__(self, model: str = MODEL) -> None:
        super().__init__(models=(model,))
        self.model = model
        self.asks: list[Ask] = []
        self.mistakes: list[Exception] = []
        self.answer: Callable[[Ask], Answer] = self.usual
        self.delay: Callable[[Ask], float] | None = None
        self.behave = self._answer
        self._stack = ExitStack()

    async def _answer(self, body: dict[str, Any], _: int) -> web.StreamResponse:
        if is_probe(body):
            return completion("hello")
        try:
            ask = Ask.of(body)
            self.asks.append(ask)
            if self.delay is not None:
                await asyncio.sleep(self.delay(ask))
            answer = self.answer(ask)
        except (
            Exception
        ) as error:  # a mistake in the test: told at once, instead of tried again for ever
            self.mistakes.append(error)
            return status(400, f"The script's answer raised {error!r}")
        return completion(answer) if isinstance(answer, str) else answer

    def hold_after(self, number: int = 0) -> "Gate":
        """Answer the first so many requests; the gate holds all others back."""
        gate = Gate()

        async def hold(body: dict[str, Any], count: int) -> web.StreamResponse:
            if count > number:
                await gate.passed()
            return await self._answer(body, count)

        self.behave = hold
        return gate

    @staticmethod
    def usual(ask: Ask) -> str:
        """A good reply, different for every request.

        Some samples do not please the judges, by a rule of their own.
        """
        if ask.stage == "gen_contexts":
            return tagged(context=f"Context {ask.seed}.{ask.ordinal} {ask.name}")
        if ask.stage in ("gen_grounded_questions", "gen_questions"):
            return "\n".join(
                tagged(question=f"Q{i} {ask.name}") for i in range(ask.given["num_samples"])
            )
        if ask.stage in ("gen_grounded_responses", "gen_responses"):
            return tagged(response=f"Response {ask.name}")
        if ask.stage in ("eval_grounded_questions", "eval_questions"):
            return tagged(evaluation="Seen.", score=int(not ask.name.startswith("0")))
        return tagged(evaluation="Read.", score=1 if ask.name.startswith("1") else 3)

    def connect(self, concurrency: int | str = 16, **options: Any) -> Teacher:
        """A teacher of this server; closed with it."""
        teacher = sk.connect(
            "openai", base_url=self.base_url, api_key="key", concurrency=concurrency, **options
        )
        self._stack.callback(teacher.close)
        return teacher

    def asked(self, stage: str | None = None) -> int:  # type: ignore[override]
        """How many requests came, of one stage or of all."""
        return sum(stage in (None, ask.stage) for ask in self.asks)

    def by_stage(self) -> dict[str, int]:
        """Requests by stage since the last `forget`."""
        return dict(Counter(ask.stage for ask in self.asks))

    def repeated(self) -> int:
        """How many requests had been made before."""
        return len(self.asks) - len({ask.name for ask in self.asks})

    def forget(self) -> None:
        """Count anew."""
        self.asks.clear()

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        super().__exit__(*error)
        assert not self.mistakes


class Gate:
    """Holds replies back until a test lets them go: `await_arrivals`, then `open`."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._arrived = threading.Semaphore(0)

    def await_arrivals(self, number: int) -> None:
        for _ in range(number):
            assert self._arrived.acquire(timeout=60), "nobody came to the gate"

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        self._arrived.release()
        while not self._opened.is_set():
            await asyncio.sleep(0.002)


def ignore_note(sentence: str) -> None:
    """For a run whose notes are not printed."""


def assert_adds_up(run: sk.Run) -> None:
    """The funnel's promises, held against the rows themselves: nothing disappears silently."""
    funnel, samples, drops = run.funnel, list(run.samples()), list(run.drops())
    rows = len(run.plan.rows) if run.plan is not None else funnel[0].rows_in
    stages = (
        {stage.name: stage for stage in run.plan.pipeline.stages} if run.plan is not None else {}
    )
    by_stage = Counter((drop["stage"], drop["reason"]) for drop in drops)
    for line in funnel:
        assert line.rows_in == rows, line
        assert line.tried == line.rows_out + line.dropped_rows, line
        if line.name in stages and not stages[line.name].fans_out:
            assert line.tried == line.rows_in, line
        counted = {reason: by_stage.pop((line.name, reason)) for reason in line.dropped}
        assert counted == line.dropped
        rows = line.rows_out
    assert not by_stage, "drops that no stage counts"
    assert rows == len(samples)
    ids = [row["id"] for row in samples + drops]
    assert len(set(ids)) == len(ids)
