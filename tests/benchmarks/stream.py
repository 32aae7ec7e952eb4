"""The stream against a hand-written script, with 64 slots.

Reply times are log-normal: mean 200 ms, sigma 0.8, at most 2 s. The request decides them, so that
both clients wait as long for the same reply. Each client has a server of its own, and they take
turns in going first.

python tests/benchmarks/stream.py            # 5 and 50 seeds, four rounds each
python tests/benchmarks/stream.py 5 --rounds 1
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from reference import generate, repeat

import sdgkit as sk
from sdgkit.journal import Journal
from sdgkit.rehearsal import start
from sdgkit.rehearsal.rules import request_digest
from sdgkit.rehearsal.server import parse_request, reply_time
from sdgkit.run import Run
from sdgkit.run.plan import Plan
from sdgkit.seeds import read_seeds
from sdgkit.teachers.teacher import Request

SLOTS = 64
MEAN_S = 0.2
SIGMA = 0.8


@dataclass(frozen=True)
class Streamed:
    """One run of sdgkit.

    Attributes:
        wall_s: Seconds of generation, without the files.
        first_s: Seconds to the first sample.
        requests: Requests sent.
        samples: Samples kept.
        least_s: The lower bound for any client: the work divided by the slots, or the longest chain
            of requests of which each needs the reply to the one before, whichever is longer.
    """

    wall_s: float
    first_s: float
    requests: int
    samples: int
    least_s: float


def streamed(plan: Plan, folder: Path) -> Streamed:
    """One run with its journal in a folder."""
    first: list[float] = []
    run = Run(plan, folder, on_note=lambda _: None)
    begun = time.perf_counter()
    run.start()

    def watch() -> None:
        while not first and not run.finished:
            if run.snapshot().newest:
                first.append(time.perf_counter() - begun)
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run.wait()
    watcher.join()
    snapshot = run.snapshot()
    return Streamed(
        wall_s=snapshot.wall_s,
        first_s=first[0] if first else snapshot.wall_s,
        requests=snapshot.requests,
        samples=snapshot.samples,
        least_s=least_seconds(folder),
    )


def least_seconds(folder: Path) -> float:
    """The lower bound, from the reply times that the teacher draws for the recorded requests."""
    with closing(Journal(folder, read_only=True)) as journal:
        seconds = {}
        for key in [row["key"] for row in journal.select("SELECT key FROM replies")]:
            exchange = journal.exchange(key)
            assert exchange is not None
            request = Request(
                tuple(map(dict, exchange.messages)),
                exchange.sampling,
                exchange.ordinal,
                exchange.attempt,
            )
            chat = parse_request(json.dumps(request.body("rehearsal")).encode())
            digest = request_digest(chat.messages, chat.seed, chat.temperature)
            seconds[key] = MEAN_S * reply_time(digest, SIGMA)
        longest = 0.0
        for outcome in (*journal.outcomes("sample"), *journal.outcomes("drop")):
            chain = {key for _, key in outcome.trail}
            longest = max(longest, sum(seconds[key] for key in chain))
    return max(longest, sum(seconds.values()) / SLOTS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int, default=[5, 50])
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    few = read_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    for number in options.seeds:
        measure(repeat(few, number), options.rounds)


def measure(seeds: list[dict[str, Any]], rounds: int) -> None:
    """Both clients in turn, each on a server of its own, and who goes first changes."""
    ratios, bounds, by_hand_bounds, firsts = [], [], [], []
    for round_ in range(rounds):
        by_hand: dict[str, float] = {}
        ours: list[Streamed] = []
        for client in ("script", "sdgkit") if round_ % 2 else ("sdgkit", "script"):
            server = start(mean_latency_ms=1000 * MEAN_S, sigma=SIGMA, slots=SLOTS)
            with sk.connect("rehearsal", base_url=server.base_url, concurrency=SLOTS) as teacher:
                # The script studies no seeds: both send the same requests.
                plan = sk.plan(seeds, teacher=teacher, profile=False)
                if client == "script":
                    script = generate(seeds, server.base_url, SLOTS, plan.variables_of)
                    by_hand = asyncio.run(script)
                else:
                    with tempfile.TemporaryDirectory() as folder:
                        ours.append(streamed(plan, Path(folder)))
            server.close()
        run = ours[0]
        ratios.append(run.wall_s / by_hand["wall_s"])
        bounds.append(run.wall_s / run.least_s)
        by_hand_bounds.append(by_hand["wall_s"] / run.least_s)
        firsts.append(run.first_s / MEAN_S)
        print(
            f"{len(seeds):>3} seeds: script {by_hand['wall_s']:.2f} s "
            f"({by_hand['requests']} requests, first sample {by_hand['first_s']:.2f} s), "
            f"sdgkit {run.wall_s:.2f} s ({run.requests} requests, first sample {run.first_s:.2f} "
            f"s), lower bound {run.least_s:.2f} s, ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(
        f"{len(seeds):>3} seeds, medians: {statistics.median(ratios):.2f} times the script "
        f"(goal 1.10 at most), {statistics.median(bounds):.2f} times the lower bound (the script "
        f"{statistics.median(by_hand_bounds):.2f}), first sample after "
        f"{statistics.median(firsts):.1f} mean reply times (goal 6 at most)"
    )


if __name__ == "__main__":
    main()
