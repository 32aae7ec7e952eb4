"""The funnel of a run (rows in, out and dropped, stage by stage) and its summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

REHEARSAL = "rehearsal"  # the kind and the name of the rehearsal teacher: rules, not a model


@dataclass(frozen=True)
class StageLine:
    """The numbers of one stage, as `summary.json` lists them.

    Attributes:
        name: The stage's name.
        rows_in: Rows that reached the stage: the `rows_out` of the stage before.
        tried: Rows that the stage set out to make, `rows_out` plus all drops.
        rows_out: Rows that moved on to the next stage.
        dropped: Rows that left the stream here, by reason, in alphabetical order.
    """

    name: str
    rows_in: int
    tried: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_drops(
        cls, name: str, rows_in: int, dropped: Mapping[str, int], tried: int | None = None
    ) -> "StageLine":
        """The line of a stage that dropped these rows.

        Args:
            name: The stage's name.
            rows_in: Rows that reached it.
            dropped: Rows dropped, by reason.
            tried: Rows that it set out to make, by default one for each that came in.
        """
        attempted = rows_in if tried is None else tried
        rows_out = attempted - sum(dropped.values())
        return cls(name, rows_in, attempted, rows_out, dict(sorted(dropped.items())))

    @property
    def dropped_rows(self) -> int:
        """All rows dropped here, whatever the reason."""
        return sum(self.dropped.values())

    def as_json(self) -> dict[str, Any]:
        """The line as it appears in `summary.json`."""
        return {
            "name": self.name,
            "rows_in": self.rows_in,
            "tried": self.tried,
            "rows_out": self.rows_out,
            "dropped": dict(self.dropped),
        }


def samples_kept(stages: Sequence[StageLine]) -> int:
    """The rows that came out of the last stage; 0 if no stage has run yet."""
    return stages[-1].rows_out if stages else 0


@dataclass(frozen=True)
class Summary:
    """What `summary.json` holds: the numbers of a run over all its sessions.

    Attributes:
        state: `done`, `cancelled` or `failed`; of a run without its files yet, its present state.
        sessions: How many times the run was started.
        stages: The funnel, one line a stage.
        requests: Requests sent to the teacher and the judge.
        retries: Requests sent again after an error.
        reused: Recorded replies used in place of a request.
        prompt_tokens: Tokens the servers read.
        completion_tokens: Tokens the servers wrote.
        wall_s: Seconds of work.
        teacher: The kind of teacher (`vllm`, `rehearsal`, …), None if no stage asked one.
        model: The teacher's model.
        judge: The judge's model, the teacher's if it judged its own work.
        sdgkit_version: The version that wrote the summary.
        seeds: How many seed examples went in.
        target: How many samples were asked for, None for one pass over the seeds.
        notes: What the run noted, in order.
        distinct_answers: How many samples are left if each answer to a context counts once,
            in whatever words it stands; None if that was not counted.
    """

    state: str
    sessions: int = 0
    stages: Sequence[StageLine] = ()
    requests: int = 0
    retries: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    wall_s: float = 0.0
    teacher: str | None = None
    model: str | None = None
    judge: str | None = None
    sdgkit_version: str = ""
    seeds: int = 0
    target: int | None = None
    notes: Sequence[str] = ()
    distinct_answers: int | None = None

    @property
    def samples_kept(self) -> int:
        """The rows that came out of the last stage."""
        return samples_kept(self.stages)

    @property
    def is_rehearsal(self) -> bool:
        """Whether rules, not a model, wrote or judged these samples."""
        return REHEARSAL in (self.teacher, self.model, self.judge)

    def as_json(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        values = dict(vars(self))
        values["stages"] = [line.as_json() for line in self.stages]
        values["notes"] = list(self.notes)
        return values
