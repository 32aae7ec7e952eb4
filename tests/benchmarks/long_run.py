"""What a long run costs, at several sizes: what must not grow, and what may grow with the rows.

A whole `sdgkit generate` against a rehearsal teacher without latency is killed when most of its
seeds are finished, and resumed. Then the finished run is asked again, its samples are measured,
and its seeds are checked. A row is a sample or a drop. Memory is the peak of the command's own
process; seconds of CPU are its own, too.

python tests/benchmarks/long_run.py [ROWS ...]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from reference import repeat

import sdgkit as sk
from sdgkit.errors import RunError
from sdgkit.files import JOURNAL_FILE
from sdgkit.journal import Journal
from sdgkit.rehearsal import start
from sdgkit.seeds import read_seeds, save_seeds

SLOTS = 64
ROWS_PER_SEED = 30  # about, with the default counts
KILLED_AT = 0.8
"""The share of the seeds that are finished when the run is killed."""
LOOK_S = 0.05
DIVERSITY = "import sys, sdgkit as sk; sk.diversity(sk.open_run(sys.argv[1]))"


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float
    cpu: float
    peak_mb: int


@dataclass(frozen=True)
class Figures:
    """What is measured of one run."""

    seeds: int
    rows: int
    journal_bytes: int
    report_bytes: int
    killed: Cost
    resumed: Cost
    resumed_after: float
    ending: float
    again: Cost
    diversity: Cost
    check: Cost

    def lines(self) -> list[str]:
        """The figures as sentences."""
        per_row = self.journal_bytes / self.rows
        peak = max(self.killed.peak_mb, self.resumed.peak_mb)
        ending = 1000 * self.ending / self.rows
        return [
            f"{self.rows} rows of {self.seeds} seeds",
            f"  peak memory: {peak} MB",
            f"  journal: {self.journal_bytes / 2**20:.0f} MB, {per_row:.0f} bytes a row",
            f"  report.html: {self.report_bytes / 2**10:.0f} kB",
            f"  resumed: first new reply after {self.resumed_after:.1f} s",
            f"  from the last reply to the last file: {self.ending:.1f} s, {ending:.2f} ms a row",
            f"  finished run asked again: {_said(self.again)}",
            f"  sk.diversity: {_said(self.diversity)}",
            f"  sdgkit check: {_said(self.check)}",
        ]


def _said(cost: Cost) -> str:
    return f"{cost.seconds:.1f} s, {cost.cpu:.1f} s of CPU, {cost.peak_mb} MB"


class Command:
    """A Python process of its own, whose costs are counted."""

    def __init__(self, *words: str) -> None:
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._process.pid

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._begun

    def kill(self) -> Cost:
        """Kill it, as `kill -9` would."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait(expected=-signal.SIGKILL)

    def wait(self, expected: int = 0) -> Cost:
        """Wait for its end. Exits where it ended otherwise than expected."""
        _, status, usage = os.wait4(self.pid, 0)
        seconds = self.seconds
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != expected:
            sys.exit(f"{self._process.args!r} ended with {self._process.returncode}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def measure(rows: int, folder: Path) -> Figures:
    """Carry out a run of about this many rows, and all that is measured of it."""
    few = read_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    seeds = repeat(few, max(1, rows // ROWS_PER_SEED))
    file = folder / "seeds.jsonl"
    save_seeds(seeds, file)
    out = folder / "run"
    with start(slots=SLOTS) as server:
        words = ["-m", "sdgkit", "generate", str(file), "--teacher", "rehearsal"]
        words += ["--base-url", server.base_url, "--concurrency", str(SLOTS), "--out", str(out)]
        first = Command(*words)
        while _finished_seeds(out) < KILLED_AT * len(seeds):
            time.sleep(LOOK_S)
        killed = first.kill()
        second = Command(*words)
        while not _requests_of(second.pid, out):
            time.sleep(LOOK_S)
        resumed_after = second.seconds
        while _state_of(second.pid, out)[0] == "running":
            time.sleep(LOOK_S)
        ending = time.perf_counter()
        resumed = second.wait()
        ending = time.perf_counter() - ending
        again = Command(*words).wait()
    diversity = Command("-c", DIVERSITY, str(out)).wait()
    check = Command("-m", "sdgkit", "check", str(file)).wait()
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    return Figures(
        seeds=len(seeds),
        rows=summary["samples"] + sum(summary["dropped"].values()),
        journal_bytes=(out / JOURNAL_FILE).stat().st_size,
        report_bytes=(out / "report.html").stat().st_size,
        killed=killed,
        resumed=resumed,
        resumed_after=resumed_after,
        ending=ending,
        again=again,
        diversity=diversity,
        check=check,
    )


def _finished_seeds(out: Path) -> int:
    with suppress(RunError), closing(Journal(out, read_only=True)) as journal:
        return len(journal.finished_units())
    return 0


def _requests_of(process: int, out: Path) -> int:
    """The requests that this process has had answered."""
    _, snapshot = _state_of(process, out)
    return int(snapshot.get("requests", 0))


def _state_of(process: int, out: Path) -> tuple[str, dict[str, Any]]:
    """What the session of a process last wrote about itself; nothing before it wrote anything."""
    with suppress(RunError), closing(Journal(out, read_only=True)) as journal:
        session = journal.last_session()
        if session is not None and session.process == process:
            return session.state, dict(session.snapshot or {})
    return "", {}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", type=int, default=[5_000, 10_000])
    options = parser.parse_args()
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(measure(rows, Path(folder)).lines()), flush=True)


if __name__ == "__main__":
    main()
