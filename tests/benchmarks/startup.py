"""What it costs to begin.

Measured: `import sdgkit`, `sdgkit --help`, and a whole `sdgkit generate` beside its generation.

python tests/benchmarks/startup.py [--rounds N]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def seconds(*words: str) -> float:
    """The time of one whole Python process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - begun


def overhead() -> float:
    """Seconds that a whole `sdgkit generate` takes beyond its generation."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = ROOT / "notebooks" / "seeds" / "feedback_to_table.jsonl"
        whole = seconds(
            "-m", "sdgkit", "generate", str(seeds), "--teacher", "rehearsal", "--out", folder
        )
        summary = json.loads((Path(folder) / "summary.json").read_text("utf-8"))
        generation: float = summary["wall_s"]
        return whole - generation


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    nothing = statistics.median(seconds("-c", "pass") for _ in range(rounds))
    loaded = statistics.median(seconds("-c", "import sdgkit") for _ in range(rounds))
    helped = statistics.median(seconds("-m", "sdgkit", "--help") for _ in range(rounds))
    more = statistics.median(overhead() for _ in range(rounds))
    print(f"python that does nothing: {nothing:.2f} s")
    print(f"import sdgkit: {loaded - nothing:.2f} s more (goal 0.3 at most)")
    print(f"sdgkit --help: {helped:.2f} s (goal 0.5 at most)")
    print(f"sdgkit generate: {more:.2f} s beyond its generation (goal 2.5 at most)")


if __name__ == "__main__":
    main()
