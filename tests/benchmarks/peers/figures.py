"""What was measured, as it lies in measured.json, and the figures that come of it."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from measuring import Measured

DONE = "done"


@dataclass(frozen=True)
class Setting:
    """The job and the teacher.

    Attributes:
        seeds: Seeds.
        contexts: Contexts for each seed.
        questions: Questions for each context.
        slots: Requests that the teacher works on at once.
        mean_reply_s: Mean time of a reply.
        sigma: Spread of the reply times.
        error_rate: Share of requests with status 500, where there are errors.
        malformed_rate: Share of replies without their form, where there are such.
        cores: Processors of the machine.
    """

    seeds: int
    contexts: int
    questions: int
    slots: int
    mean_reply_s: float
    sigma: float
    error_rate: float
    malformed_rate: float
    cores: int


@dataclass
class Contest:
    """All runs of one contender.

    Attributes:
        name: Its name.
        label: How the page calls it.
        version: Its version, or "".
        calm: Runs without faults.
        errors: Runs in which some requests fail.
        malformed: Runs in which some replies lack their form.
        killed: A run that was killed, and the next, which went on.
    """

    name: str
    label: str
    version: str
    calm: list[Measured] = field(default_factory=list)
    errors: list[Measured] = field(default_factory=list)
    malformed: list[Measured] = field(default_factory=list)
    killed: list[Measured] = field(default_factory=list)


@dataclass(frozen=True)
class Figures:
    """One line of the table; None for what could not be measured.

    Attributes:
        label: The contender and its version.
        process_s: Seconds of the whole process.
        to_bound: Generation time, in times of the least that its own requests need.
        to_ideal: Generation time, in times of what its samples need in the script by hand at best.
        requests: Requests for each sample kept.
        tokens: Tokens for each sample kept.
        cpu_ms: Milliseconds of processor time for each request.
        memory_mb: Most memory.
        lost_to_errors: Share of the samples lost where requests fail.
        lost_to_form: Share of the samples lost where replies lack their form.
        repeated: Requests that a kill made necessary again.
    """

    label: str
    process_s: float
    to_bound: float
    to_ideal: float
    requests: float
    tokens: float
    cpu_ms: float
    memory_mb: float
    lost_to_errors: float | None
    lost_to_form: float | None
    repeated: int | None


@dataclass
class Comparison:
    """Everything that was measured.

    Attributes:
        day: When.
        setting: The job and the teacher.
        contests: The contenders' runs.
        not_run: Who could not run, and why.
    """

    day: str
    setting: Setting
    contests: list[Contest]
    not_run: dict[str, str]

    def contest(self, name: str) -> Contest:
        """The runs of a contender."""
        [contest] = [contest for contest in self.contests if contest.name == name]
        return contest

    def with_others_of(self, path: Path, names: Sequence[str]) -> "Comparison":
        """This, with what a file holds of others, if it was measured that day in the same way."""
        earlier = Comparison.read(path)
        if (earlier.day, earlier.setting) != (self.day, self.setting):
            return self
        others = [contest for contest in earlier.contests if contest.name not in names]
        return replace(self, contests=others, not_run=earlier.not_run)

    def sort(self, names: Sequence[str]) -> None:
        """Put the contests into this order."""
        self.contests.sort(key=lambda contest: names.index(contest.name))

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        path.write_text(f"{text}\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Comparison":
        """Read what `write` wrote."""
        content = json.loads(path.read_text("utf-8"))
        contests = [_contest(values) for values in content["contests"]]
        setting = Setting(**content["setting"])
        return cls(content["day"], setting, contests, content["not_run"])

    def lines(self) -> list[Figures]:
        """The lines of the table, for everybody who finished a calm run."""
        work_s = self._work_for_a_sample()
        lines = []
        for contest in self.contests:
            if any(one.ended == DONE and one.samples for one in contest.calm):
                lines.append(self._line(contest, work_s))
        return lines

    def _work_for_a_sample(self) -> float:
        """Reply time that a sample needs, with nothing asked in vain."""
        calm = self.contest("by_hand").calm
        return statistics.median(one.work_s / one.samples for one in calm)

    def _line(self, contest: Contest, work_s: float) -> Figures:
        slots = self.setting.slots
        calm = [one for one in contest.calm if one.ended == DONE and one.samples]
        samples = statistics.median(one.samples for one in calm)
        requests = statistics.median(one.requests for one in calm)
        return Figures(
            label=f"{contest.label} {contest.version}".strip(),
            process_s=statistics.median(one.wall_s for one in calm),
            to_bound=statistics.median(one.generation_s / one.bound_s(slots) for one in calm),
            to_ideal=statistics.median(
                one.generation_s / (one.samples * work_s / slots) for one in calm
            ),
            requests=requests / samples,
            tokens=statistics.median(one.tokens for one in calm) / samples,
            cpu_ms=statistics.median(1000 * one.cpu_s / one.requests for one in calm),
            memory_mb=statistics.median(one.memory_mb for one in calm),
            lost_to_errors=_lost(contest.errors, samples),
            lost_to_form=_lost(contest.malformed, samples),
            repeated=_repeated(contest.killed, requests),
        )


def _contest(values: dict[str, Any]) -> Contest:
    runs = {}
    for name in ("calm", "errors", "malformed", "killed"):
        runs[name] = [Measured(**one) for one in values[name]]
    return Contest(values["name"], values["label"], values["version"], **runs)


def _lost(runs: Sequence[Measured], samples: float) -> float | None:
    """The share of the samples of a calm run that these did not keep; all if they failed."""
    if not runs:
        return None
    kept = statistics.median(one.samples for one in runs)
    return max(0.0, 1 - kept / samples)


def _repeated(sessions: Sequence[Measured], requests: float) -> int | None:
    """The requests that both sessions sent beyond those of a run without a kill."""
    if [one.ended for one in sessions] != ["killed", DONE]:
        return None
    return max(0, round(sum(one.requests for one in sessions) - requests))
