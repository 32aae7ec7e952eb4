"""What the process of a run and its workers on the cluster tell each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdgkit.run.plan import Plan
from sdgkit.stream import Usage
from sdgkit.stream.stream import StageText
from sdgkit.teachers.introduction import Introduction


@dataclass(frozen=True)
class Serving:
    """How a worker starts a teacher of its own.

    Attributes:
        command: The command, with `{port}` where the port belongs.
        patience: Seconds to wait until it answers.
        model: The model to ask; empty where the server has only one.
        concurrency: Maximum concurrent requests to it.
        timeout: Seconds that one request may take.
        teacher_patience: Seconds to wait for it while it does not answer.
    """

    command: str
    patience: float
    model: str
    concurrency: int | str | None
    timeout: float
    teacher_patience: float


@dataclass(frozen=True)
class Teachers:
    """The teacher that a worker asks. It holds keys, so it is sent and never written down.

    Attributes:
        teacher: The teacher; None if no stage asks, or the worker starts one of its own.
        judge: The judge, if it is another one.
        serving: How the worker starts a teacher of its own; None if it does not.
    """

    teacher: Introduction | None = None
    judge: Introduction | None = None
    serving: Serving | None = None


@dataclass(frozen=True)
class Shard:
    """A part of a run.

    Attributes:
        number: Its number, from 1.
        plan: What to do, for the seeds of this part, without teachers.
        seeds: For each of these seeds, counted from 1, which one of the whole run it is.
        units: The same for its units: the seeds or, with a target, their parts of its rounds.
        is_of_target: Whether these are units of a target's rounds.
        folder: Its folder, inside the run's.
        proof: A file in the run's folder: a machine that reads `secret` in it sees the folder.
        secret: What is in the file, drawn again for each session.
        run_name: What all its sessions are called on a machine that does not see the folder.
        recorded: The folder with the replies that earlier sessions recorded; None without any.
        host: The machine that the run was started on.
    """

    number: int
    plan: Plan
    seeds: Mapping[int, int]
    units: Mapping[int, int]
    is_of_target: bool
    folder: Path
    proof: Path
    secret: str
    run_name: str
    recorded: Path | None
    host: str


@dataclass(frozen=True)
class ShardReport:
    """How far a shard has got.

    Attributes:
        number: The number of the shard.
        tally: Its rows by stage and fate, as `Tally.as_json` gives them.
        usage: What it has used.
        in_flight: How many requests its teachers are working on.
        retries: How many exchanges were tried again.
        away_reason: Why the teacher is away; empty while it is present.
        notes: Sentences about the teacher that the user should read.
        newest: Its newest samples.
        texts: The newest texts and drops of its stages.
    """

    number: int
    tally: Mapping[str, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    in_flight: int = 0
    retries: int = 0
    away_reason: str = ""
    notes: Sequence[str] = ()
    newest: Sequence[Mapping[str, Any]] = ()
    texts: Sequence[StageText] = ()


@dataclass(frozen=True)
class Failure:
    """What stopped a worker.

    Attributes:
        kind: The name of the error's class.
        sentence: What it says.
        node: The machine on which it happened.
    """

    kind: str
    sentence: str
    node: str


@dataclass(frozen=True)
class ShardResult:
    """The result of a shard.

    Attributes:
        report: Its numbers at the end.
        files: The files of its journal, by name, where the run's folder is not seen by the worker;
            otherwise empty, and they are in the shard's folder.
        failure: What stopped it, if anything did.
        tallies: With a target, the rows of each finished unit, as `Tally.as_json` gives them.
    """

    report: ShardReport
    files: Mapping[str, bytes] = field(default_factory=dict)
    failure: Failure | None = None
    tallies: Mapping[int, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """A first look at the teacher that the workers will start.

    Attributes:
        kind: The kind of teacher.
        model: Its model.
        context_length: How many tokens prompt and reply may have together, if it says so.
        notes: Sentences about it that the user should read.
        journal: The file of the journal with the study of the seeds; None if nothing was studied.
        plan: The plan by the profile that the study wrote; None if nothing was studied.
        study_notes: Sentences about the study that the user should read.
        failure: What went wrong, if anything did.
    """

    kind: str = ""
    model: str = ""
    context_length: int | None = None
    notes: Sequence[str] = ()
    journal: bytes | None = None
    plan: Plan | None = None
    study_notes: Sequence[str] = ()
    failure: Failure | None = None
