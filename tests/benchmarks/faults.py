"""What faults cost, each beside a calm run: rows with 10% malformed replies, time with 5% 429s.

python tests/benchmarks/faults.py [--seeds N] [--rounds N]
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from reference import repeat

import sdgkit as sk
from sdgkit.run import Run
from sdgkit.seeds import read_seeds

SLOTS = 64
CALM: dict[str, Any] = {"mean_latency_ms": 200, "sigma": 0.8, "slots": SLOTS}


def once(seeds: list[dict[str, Any]], **faults: Any) -> tuple[float, int, int]:
    """(seconds, rows judged, samples) of one run against a teacher with these faults."""
    teacher = sk.connect("rehearsal", concurrency=SLOTS, **CALM, **faults)
    run = Run(sk.plan(seeds, teacher=teacher), on_note=lambda _: None).start().wait()
    teacher.close()
    judged = next(stage for stage in run.funnel if stage.name == "filter_grounded_qa_pair")
    return run.snapshot().wall_s, judged.rows_in, judged.rows_out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    few = read_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")
    seeds = repeat(few, options.seeds)
    kept, slower = [], []
    for _ in range(options.rounds):
        calm, malformed, limited = (
            once(seeds),
            once(seeds, malformed_rate=0.10),
            once(seeds, rate_limit=0.05),
        )
        kept.append(malformed[1] / calm[1])
        slower.append(limited[0] / calm[0])
        print(
            f"calm {calm[0]:.2f} s, {calm[1]} rows judged, {calm[2]} kept; "
            f"10% malformed: {malformed[1]} judged, {malformed[2]} kept; "
            f"5% 429: {limited[0]:.2f} s, {limited[2]} kept",
            flush=True,
        )
    print(
        f"10% malformed: {100 * statistics.median(kept):.1f}% of the rows of the calm run "
        "(goal 97% at least)"
    )
    print(f"5% status 429: {statistics.median(slower):.2f} times the calm time (goal 1.3 at most)")


if __name__ == "__main__":
    main()
