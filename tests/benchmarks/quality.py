"""The quality of the data that a teacher makes with sdgkit, and of its judgement.

Each skill of a fixed set is studied and generated; rows with known faults, good rows and questions
that do not fit are put before the judge; the judge is calibrated on the seeds. One table says what
came of it and what it cost.

python tests/benchmarks/quality.py                                # the rehearsal teacher
python tests/benchmarks/quality.py http://localhost:8000/v1 --to after.json
python tests/benchmarks/quality.py URL --skills speaking_clock --contexts 3 --without calibrate
python tests/benchmarks/quality.py URL --option repair=true
python tests/benchmarks/quality.py --compare before.json after.json
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from quality_set import KnownRow, Skill, load_skills

import sdgkit as sk
from sdgkit.errors import RunEmptied
from sdgkit.evaluation.judgement import judge_rows
from sdgkit.evaluation.quiet_runs import run_stage
from sdgkit.formatting import format_number, format_percent
from sdgkit.journal import Journal
from sdgkit.pages.noted_table import NotedTable
from sdgkit.quality.similarity import similarity
from sdgkit.quality.twins import distinct_answers
from sdgkit.run import Run
from sdgkit.run.plan import Plan
from sdgkit.teachers.teacher import Teacher

PARTS = ("generate", "faults", "questions", "calibrate")

STAGES = {
    "gen_contexts": "contexts",
    "gen_grounded_questions": "questions",
    "gen_questions": "questions",
    "filter_grounded_questions": "questions kept",
    "filter_questions": "questions kept",
    "gen_grounded_responses": "responses",
    "gen_responses": "responses",
    "filter_grounded_qa_pair": "samples",
    "filter_qa_pair": "samples",
}
"""The lines of a funnel that the table shows; both methods have the same."""

CACHE_BLOCK = 64
"""Characters that a prefix cache keeps together: vLLM's 16 tokens of about 4 characters."""

COSTS = {
    "write_profile": "study",
    "test_criteria": "study",
    "gen_contexts": "contexts",
    "gen_grounded_questions": "questions",
    "gen_questions": "questions",
    "eval_grounded_questions": "judging questions",
    "eval_questions": "judging questions",
    "gen_grounded_responses": "responses",
    "gen_responses": "responses",
    "evaluate_grounded_qa_pair": "judging responses",
    "evaluate_qa_pair": "judging responses",
    "revise_grounded_responses": "repairs",
    "revise_responses": "repairs",
    "evaluate_revised_grounded_qa_pair": "repairs",
    "evaluate_revised_qa_pair": "repairs",
}
"""What the requests of a stage are counted under; both methods have the same."""


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    number: int = 0
    of: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(self.number + other.number, self.of + other.of)

    def __str__(self) -> str:
        return f"{self.number} of {self.of}" if self.of else ""


@dataclass(frozen=True)
class Cost:
    """What some requests have cost.

    Attributes:
        requests: How many there were.
        prompt_tokens: Tokens that the server read.
        new_tokens: Those that are new to it, if it has a prefix cache that forgets nothing.
        completion_tokens: Tokens that it wrote.
    """

    requests: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.new_tokens + other.new_tokens,
            self.completion_tokens + other.completion_tokens,
        )


@dataclass(frozen=True)
class Result:
    """What was measured on one skill, or on several together.

    Attributes:
        skill: The name of the skill.
        funnel: How many rows each stage kept, of how many that it set out to make.
        distinct: Different answers among the samples.
        covered: Cases of the rules that the samples cover.
        missed: The names of the others.
        similarities: The similarity of each pair of contexts (freeform: of questions).
        faults: Faulty rows that the judge let through, by kind.
        good: Good rows that the judge kept.
        fit: Questions of good rows that the judge of questions kept.
        unfit: Questions that do not fit, and that it let through.
        seeds_kept: Seeds' own responses that the judge kept in the calibration.
        damage_kept: Damaged ones that it let through there.
        wrong: The ids of the rows and questions about which the judge was wrong.
        costs: The cost of the run by kind of request; see `COSTS`.
    """

    skill: str
    funnel: Mapping[str, Share] = field(default_factory=dict)
    distinct: int = 0
    covered: Share = Share()
    missed: Sequence[str] = ()
    similarities: Sequence[float] = ()
    faults: Mapping[str, Share] = field(default_factory=dict)
    good: Share = Share()
    fit: Share = Share()
    unfit: Share = Share()
    seeds_kept: Share = Share()
    damage_kept: Share = Share()
    wrong: Sequence[str] = ()
    costs: Mapping[str, Cost] = field(default_factory=dict)

    @classmethod
    def together(cls, results: Sequence["Result"], name: str) -> "Result":
        """The results of several skills as one."""
        return cls(
            skill=name,
            funnel=_sums((result.funnel for result in results), Share()),
            distinct=sum(result.distinct for result in results),
            covered=sum((result.covered for result in results), Share()),
            similarities=[it for result in results for it in result.similarities],
            faults=_sums((result.faults for result in results), Share()),
            good=sum((result.good for result in results), Share()),
            fit=sum((result.fit for result in results), Share()),
            unfit=sum((result.unfit for result in results), Share()),
            seeds_kept=sum((result.seeds_kept for result in results), Share()),
            damage_kept=sum((result.damage_kept for result in results), Share()),
            costs=_sums((result.costs for result in results), Cost()),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Result":
        """The result that `asdict` gave."""
        read = dict(values)
        for name in ("covered", "good", "fit", "unfit", "seeds_kept", "damage_kept"):
            read[name] = Share(**values[name])
        for name in ("funnel", "faults"):
            read[name] = {key: Share(**value) for key, value in values[name].items()}
        read["costs"] = {key: Cost(**value) for key, value in values["costs"].items()}
        return cls(**read)

    @property
    def samples(self) -> int:
        """How many samples were kept."""
        return self.funnel.get("samples", Share()).number

    @property
    def cost(self) -> Cost:
        """What the run has cost, with its study."""
        return sum(self.costs.values(), Cost())

    def lines(self) -> dict[str, str]:
        """The measures by name, as the table shows them."""
        lines = {name: str(share) for name, share in self.funnel.items()}
        lines["distinct answers"] = _of(self.distinct, self.samples)
        lines["rule cases covered"] = str(self.covered)
        if self.similarities:
            lines["mean similarity"] = f"{statistics.mean(self.similarities):.3f}"
        for kind, share in sorted(self.faults.items()):
            lines[f"let through: {kind}"] = str(share)
        all_faults = sum(self.faults.values(), Share())
        lines["faults let through"] = _with_percent(all_faults)
        lines["good rows kept"] = _with_percent(self.good)
        lines["unfit questions let through"] = str(self.unfit)
        lines["good questions kept"] = str(self.fit)
        lines["calibration: damage let through"] = str(self.damage_kept)
        lines["calibration: seeds kept"] = str(self.seeds_kept)
        cost = self.cost
        lines["requests"] = _number(cost.requests)
        for name, number in (("sample", self.samples), ("distinct sample", self.distinct)):
            lines[f"requests per {name}"] = _per(cost.requests, number, digits=1)
            lines[f"prompt tokens per {name}"] = _per(cost.prompt_tokens, number)
            lines[f"new prompt tokens per {name}"] = _per(cost.new_tokens, number)
            lines[f"completion tokens per {name}"] = _per(cost.completion_tokens, number)
        for kind, part in self.costs.items():
            lines[f"prompt tokens: {kind}"] = _number(part.prompt_tokens)
        return lines


def _sums(parts: Iterable[Mapping[str, Any]], nothing: Any) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            sums[name] = sums.get(name, nothing) + value
    return sums


def _of(number: int, of: int) -> str:
    return str(Share(number, of))


def _number(number: int) -> str:
    return format_number(number) if number else ""


def _per(number: int, of: int, digits: int = 0) -> str:
    return f"{number / of:,.{digits}f}" if number and of else ""


def _with_percent(share: Share) -> str:
    return f"{share} ({format_percent(share.number / share.of)})" if share.of else ""


# Measuring ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measurement:
    """What is measured, and how.

    Attributes:
        teacher: The teacher.
        folder: Where the runs are recorded; what is recorded there is not asked again.
        parts: Which of `PARTS` are carried out.
        options: Options of `generate`.
    """

    teacher: Teacher
    folder: Path
    parts: Sequence[str] = PARTS
    options: Mapping[str, Any] = field(default_factory=dict)

    def of_all(self, skills: Sequence[Skill]) -> list[Result]:
        """Measure all skills at once: whoever answers gets as many requests together as can be."""
        with ThreadPoolExecutor(max(1, len(skills))) as threads:
            return list(threads.map(self.of, skills))

    def of(self, skill: Skill) -> Result:
        """Measure one skill."""
        folder = self.folder / skill.name
        run = Run(
            sk.plan(skill.seeds, teacher=self.teacher, **self._options(skill)),
            folder,
            on_note=lambda _: None,
        )
        measures: dict[str, Any] = {}
        if "generate" in self.parts:
            with suppress(RunEmptied):  # that nothing was kept is a result, too
                run.start().wait()
            measures |= of_run(skill, run, folder)
        plan = self._judging_plan(run, skill)
        wrong: list[str] = []
        if "faults" in self.parts:
            measures |= self._of_faults(skill, plan, folder / "faults", wrong)
        if "questions" in self.parts:
            measures |= self._of_questions(skill, plan, folder / "questions", wrong)
        if "calibrate" in self.parts:
            calibrated = sk.calibrate(
                self.teacher, run if "generate" in self.parts else skill.seeds
            )
            good = calibrated.good
            bad = calibrated.bad
            measures["seeds_kept"] = Share(good.kept, good.asked + good.unsure)
            measures["damage_kept"] = Share(bad.kept, bad.asked + bad.unsure)
        return Result(skill.name, wrong=wrong, **measures)

    def _options(self, skill: Skill) -> dict[str, Any]:
        """The options that apply to a skill: a freeform one writes no contexts."""
        options = dict(self.options)
        is_freeform = "seed_context" not in skill.seeds[0]
        contexts = options.pop("num_contexts", None)
        questions = options.pop("num_questions", None)
        if is_freeform and contexts is not None:
            options["num_questions"] = contexts * (questions or 1)
        elif not is_freeform:
            options["num_contexts"] = contexts
            options["num_questions"] = questions
        return {name: value for name, value in options.items() if value is not None}

    def _judging_plan(self, run: Run, skill: Skill) -> Plan:
        """The plan whose judges are measured: with the profile, where the run has one."""
        assert run.plan is not None
        if "generate" in self.parts or self.options.get("profile") is not None:
            return run.plan
        return run.plan.with_profile(sk.study(skill.seeds, teacher=self.teacher))

    def _of_faults(
        self, skill: Skill, plan: Plan, folder: Path, wrong: list[str]
    ) -> dict[str, Any]:
        known = [*skill.good, *skill.faults]
        rows = [skill.for_judge(row, place) for place, row in enumerate(known)]
        judgements = judge_rows(self.teacher, rows, plan, folder)
        kept = {str(it.row["id"]) for it in judgements if it.kept}
        shares = _shares_kept(known, kept)
        wrong += _wrongly_judged(known, kept)
        good = shares.pop("good")
        return {"faults": shares, "good": good}

    def _of_questions(
        self, skill: Skill, plan: Plan, folder: Path, wrong: list[str]
    ) -> dict[str, Any]:
        judge, filter_ = plan.pipeline.stages[_judge_of_questions(plan) :][:2]
        rows = [skill.for_judge(row, place) for place, row in enumerate(skill.questions)]
        with closing(Journal(folder)) as journal:
            judged = run_stage(
                judge,
                plan.prompts[judge.name],
                rows,
                self.teacher,
                journal,
                structure=plan.structure,
                variables=plan.variables,
            )
            kept = {str(row["id"]) for row in judged.samples() if filter_.passes(row)}
        shares = _shares_kept(skill.questions, kept)
        wrong += [f"question {id_}" for id_ in _wrongly_judged(skill.questions, kept)]
        return {"fit": shares["good"], "unfit": shares["unfit"]}


def of_run(skill: Skill, run: Run, folder: Path) -> dict[str, Any]:
    """The measures of a finished run.

    Args:
        skill: The skill.
        run: The run.
        folder: Its folder.
    """
    samples = list(run.samples())
    funnel = {}
    for line in run.funnel:
        if line.name in STAGES:
            funnel[STAGES[line.name]] = Share(line.rows_out, line.tried)
    missed = []
    for case in skill.cases:
        if not any(case.is_in(sample) for sample in samples):
            missed.append(case.name)
    texts = {str(sample.get("context") or sample["question"]) for sample in samples}
    pairs = combinations(sorted(texts), 2)
    return {
        "funnel": funnel,
        "distinct": distinct_answers(samples),
        "covered": Share(len(skill.cases) - len(missed), len(skill.cases)),
        "missed": missed,
        "similarities": [round(similarity(first, second), 4) for first, second in pairs],
        "costs": costs_by_stage(folder),
    }


def costs_by_stage(folder: Path) -> dict[str, Cost]:
    """What the requests recorded in a run's folder have cost, by kind, as `COSTS` names them."""
    costs = dict.fromkeys(COSTS.values(), Cost())
    seen: set[int] = set()
    with closing(Journal(folder, read_only=True)) as journal:
        for row in journal.select("SELECT key FROM replies"):
            exchange = journal.exchange(row["key"])
            assert exchange is not None
            share_new = _share_of_new_blocks(json.dumps(list(exchange.messages)), seen)
            new_tokens = round(exchange.prompt_tokens * share_new)
            cost = Cost(1, exchange.prompt_tokens, new_tokens, exchange.completion_tokens)
            kind = COSTS.get(exchange.stage, exchange.stage)
            costs[kind] = costs.get(kind, Cost()) + cost
    return costs


def _share_of_new_blocks(text: str, seen: set[int]) -> float:
    """The share of a text that no earlier one has at its beginning; its blocks are now seen."""
    prefix = 0
    new = 0
    starts = range(0, len(text), CACHE_BLOCK)
    for start in starts:
        prefix = hash((prefix, text[start : start + CACHE_BLOCK]))
        if prefix not in seen:
            seen.add(prefix)
            new += 1
    return new / len(starts)


def _judge_of_questions(plan: Plan) -> int:
    """The place of the first judge; its filter follows it."""
    return next(place for place, stage in enumerate(plan.pipeline.stages) if stage.scale)


def _shares_kept(known: Sequence[KnownRow], kept: set[str]) -> dict[str, Share]:
    """How many rows of each kind were kept."""
    asked = Counter(row.kind for row in known)
    kept_by_kind = Counter(row.kind for row in known if row.id in kept)
    return {kind: Share(kept_by_kind[kind], number) for kind, number in asked.items()}


def _wrongly_judged(known: Sequence[KnownRow], kept: set[str]) -> list[str]:
    return [row.id for row in known if row.is_good != (row.id in kept)]


# Files and tables ---------------------------------------------------------------------------------


def table(columns: Sequence[Result], note: str = "") -> str:
    """The measures, one on each line, with a column for each result."""
    lines = [column.lines() for column in columns]
    # The last column is the sum, or the newest file: it has the most complete order.
    names = dict.fromkeys(name for measured in reversed(lines) for name in measured)
    rows = []
    for name in names:
        cells = [measured.get(name, "") for measured in lines]
        if any(cells):
            rows.append([name, *cells])
    head = ["", *(column.skill for column in columns)]
    return NotedTable(head, rows, note).as_text()


def save(path: Path, results: Sequence[Result], **about: Any) -> None:
    """Write the results, and how they were measured, to a file for `compare`."""
    values = {**about, "skills": [asdict(result) for result in results]}
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", "utf-8")


def compare(paths: Sequence[Path]) -> str:
    """The table of several files, one column each: all skills that every one of them has."""
    files = {path.stem: json.loads(path.read_text("utf-8")) for path in paths}
    by_file = {}
    for name, values in files.items():
        by_file[name] = {it["skill"]: Result.from_json(it) for it in values["skills"]}
    common = set.intersection(*(set(results) for results in by_file.values()))
    if not common:
        return "These files have no skill in common."
    columns = []
    for name, results in by_file.items():
        chosen = [result for skill, result in results.items() if skill in common]
        columns.append(Result.together(chosen, name))
    return table(columns, f"On {', '.join(sorted(common))}.")


def _option(text: str) -> tuple[str, Any]:
    """An option of `generate`, typed as NAME=JSON."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", help="the teacher (default: a rehearsal teacher)")
    parser.add_argument("--kind", help="the kind of teacher, as for sdgkit.connect")
    parser.add_argument("--model", help="its model")
    parser.add_argument("--skills", type=lambda text: text.split(","), default=[])
    parser.add_argument("--contexts", type=int, default=10, help="contexts a seed")
    parser.add_argument("--questions", type=int, default=3, help="questions a context")
    parser.add_argument("--option", type=_option, action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("--without", choices=PARTS, action="append", default=[])
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--timeout", type=float, default=600.0)
    parser.add_argument("--patience", type=float, default=1800.0)
    parser.add_argument("--out", type=Path, help="a folder for the runs; with it, you can resume")
    parser.add_argument("--to", type=Path, help="write the results to this file")
    parser.add_argument("--compare", nargs="+", type=Path, metavar="FILE")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    if options.compare:
        print(compare(options.compare))
        return
    kind = options.kind or (None if options.url else "rehearsal")
    settings = {
        "num_contexts": options.contexts,
        "num_questions": options.questions,
        **dict(options.option),
    }
    skills = load_skills(options.skills)
    parts = [part for part in PARTS if part not in options.without]
    teacher = sk.connect(
        kind,
        options.url,
        options.model,
        concurrency=options.concurrency,
        timeout=options.timeout,
        patience=options.patience,
    )
    with teacher, tempfile.TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch)
        results = Measurement(teacher, folder, parts, settings).of_all(skills)
    for result in results:
        print(f"{result.skill}: not covered: {', '.join(result.missed) or 'nothing'}")
        print(f"{result.skill}: judged wrongly: {', '.join(result.wrong) or 'nothing'}")
    print(table([*results, Result.together(results, "all")], f"The teacher is {teacher.model}."))
    if options.to:
        save(options.to, results, model=teacher.model, sdgkit=sk.__version__, settings=settings)


if __name__ == "__main__":
    main()
