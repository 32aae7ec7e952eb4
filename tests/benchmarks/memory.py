"""Peak memory of a whole `sdgkit generate` process, for 50 and for 2,000 seeds.

The rehearsal teacher answers at full speed.

python tests/benchmarks/memory.py [SEEDS ...]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from reference import repeat

from sdgkit.seeds import read_seeds

# The peak of the process itself, without the rehearsal teacher that it starts.
CODE = """
import resource, sys
sys.path.insert(0, {root!r})
from sdgkit.cli import main
try:
    status = main()
finally:
    print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
sys.exit(status)
"""


def peak_mb(seeds: list[dict[str, Any]]) -> tuple[int, float]:
    """(peak resident memory in MB, seconds) of one process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seeds.jsonl"
        file.write_text(
            "".join(json.dumps(seed, ensure_ascii=False) + "\n" for seed in seeds), encoding="utf-8"
        )
        command = [
            sys.executable,
            "-c",
            CODE.format(root=str(ROOT)),
            "generate",
            str(file),
            "--teacher",
            "rehearsal",
        ]
        command += ["--concurrency", "64", "--out", str(Path(folder) / "run")]
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return int(done.stderr.rsplit("PEAK", 1)[1]), time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int, default=[50, 2000])
    options = parser.parse_args()
    few = read_seeds(ROOT / "notebooks" / "seeds" / "feedback_to_table.jsonl")
    first = 0
    for number in options.seeds:
        peak, seconds = peak_mb(repeat(few, number))
        more = f", {peak - first:+d} MB" if first else ""
        first = first or peak
        print(f"{number:>5} seeds: {peak} MB at the peak{more} ({seconds:.0f} s)", flush=True)
    print("goal: 300 MB at most for 50 seeds, at most 100 MB more for 2,000")


if __name__ == "__main__":
    main()
