"""Fill the guide's table of failures: the same job against a server with each kind of fault.

Every command is a process of its own, with the waits that users have. Times are those of a pair: a
calm run goes before each weather. It takes a
quarter of an hour.

python tests/benchmarks/weather.py [KIND ...] [--write]
"""

import argparse
import datetime
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(1, str(ROOT / "tests"))

from bad_weather import KINDS, Job, Outcome, Weather, can_mount, face, read_rows, scene

GUIDE = ROOT / "notebooks" / "guide" / "weather.md"
COMMAND = "python tests/benchmarks/weather.py --write"
BEGIN = "<!-- the table: written by "
END = "<!-- the end of the table -->"
HEAD = (
    "| what fails | status | rows lost | dropped | sent again | paid twice | time | message |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
JOB = Job(
    seeds=8,
    contexts=8,
    reply_seconds=0.2,
    pause_seconds=5.0,
    large_body=200 * 2**20,
    kills=10,
)


def measure(kind: Weather, calm_rows: Mapping[str, Any] | None) -> tuple[Outcome, dict[str, Any]]:
    """What comes of the job in one weather, and its samples."""
    with (
        tempfile.TemporaryDirectory() as folder,
        scene(Path(folder), JOB, in_process=False) as weathered,
    ):
        outcome = face(kind, weathered, calm_rows or {})
        return outcome, read_rows(weathered.out / "dataset.jsonl")


def row(kind: Weather, outcome: Outcome, calm_seconds: float) -> str:
    """A line of the table."""
    ratio = outcome.seconds / calm_seconds
    cells = [
        kind.name,
        str(outcome.status),
        str(outcome.lost),
        str(outcome.dropped),
        str(outcome.sent_again),
        str(outcome.answered_again),
        f"{ratio:.1f} times",
        (outcome.message or "-").replace("|", "\\|"),
    ]
    return f"| {' | '.join(cells)} |\n"


def write(table: str) -> None:
    """Put the table into the guide's page."""
    text = GUIDE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    note = f"{BEGIN}{COMMAND}, {datetime.date.today():%d %B %Y} -->\n"
    GUIDE.write_text(f"{before}{note}{table}{END}{after}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    options = parser.parse_args()
    unknown = set(options.kinds) - set(KINDS)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    if options.write and options.kinds:
        parser.error("--write takes the whole table, so name no KIND with it")
    os.environ["SDGKIT_API_KEY"] = "key"
    calm, _ = measure(KINDS["calm"], None)
    table = HEAD + row(KINDS["calm"], calm, calm.seconds)
    print(table, end="", flush=True)
    for name, kind in KINDS.items():
        if name == "calm" or (options.kinds and name not in options.kinds):
            continue
        if name == "full_disk" and not can_mount():
            print(f"{kind.name}: not measured, since no file system can be mounted here.")
            continue
        calm, calm_rows = measure(KINDS["calm"], None)
        outcome, _ = measure(kind, calm_rows)
        line = row(kind, outcome, calm.seconds)
        print(line, end="", flush=True)
        table += line
    if options.write:
        write(table)


if __name__ == "__main__":
    main()
