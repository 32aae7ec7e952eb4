"""Kinds of bad weather for a run, each with what it must end in.

The same job runs in each of them against a server on loopback. `tests/benchmarks/weather.py` writes
the guide's table of them, and `tests/faults/test_weather_table.py` holds every row of it.
"""

import asyncio
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from scripted import PROMPTS, ScriptedTeacher, completion, seeds
from servers import Cut, Reset, is_probe, page, status

from sdgkit.cli.main import main
from sdgkit.teachers.body import LARGEST_BODY

TESTS = Path(__file__).parent
DONE = 0
FAILED = 1
INTERRUPTED = 130
SIGNALLED = 128
NO_LIMIT: Mapping[str, int] = {}
LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class Job:
    """How much is asked, and how slowly it is answered.

    Attributes:
        seeds: Seed examples.
        contexts: Contexts for each.
        reply_seconds: How long the teacher takes for a reply.
        pause_seconds: How long a passing trouble lasts; the patience of the run is as long.
        large_body: The bytes of a reply that is far too long.
        kills: How often a run is killed.
    """

    seeds: int
    contexts: int
    reply_seconds: float
    pause_seconds: float
    large_body: int
    kills: int


SMALL = Job(
    seeds=4,
    contexts=3,
    reply_seconds=0.0,
    pause_seconds=1.0,
    large_body=LARGEST_BODY + 1,
    kills=2,
)


@dataclass(frozen=True)
class Ending:
    """How one command ended.

    Attributes:
        status: Its exit status.
        said: What stood on stdout and stderr.
        seconds: How long it took.
    """

    status: int
    said: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What came of a job in one kind of weather, once it was over and the run had been resumed.

    Attributes:
        status: The exit status of the command that met the weather.
        message: The sentence that you read.
        lost: Rows of the calm run that are neither equal samples nor drops with a reason.
        dropped: Rows of the calm run that are drops with a reason.
        sent_again: Requests that were sent more than once.
        answered_again: Those of them that had been answered before: what is paid twice.
        seconds: How long all of its commands took.
    """

    status: int
    message: str
    lost: int
    dropped: int
    sent_again: int
    answered_again: int
    seconds: float


Fault = Callable[[dict[str, Any], int], "web.StreamResponse | None"]
"""A reply in place of the usual one to a request and its try; None for the usual one."""


@dataclass
class Scene:
    """A teacher, a folder and a command.

    Attributes:
        script: The teacher.
        folder: An empty folder for the run and what it reads.
        job: How much is asked.
        in_process: Whether commands run in this process where they can.
        endings: Those of the commands so far.
    """

    script: ScriptedTeacher
    folder: Path
    job: Job
    in_process: bool = True
    endings: list[Ending] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    fault: Fault | None = None
    at: dict[int, Callable[[], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._usual = self.script.behave
        self.script.behave = self._behave
        (self.folder / "prompts").mkdir()
        for name, prompt in PROMPTS.items():
            prompt.save(self.folder / "prompts" / f"{name}.yaml")
        (self.folder / "seeds.json").write_text(json.dumps(seeds(self.job.seeds)), "utf-8")

    @property
    def out(self) -> Path:
        """The run's folder."""
        return self.folder / "run"

    def words(self, *options: str) -> list[str]:
        """The command."""
        words = ["generate", str(self.folder / "seeds.json"), "--out", str(self.out)]
        words += ["--teacher", "openai", "--base-url", self.script.base_url, "--no-profile"]
        words += ["--prompts", str(self.folder / "prompts")]
        words += ["--num-contexts", str(self.job.contexts), "--concurrency", "16"]
        return [*words, "--patience", str(self.job.pause_seconds * 10), *options]

    def run(self, *options: str) -> Ending:
        """Run the command, in this process if it may."""
        if not self.in_process:
            return self.finish(self.start(*options))
        begun = time.monotonic()
        output = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        with redirect_stdout(output), redirect_stderr(output):
            exit_status = main(self.words(*options))
        output.seek(0)
        return self._note(Ending(exit_status, output.read(), time.monotonic() - begun))

    def start(
        self,
        *options: str,
        limits: Mapping[str, int] = NO_LIMIT,
    ) -> "subprocess.Popen[str]":
        """Start the command as a process of its own, under limits of the system's if any."""
        command = [sys.executable, "-m", "sdgkit", *self.words(*options)]
        bounds = [f"ulimit -S -{letter} {value}; " for letter, value in limits.items()]
        return subprocess.Popen(
            ["bash", "-c", f'{"".join(bounds)}exec "$@"', "bash", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": _python_path()},
        )

    def finish(self, process: "subprocess.Popen[str]") -> Ending:
        """Wait for a process."""
        begun = time.monotonic()
        said, _ = process.communicate(timeout=LONGEST_SECONDS)
        exit_status = process.returncode
        if exit_status < 0:
            exit_status = SIGNALLED - exit_status  # as shells say it
        return self._note(Ending(exit_status, said, time.monotonic() - begun))

    def do_at(self, request: int, act: Callable[[], None]) -> None:
        """Do something when the n-th request comes, counted from the first of the scene."""
        self.at[request] = act

    def halfway(self) -> int:
        """The number of a request in the middle of the job."""
        return 3 * self.job.seeds * self.job.contexts

    def _note(self, ending: Ending) -> Ending:
        self.endings.append(ending)
        return ending

    async def _behave(self, body: dict[str, Any], n: int) -> web.StreamResponse:
        name = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        if not is_probe(body):
            self.tries[name] += 1
            act = self.at.pop(sum(self.tries.values()), None)
            if act is not None:
                act()
            await asyncio.sleep(self.job.reply_seconds)
        fault = None if self.fault is None else self.fault(body, self.tries[name])
        if isinstance(fault, _Hang):
            await asyncio.sleep(LONGEST_SECONDS)
        if fault is not None:
            return fault
        answer = self._usual(body, n)
        reply = answer if isinstance(answer, web.StreamResponse) else await answer
        if not is_probe(body):
            self.answers[name] += 1
        return reply


class _Hang(web.StreamResponse):
    """Never answer."""


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(filter(None, [str(TESTS.parent), inherited]))


@contextmanager
def scene(folder: Path, job: Job, *, in_process: bool) -> Iterator[Scene]:
    """A scene with a teacher of its own."""
    with ScriptedTeacher() as script:
        yield Scene(script, folder, job, in_process)


# The kinds ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weather:
    """A kind of weather.

    Attributes:
        name: What the table calls it.
        status: The exit status of the command that meets it.
        says: Words of the sentence that you read.
        act: Brings it about and runs the command, until the run is done.
        drops: How many rows become drops with a reason.
        needs_process: Whether the command must be a process of its own.
        asks_anew: Whether replies are asked again with another sampling seed, so that rows may read
            otherwise than in calm weather.
    """

    name: str
    status: int
    says: str
    act: Callable[[Scene], Ending]
    drops: int = 0
    needs_process: bool = False
    asks_anew: bool = False


KINDS: dict[str, Weather] = {}

Act = Callable[[Scene], Ending]


def weather(name: str, exit_status: int, says: str, **more: Any) -> Callable[[Act], Act]:
    """Register a kind of weather under the name of its function."""

    def register(act: Act) -> Act:
        KINDS[act.__name__] = Weather(name, exit_status, says, act, **more)
        return act

    return register


def is_hit(body: Mapping[str, Any], attempt: int, one_in: int) -> bool:
    """Whether this try of this request is among those that a fault hits."""
    text = f"{attempt} {json.dumps(body, sort_keys=True)}"
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % one_in == 0


def passing(scene: Scene, fault: Callable[[], web.StreamResponse], one_in: int = 5) -> Ending:
    """One try in some meets the fault, whichever it is."""

    def meet(body: dict[str, Any], attempt: int) -> web.StreamResponse | None:
        return fault() if not is_probe(body) and is_hit(body, attempt, one_in) else None

    scene.fault = meet
    return scene.run()


def on_one_request(scene: Scene, fault: Callable[[], web.StreamResponse]) -> Ending:
    """One request meets the fault whenever it is sent: the second context of the first seed."""
    chosen: list[str] = []

    def meet(body: dict[str, Any], attempt: int) -> web.StreamResponse | None:
        if is_probe(body):
            return None
        text = json.dumps(body, sort_keys=True)
        asked = json.loads(body["messages"][-1]["content"])
        is_context = asked["stage"] == "gen_contexts" and "seed 1" in asked["seed_question"]
        if is_context and text not in chosen and len(chosen) < 2:
            chosen.append(text)
        return fault() if chosen[1:] == [text] else None

    scene.fault = meet
    return scene.run()


def from_the_middle(scene: Scene, fault: Callable[[], web.StreamResponse]) -> None:
    """Everything meets the fault from the middle of the job on, probes too."""

    def begin() -> None:
        scene.fault = lambda body, attempt: fault()

    scene.do_at(scene.halfway(), begin)


def once_it_is_over(scene: Scene, first: Ending) -> Ending:
    """Run the command again in calm weather, and return how the first one ended."""
    scene.fault = None
    scene.at.clear()
    again = scene.run()
    if again.status != DONE:
        raise AssertionError(f"The run did not resume: {again.said}")
    return first


@weather("nothing (a calm run)", DONE, "samples from")
def calm(scene: Scene) -> Ending:
    return scene.run()


@weather("20 % of the replies are 500, 502, 503 or 504", DONE, "samples from")
def server_errors(scene: Scene) -> Ending:
    codes = [500, 502, 503, 504]
    count = Counter[str]()

    def fault() -> web.StreamResponse:
        count["faults"] += 1
        return status(codes[count["faults"] % len(codes)], "boom")

    return passing(scene, fault)


@weather("everything is 429 for a while, with `Retry-After`", DONE, "samples from")
def storm(scene: Scene) -> Ending:
    begun: list[float] = []

    def meet(body: dict[str, Any], attempt: int) -> web.StreamResponse | None:
        begun.append(time.monotonic())
        is_over = begun[-1] - begun[0] > scene.job.pause_seconds
        return None if is_over else status(429, "slow down", Retry_After="1")

    scene.fault = meet
    return scene.run()


@weather("one 429 with `Retry-After: 999999`", DONE, "Retry-After")
def endless_retry_after(scene: Scene) -> Ending:
    begun: list[int] = []

    def meet(body: dict[str, Any], attempt: int) -> web.StreamResponse | None:
        begun.append(attempt)
        is_chosen = len(begun) == scene.halfway()
        return status(429, "slow down", Retry_After="999999") if is_chosen else None

    scene.fault = meet
    return scene.run()


@weather("20 % of the connections are cut, half of them within the reply", DONE, "samples from")
def cut_connections(scene: Scene) -> Ending:
    count = Counter[str]()

    def fault() -> web.StreamResponse:
        count["faults"] += 1
        return Cut() if count["faults"] % 2 else Reset()

    return passing(scene, fault)


@weather("one request in 40 is never answered (`--timeout` ends it)", DONE, "samples from")
def hanging(scene: Scene) -> Ending:
    def meet(body: dict[str, Any], attempt: int) -> web.StreamResponse | None:
        is_chosen = attempt == 1 and is_hit(body, attempt, 40)
        return _Hang() if is_chosen and not is_probe(body) else None

    scene.fault = meet
    return scene.run("--timeout", str(scene.job.pause_seconds))


@weather("the server restarts in the middle", DONE, "samples from")
def restart(scene: Scene) -> Ending:
    script = scene.script

    async def come_back() -> None:
        await script._down()
        await asyncio.sleep(scene.job.pause_seconds)
        await script._up()

    def go_away() -> None:
        tasks.append(asyncio.ensure_future(come_back()))

    tasks: list[asyncio.Future[None]] = []
    scene.do_at(scene.halfway(), go_away)
    return scene.run()


@weather("another model answers from the middle on", DONE, "answered as")
def swapped_model(scene: Scene) -> Ending:
    usual = scene._usual

    async def named(body: dict[str, Any], n: int) -> web.StreamResponse:
        answer = usual(body, n)
        reply = answer if isinstance(answer, web.StreamResponse) else await answer
        assert isinstance(reply, web.Response)
        model = "big-v2" if sum(scene.tries.values()) > scene.halfway() else "small-v1"
        return web.json_response({**json.loads(reply.text or ""), "model": model})

    scene._usual = named
    return scene.run()


@weather("20 % of the replies break off (`finish_reason: error`)", DONE, "samples from")
def half_replies(scene: Scene) -> Ending:
    return passing(scene, lambda: completion("[Start of Context]\nhalf a", "error"))


@weather("20 % of the replies are an error under status 200", DONE, "samples from")
def error_under_200(scene: Scene) -> Ending:
    error = {"error": {"message": "overloaded", "type": "overloaded_error"}}
    return passing(scene, lambda: web.json_response(error))


@weather("20 % of the replies have no choice in them", DONE, "samples from")
def no_choices(scene: Scene) -> Ending:
    return passing(scene, lambda: web.json_response({"choices": []}))


@weather("20 % of the replies are a proxy's web page, status 200", DONE, "samples from")
def proxys_page(scene: Scene) -> Ending:
    return passing(scene, lambda: page("502 Bad Gateway"))


@weather("10 % of the replies lack their tags", DONE, "samples from", asks_anew=True)
def malformed(scene: Scene) -> Ending:
    return passing(scene, lambda: completion("Here you are!"), one_in=10)


@weather("token counts are NaN, negative, infinite or of 30 digits", DONE, "samples from")
def absurd_counts(scene: Scene) -> Ending:
    counts = ["NaN", "-5", "Infinity", "9" * 30]
    usual = scene._usual

    async def counted(body: dict[str, Any], n: int) -> web.StreamResponse:
        answer = usual(body, n)
        reply = answer if isinstance(answer, web.StreamResponse) else await answer
        assert isinstance(reply, web.Response)
        sent = json.loads(reply.text or "")
        count = counts[n % len(counts)]
        sent["usage"] = {"prompt_tokens": "COUNT", "completion_tokens": "COUNT"}
        text = json.dumps(sent).replace('"COUNT"', count)
        return web.Response(text=text, content_type="application/json")

    scene._usual = counted
    return scene.run()


@weather("one request is answered with a gzip bomb", DONE, "larger", drops=1)
def gzip_bomb(scene: Scene) -> Ending:
    bomb = gzip.compress(b" " * scene.job.large_body, 9)
    headers = {"Content-Encoding": "gzip"}
    return on_one_request(
        scene, lambda: web.Response(body=bomb, content_type="application/json", headers=headers)
    )


@weather("one request is answered with 200 MB", DONE, "larger", drops=1)
def large_reply(scene: Scene) -> Ending:
    text = b" " * scene.job.large_body
    return on_one_request(scene, lambda: web.Response(body=text, content_type="application/json"))


@weather("one request is refused with 403 (“flagged”)", DONE, "flagged", drops=1)
def one_403(scene: Scene) -> Ending:
    return on_one_request(scene, lambda: status(403, "input was flagged"))


@weather("one request is stopped by a content filter", DONE, "filter", drops=1)
def content_filter(scene: Scene) -> Ending:
    return on_one_request(scene, lambda: completion("", "content_filter"))


@weather("one reply is cut off at its limit of tokens", DONE, "max_tokens", drops=1)
def truncated(scene: Scene) -> Ending:
    return on_one_request(scene, lambda: completion("[Start of Context]\nhalf a", "length"))


@weather("everything is 402 from the middle on (no credit)", FAILED, "Add credit")
def no_credit(scene: Scene) -> Ending:
    from_the_middle(scene, lambda: status(402, "Insufficient credits"))
    first = scene.run("--patience", str(scene.job.pause_seconds))
    return once_it_is_over(scene, first)


@weather("everything is 403 from the middle on (the key was revoked)", FAILED, "key")
def revoked_key(scene: Scene) -> Ending:
    from_the_middle(scene, lambda: status(403, "no access"))
    first = scene.run("--patience", str(scene.job.pause_seconds))
    return once_it_is_over(scene, first)


@weather(
    "everything is 400 from the middle on", FAILED, "refused the last 20 requests the same way"
)
def all_refused(scene: Scene) -> Ending:
    from_the_middle(scene, lambda: status(400, "quota of this month: 5 of 5"))
    return once_it_is_over(scene, scene.run())


@weather("the server goes away for longer than `--patience`", FAILED, "patience")
def gone(scene: Scene) -> Ending:
    from_the_middle(scene, lambda: Reset())
    first = scene.run("--patience", str(scene.job.pause_seconds))
    return once_it_is_over(scene, first)


@weather("the run's folder is deleted in the middle", FAILED, "removed or replaced")
def folder_deleted(scene: Scene) -> Ending:
    scene.do_at(scene.halfway(), lambda: shutil.rmtree(scene.out))
    return once_it_is_over(scene, scene.run())


@weather("the journal is deleted in the middle", FAILED, "removed or replaced")
def journal_deleted(scene: Scene) -> Ending:
    scene.do_at(scene.halfway(), (scene.out / "journal.sqlite").unlink)
    return once_it_is_over(scene, scene.run())


@weather("Ctrl-C, `SIGTERM` or `SIGHUP` in the middle", INTERRUPTED, "resume", needs_process=True)
def interrupted(scene: Scene) -> Ending:
    ending = None
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup, processes would ignore it
    for number, sent in enumerate(signals, 1):
        arrived = sum(scene.tries.values())
        process = _stopped_by(scene, arrived + scene.halfway() // len(signals), sent)
        ending = scene.finish(process)
        if ending.status != INTERRUPTED:
            raise AssertionError(f"Signal {number} ended it with {ending.status}: {ending.said}")
    assert ending is not None
    return once_it_is_over(scene, ending)


@weather("`SIGKILL`, again and again", SIGNALLED + signal.SIGKILL, "", needs_process=True)
def killed(scene: Scene) -> Ending:
    ending = None
    for _ in range(scene.job.kills):
        arrived = sum(scene.tries.values())
        request = arrived + scene.halfway() // scene.job.kills
        ending = scene.finish(_stopped_by(scene, request, signal.SIGKILL))
    assert ending is not None
    return once_it_is_over(scene, ending)


def _stopped_by(scene: Scene, request: int, sent: signal.Signals) -> "subprocess.Popen[str]":
    """The command as a process that gets a signal at the n-th request."""
    process: list[subprocess.Popen[str]] = []

    def stop() -> None:
        process[0].send_signal(sent)

    scene.do_at(request, stop)
    process.append(scene.start())
    return process[0]


@weather("no more than 40 files may be open", FAILED, "ulimit -n", needs_process=True)
def few_handles(scene: Scene) -> Ending:
    scene.job = replace(scene.job, reply_seconds=max(0.3, scene.job.reply_seconds))
    process = scene.start("--concurrency", "64", limits={"n": 40})
    return once_it_is_over(scene, scene.finish(process))


@weather("no file may grow beyond 400 kB", FAILED, "ulimit -f", needs_process=True)
def small_files(scene: Scene) -> Ending:
    process = scene.start(limits={"f": 400})
    return once_it_is_over(scene, scene.finish(process))


@weather("the disk is full", FAILED, "Free some disk space", needs_process=True)
def full_disk(scene: Scene) -> Ending:
    """A file system of 400 kB, of this process alone, that is made larger afterwards."""
    command = [sys.executable, "-m", "sdgkit", *scene.words()]
    script = (
        'mkdir -p "$0" && mount -t tmpfs -o size=400k none "$0"; "$@"; first=$?; '
        'mount -o remount,size=64m "$0"; "$@" >&2; second=$?; '
        'cp -r "$0" "$0.kept"; [ $second = 0 ] || first="$second again"; exit $first'
    )
    process = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", script, str(scene.out), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": _python_path()},
    )
    ending = scene.finish(process)
    scene.out.rmdir()
    Path(f"{scene.out}.kept").rename(scene.out)
    return ending


def can_mount() -> bool:
    """Whether this system lets a process have a file system of its own."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    trial = [unshare, "--map-root-user", "--mount", "true"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


# What came of it ----------------------------------------------------------------------------------


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a JSONL file by id."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {row["id"]: row for row in rows}


def face(kind: Weather, scene: Scene, calm_rows: Mapping[str, Any]) -> Outcome:
    """Run the job in this weather, and compare what came of it with a calm run's rows.

    Args:
        kind: The weather.
        scene: Where it is met; nothing was asked there before.
        calm_rows: The samples of a calm run of the same job, by id.
    """
    ending = kind.act(scene)
    if not (scene.out / "dataset.jsonl").exists():
        raise AssertionError(f"{kind.name}: no dataset was written: {ending.said}")
    samples = read_rows(scene.out / "dataset.jsonl")
    drops = read_rows(scene.out / "dropped.jsonl")
    lost = 0
    dropped = 0
    for row_id, row in calm_rows.items():
        is_there = row_id in samples if kind.asks_anew else samples.get(row_id) == row
        if is_there:
            continue
        if _lineage(row_id) & drops.keys():
            dropped += 1
        else:
            lost += 1
    seconds = [ending.seconds for ending in scene.endings]
    sentences = [*ending.said.splitlines(), *(drop["message"] for drop in drops.values())]
    return Outcome(
        status=ending.status,
        message=_as_everywhere(_with_words(sentences, kind.says), scene),
        lost=lost,
        dropped=dropped,
        sent_again=scene.tries.total() - len(scene.tries),
        answered_again=scene.answers.total() - len(scene.answers),
        seconds=sum(seconds),
    )


def _as_everywhere(sentence: str, scene: Scene) -> str:
    """A sentence with the folder and the address of any machine."""
    with_folder = sentence.replace(str(scene.out), "runs/job")
    return with_folder.replace(scene.script.base_url, "http://localhost:8000/v1")


def _lineage(row_id: str) -> set[str]:
    """A row and those that it was made of."""
    parts = row_id.split("/")
    return {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}


def _with_words(sentences: Sequence[str], words: str) -> str:
    """The last sentence with these words; "" where there is none."""
    for sentence in reversed(sentences):
        if words and words in sentence:
            return sentence.strip()
    return ""
