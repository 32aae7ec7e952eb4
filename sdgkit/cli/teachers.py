"""The commands about a teacher or a judge by itself."""

import os
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.cli.options import Command, Given
from sdgkit.cli.terminal import say, typed
from sdgkit.errors import SettingsError, TeacherUnreachable
from sdgkit.formatting import format_percent, pluralize

if TYPE_CHECKING:
    from sdgkit.run import Run

TIMEOUT_S, PATIENCE_S = 120.0, 15.0  # somebody sits there and waits
REHEARSED = "This is a rehearsal: rules answered or judged here, not a model."


@Command
def ask(words: tuple[str, ...], max_tokens: int | None, teacher: Given) -> None:
    """Send one message to the teacher: is it there, which model, how fast?

    Example:
      sdgkit ask "Which languages do you speak?" --base-url http://localhost:8000/v1
    """
    from sdgkit.teachers import connect

    with connect(**teacher, concurrency=1, timeout=TIMEOUT_S, patience=PATIENCE_S) as asked:
        rules = " (rules, not a model)" if asked.is_rehearsal else ""
        say("\n".join([f"{asked.model}{rules} at {asked.base_url}", *asked.notes]))
        reply = asked.ask(" ".join(words), **({"max_tokens": max_tokens} if max_tokens else {}))
        speed = (
            f", {reply.completion_tokens / reply.seconds:,.0f} tokens/s"
            if reply.completion_tokens
            else ""
        )
        cut_off = "; cut off at the longest length" if reply.finish_reason == "length" else ""
        written = f"{pluralize(reply.completion_tokens, 'token')}{speed}; {reply.prompt_tokens:,} in the prompt{cut_off}"
        say(f"answered in {reply.seconds:.2f} s: {written}")
        if load := asked.load():  # how busy the server is, where it offers that
            queries = load.prefix_cache_queries
            hits = format_percent(load.prefix_cache_hits / queries) if queries else "none"
            running = f"the server runs {pluralize(load.running, 'request')} just now, {load.waiting} wait"
            say(f"{running}; {hits} of the prompts' tokens came from its prefix cache")
    say(
        f"\n{reply.text}"
        if reply.text.strip()
        else "\n(The reply is empty. Reasoning may need more --max-tokens.)"
    )


@Command
def rehearse(server: Given) -> None:
    """Serve the rehearsal teacher on this machine, as slow and faulty as you like.

    It is an OpenAI-compatible server with rules for a model; Ctrl-C ends it. With it you see a whole run, its speed,
    its faults and its files, before you pay for one.

    Example:
      sdgkit rehearse --mean-latency-ms 800 --slots 32 --rate-limit 0.05
    """
    from sdgkit.rehearsal import start

    with start(**server) as process:
        say(f"The rehearsal teacher answers at {process.base_url} (Ctrl-C ends it). To use it:")
        say(f"  {typed('generate', 'SEEDS', '--base-url', process.base_url)}")
        process.wait()
    raise TeacherUnreachable("The rehearsal teacher ended by itself.")


@Command
def check(seeds: str, with_teacher: bool, prompts: str | None, teacher: Given) -> int:
    """Look at seed examples before anything is paid for: is the task clear, do they vary?

    The exit status is 1 if there are errors: what would teach something wrong.

    Examples:
      sdgkit check seeds.jsonl
      sdgkit check seeds.jsonl --with-teacher --base-url http://localhost:8000/v1
    """
    from sdgkit.evaluation.seed_check import check_seeds
    from sdgkit.teachers import connect

    if not with_teacher and (teacher or prompts):
        raise SettingsError("A teacher and prompts are for the judge: add --with-teacher.")
    with connect(**teacher, patience=PATIENCE_S) if with_teacher else nullcontext() as judge:
        found = check_seeds(seeds, judge, prompts=prompts)
    say(found)
    return 1 if found.count("error") else 0


@Command
def calibrate(run: "Run", judge: Given, manners: Given) -> None:
    """Can the judge be believed? It is asked about the run's seeds, which are good, and about the same seeds spoilt.

    The run's report then shows beside its yield how many good answers the judge keeps and how many bad ones it lets
    through.

    Example:
      sdgkit calibrate runs/seeds
    """
    from sdgkit.evaluation.calibration import calibrate as calibrate_judge
    from sdgkit.teachers import connect

    with connect(**_judge_of(run, judge), **manners) as referee:
        say(calibrate_judge(referee, run))
        if referee.is_rehearsal:
            say(REHEARSED)


@Command
def evaluate(
    run: "Run",
    test_share: float,
    limit: int | None,
    teacher: Given,
    rival: Given,
    judge: Given,
    manners: Given,
) -> None:
    """Did it help? Have a judge compare a tuned model's answers with others.

    --base-url is the tuned model's server. It is asked the questions that were kept apart. Its answers are compared
    with those of --against, or with the run's own samples, each pair in both orders. Train on `sdgkit export RUN
    --test-share 0.1`, or on the train split of `--format datasets`: what was trained on tells nothing.

    Example:
      sdgkit evaluate runs/seeds --base-url http://localhost:8001/v1 --against http://localhost:8000/v1
    """
    from sdgkit.evaluation import students as evaluation
    from sdgkit.teachers import connect

    second = beside(teacher, rival.get("against"), rival.get("against_model"))
    with ExitStack() as stack:
        student = stack.enter_context(connect(**teacher, **manners))
        other = stack.enter_context(connect(**second, **manners)) if rival else None
        referee = stack.enter_context(connect(**_judge_of(run, judge), **manners))
        say(
            evaluation.evaluate(
                run, student, judge=referee, against=other, test_share=test_share, limit=limit
            )
        )
        say(f"Side by side: {run.out}/{evaluation.FOLDER}/{evaluation.page_name(student.model)}")
        if any(one.is_rehearsal for one in (student, other, referee) if one):
            say(REHEARSED)


def judge_told(judge: Given, teacher: Given) -> Given:
    """The judge in the words of `sdgkit.connect`: at its own server, or the teacher's."""
    return beside(
        teacher, judge.get("judge_base_url"), judge.get("judge_model"), "SDGKIT_JUDGE_API_KEY"
    )


def beside(teacher: Given, base_url: Any, model: str | None, key: str = "") -> Given:
    """Another teacher: at a server of its own, whose key is in a variable of its own, or at the first one's."""
    there = {"base_url": base_url, "api_key": os.environ.get(key)} if base_url else teacher
    return there | ({"model": model} if model else {})


def _judge_of(run: "Run", judge: Given) -> Given:
    """The run's own judge, at the address that is said (no folder holds one), or another that is."""
    from sdgkit.run.folder import read_values

    config = read_values(Path(run.out or ""), "config.json")
    if config.get("teacher") == "rehearsal" and not judge:
        return {"kind": "rehearsal"}
    told = {"model": config.get("judge") or config.get("model")} | judge_told(judge, {})
    if not (
        "judge_base_url" in judge
        or os.environ.get("SDGKIT_BASE_URL")
        or Path("sdgkit.toml").exists()
    ):
        raise SettingsError(
            f"Say where the judge is ({told['model']}): --judge-base-url URL, or SDGKIT_BASE_URL."
        )
    return told
