"""Peers of sdgkit at the same job: the same seeds, prompts, method and teacher.

python tests/benchmarks/peers/compare.py                  # all of it, about an hour
python tests/benchmarks/peers/compare.py --only sdgkit distilabel --rounds 1 --to mine.json
python tests/benchmarks/peers/compare.py --draw           # only table and picture, from the data

Contenders take turns, and each has a teacher of its own; which one goes first changes each round. A
peer's environment is built on first use and kept in the cache folder (XDG_CACHE_HOME). The data
goes to measured.json after every run, beside that of others measured on the same day in the same
way; the table and the picture go into the guide's page.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[1]), str(HERE.parent), str(HERE)]

from figures import Comparison, Contest, Setting
from job import CONTEXTS, QUESTIONS, SLOTS, make_job, shipped_seeds
from measuring import Measured, Server, run
from page import GUIDE, write_page
from roster import ROSTER, Contender
from teachers.environments import Unavailable

import sdgkit as sk
from sdgkit.rehearsal.options import Options
from sdgkit.seeds import save_seeds

MEAN_S = 0.8
SIGMA = 0.8
ERROR_RATE = 0.05
MALFORMED_RATE = 0.10
DATA = HERE / "measured.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [contender.name for contender in ROSTER]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=3, help="calm runs of each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--to", type=Path, default=DATA, help="the file for the data")
    parser.add_argument("--draw", action="store_true", help="only write table and picture")
    options = parser.parse_args()
    if not options.draw:
        chosen = [contender for contender in ROSTER if contender.name in options.only]
        compare(chosen, rounds=options.rounds, seeds=options.seeds, to=options.to)
    if options.draw or options.to == DATA:
        write_page(Comparison.read(options.to), GUIDE)


def compare(chosen: Sequence[Contender], *, rounds: int, seeds: int, to: Path) -> None:
    """Run everybody and write the data after each run."""
    setting = Setting(
        seeds=seeds,
        contexts=CONTEXTS,
        questions=QUESTIONS,
        slots=SLOTS,
        mean_reply_s=MEAN_S,
        sigma=SIGMA,
        error_rate=ERROR_RATE,
        malformed_rate=MALFORMED_RATE,
        cores=os.cpu_count() or 1,
    )
    comparison = Comparison(date.today().isoformat(), setting, [], {})
    if to.exists():
        comparison = comparison.with_others_of(to, [contender.name for contender in chosen])
    able = []
    for contender in chosen:
        try:
            contender.python()
        except Unavailable as error:
            comparison.not_run[contender.label] = str(error)
            continue
        able.append(contender)
        comparison.contests.append(Contest(contender.name, contender.label, contender.version()))
    comparison.sort([contender.name for contender in ROSTER])
    calm = Options(mean_latency_ms=1000 * MEAN_S, sigma=SIGMA, slots=SLOTS)
    for number in range(rounds):
        for contender in able[number:] + able[:number]:
            contest = comparison.contest(contender.name)
            contest.calm += one_run(contender, seeds, calm)
            comparison.write(to)
        if number == 0:
            for contender in able:
                run_with_faults(contender, seeds, calm, comparison.contest(contender.name))
                comparison.write(to)


def run_with_faults(contender: Contender, seeds: int, calm: Options, contest: Contest) -> None:
    """Errors, replies without their form, and a kill halfway."""
    contest.errors += one_run(contender, seeds, replace(calm, error_rate=ERROR_RATE))
    contest.malformed += one_run(contender, seeds, replace(calm, malformed_rate=MALFORMED_RATE))
    half = round(statistics.median(one.requests for one in contest.calm) / 2)
    contest.killed += one_run(contender, seeds, calm, kill_after=half)


def one_run(
    contender: Contender, seeds: int, options: Options, kill_after: int | None = None
) -> list[Measured]:
    """A run with a teacher of its own; two where the first is killed and the second resumes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(Server(options))
        rows = shipped_seeds(seeds)
        save_seeds(rows, folder / "seeds.jsonl")
        with sk.connect(
            "openai", base_url=server.base_url, model="rehearsal", api_key="key"
        ) as teacher:
            plan = sk.plan(rows, teacher=teacher, profile=False)
            job = make_job(plan, server.base_url)
        job_file = folder / "job.json"
        job.write(job_file)
        contender.write_settings(job_file, killed=kill_after is not None)
        kills = [None] if kill_after is None else [kill_after, None]
        sessions = []
        for kill in kills:
            measured = run(
                contender.command(job_file, folder),
                server,
                folder,
                environment=contender.environment(folder),
                kill_after=kill,
            )
            sessions.append(measured)
            tell(contender, measured)
            if measured.ended not in ("done", "killed"):
                show_end(folder / "output.txt")
    return sessions


def tell(contender: Contender, measured: Measured) -> None:
    """One line about a run."""
    bound_s = max(measured.bound_s(SLOTS), 0.001)
    print(
        f"{time.strftime('%H:%M:%S')} {contender.name}: {measured.ended}, {measured.samples} "
        f"samples, {measured.requests} requests, generation {measured.generation_s:.1f} s "
        f"({measured.generation_s / bound_s:.2f} times the bound), process "
        f"{measured.wall_s:.1f} s, CPU {measured.cpu_s:.1f} s, {measured.memory_mb:.0f} MB",
        flush=True,
    )


def show_end(output: Path) -> None:
    """The last lines of what a contender printed."""
    for line in output.read_text("utf-8", "replace").splitlines()[-8:]:
        print(f"    {line}", flush=True)


if __name__ == "__main__":
    main()
