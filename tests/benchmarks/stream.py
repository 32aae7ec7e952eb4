"""The stream against a hand-written script, with 64 slots.

Reply times are log-normal: mean 200 ms, sigma 0.8, at most 2 s.

python tests/benchmarks/stream.py            # 5 and 50 seeds, three rounds each
python tests/benchmarks/stream.py 5 --rounds 1
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from reference import generate, repeat

import sdgkit as sk
from sdgkit.rehearsal import start
from sdgkit.run import Run
from sdgkit.seeds import read_seeds

SLOTS = 64
MEAN_S = 0.2


def streamed(seeds: list[dict[str, Any]], base_url: str) -> dict[str, float]:
    """One run with its journal in a folder.

    Returns:
        Seconds of generation (without the files) and to the first sample, requests and samples.
    """
    teacher = sk.connect("rehearsal", base_url=base_url, concurrency=SLOTS)
    first: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run = Run(sk.plan(seeds, teacher=teacher), folder, on_note=lambda _: None)
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
        requests, samples, wall = snapshot.requests, snapshot.samples, snapshot.wall_s
    teacher.close()
    return {
        "wall_s": wall,
        "first_s": first[0] if first else wall,
        "requests": requests,
        "samples": samples,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int, default=[5, 50])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    few = read_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    for number in options.seeds:
        seeds = repeat(few, number)
        ratios, firsts = [], []
        for _ in range(options.rounds):
            server = start(mean_latency_ms=200, sigma=0.8, slots=SLOTS)
            by_hand = asyncio.run(generate(seeds, server.base_url, SLOTS))
            ours = streamed(seeds, server.base_url)
            server.close()
            ratios.append(ours["wall_s"] / by_hand["wall_s"])
            firsts.append(ours["first_s"] / MEAN_S)
            print(
                f"{number:>3} seeds: by hand {by_hand['wall_s']:.2f} s "
                f"({by_hand['requests']} requests, first sample {by_hand['first_s']:.2f} s), "
                f"sdgkit {ours['wall_s']:.2f} s "
                f"({ours['requests']} requests, first sample {ours['first_s']:.2f} s), "
                f"ratio {ratios[-1]:.2f}",
                flush=True,
            )
        print(
            f"{number:>3} seeds: "
            f"median ratio {statistics.median(ratios):.2f} (goal 1.10 at most), first sample after "
            f"{statistics.median(firsts):.1f} mean reply times (goal 6 at most)"
        )


if __name__ == "__main__":
    main()
