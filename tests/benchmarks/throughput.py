"""Requests a second and client CPU a request: whole pipeline, journal on.

The teacher answers at once.

python tests/benchmarks/throughput.py [SEEDS] [--rounds N]
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from reference import repeat

import sdgkit as sk
from sdgkit.rehearsal import start
from sdgkit.run import Run
from sdgkit.seeds import read_seeds

SLOTS = 64


def once(seeds: list[dict[str, Any]]) -> tuple[float, float, int]:
    """One run, its files left aside: (requests a second, client CPU in ms a request, requests)."""
    server = start(slots=SLOTS)
    teacher = sk.connect("rehearsal", base_url=server.base_url, concurrency=SLOTS)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(sk.plan(seeds, teacher=teacher), folder, on_note=lambda _: None)
        cpu = time.process_time()
        run.start()
        while run.state in ("new", "running"):
            time.sleep(0.02)
        cpu = time.process_time() - cpu
        run.wait()
        snapshot = run.snapshot()
    teacher.close()
    server.close()
    return snapshot.requests / snapshot.wall_s, 1000 * cpu / snapshot.requests, snapshot.requests


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="?", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    few = read_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    seeds = repeat(few, options.seeds)
    once(seeds[:5])  # imports and first connections
    rounds = [once(seeds) for _ in range(options.rounds)]
    for speed, cpu, requests in rounds:
        print(f"{requests} requests: {speed:.0f} a second, {cpu:.2f} ms of client CPU each")
    speed = statistics.median(one[0] for one in rounds)
    cpu = statistics.median(one[1] for one in rounds)
    print(
        f"median: {speed:.0f} requests a second (goal 800 at least), "
        f"{cpu:.2f} ms of CPU a request (goal 1.2 at most)"
    )


if __name__ == "__main__":
    main()
