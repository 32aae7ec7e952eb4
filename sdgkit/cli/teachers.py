"""Commands about a teacher, a judge or a tuned model on its own."""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.cli.commands import LIMIT_SETTINGS, argument, command, option
from sdgkit.cli.documents import (
    ask_document,
    calibrate_document,
    check_document,
    evaluate_document,
)
from sdgkit.cli.exit_status import DONE, FAILED
from sdgkit.cli.option_groups import OptionGroup, option_group, rehearsal_options
from sdgkit.cli.options import (
    SEEDS_HELP,
    JudgeOptions,
    LimitOptions,
    SeedOptions,
    TeacherOptions,
    beside,
    judge_options,
    limit_options,
    reports,
    seed_options,
    teacher_options,
)
from sdgkit.cli.output import output, print_document
from sdgkit.cli.runs import run_argument
from sdgkit.cli.terminal import REHEARSAL_ANSWERS, command_line, say, waiting
from sdgkit.cli.value_types import COUNT, FOLDER, PATH, SHARE
from sdgkit.errors import SettingsError, TeacherUnreachable
from sdgkit.formatting import format_percent, pluralize, visible

if TYPE_CHECKING:
    from sdgkit.run import Run
    from sdgkit.teachers import Reply, Teacher
    from sdgkit.teachers.teacher import ServerLoad

# Shorter than for a run: you sit there and wait.
ASK_TIMEOUT_S = 120.0
ASK_PATIENCE_S = 15.0
ASK_TOKENS = 512
SERVER_SETTINGS = (
    "port",
    "mean_latency_ms",
    "sigma",
    "slots",
    "error_rate",
    "rate_limit",
    "retry_after",
    "drop_rate",
    "hang_rate",
    "malformed_rate",
    "truncate_rate",
    "context_length",
)


@command()
@reports
@argument(
    "words", metavar="MESSAGE", nargs=-1, required=True, help='what to ask, such as "Who are you?"'
)
@teacher_options
@option(
    "--max-tokens",
    metavar="N",
    type=COUNT,
    default=ASK_TOKENS,
    help=f"the longest reply, in tokens (default {ASK_TOKENS})",
)
def ask(words: tuple[str, ...], teacher: TeacherOptions, max_tokens: int) -> None:
    """Send one message to the teacher: does it answer, which model, how fast?

    The reply is shown while it is written. Without an address, `ask` looks at the usual ports of
    this machine (vLLM 8000, Llama Stack 8321, Ollama 11434, LM Studio 1234, llama.cpp 8080) and
    lists who answers; if only one does, it is asked.

    Examples:
      sdgkit ask "Which languages do you speak?" --base-url http://localhost:8000/v1
      sdgkit ask "Who are you?"                    whoever answers on this machine
    """
    from sdgkit.teachers import connect
    from sdgkit.teachers.settings import is_teacher_set

    arguments = teacher.given()
    if not arguments and not is_teacher_set():
        arguments = _found_on_this_machine()
    address = arguments.get("base_url", "the teacher")
    with waiting(lambda: f"Still waiting for {address} to list its models (Ctrl-C stops)."):
        connected = connect(
            **arguments, concurrency=1, timeout=ASK_TIMEOUT_S, patience=ASK_PATIENCE_S
        )
    with connected:
        rules = ""
        if connected.is_rehearsal:
            rules = " (rules, not a model)"
        say(f"{connected.model}{rules} at {connected.base_url}")
        notes_shown = len(connected.notes)
        for note in connected.notes:
            say(note)
        say()
        reply = _ask_and_show(connected, " ".join(words), max_tokens)
        for note in connected.notes[notes_shown:]:
            say(note)
        say(_speed(reply))
        load = connected.load()
        if load is not None:
            say(_load(load))
        document = ask_document(connected, reply)
    print_document("ask", document)


def _found_on_this_machine() -> dict[str, Any]:
    """The arguments of `connect` for the only teacher on this machine; none for a rehearsal.

    Raises:
        SettingsError: Several answer.
    """
    from sdgkit.teachers import local_servers

    ports = ", ".join(f"{name} {port}" for port, name in local_servers.USUAL_PORTS.items())
    servers = local_servers.find_servers()
    if not servers:
        say(f"No teacher answers on the usual ports of this machine ({ports}).")
        return {}
    say("On this machine:")
    for server in servers:
        say(f"  {server}")
    if len(servers) > 1:
        addresses = ", ".join(server.base_url for server in servers)
        raise SettingsError(
            f"Several teachers answer on this machine. Choose one with --base-url: {addresses}.",
            setting="base_url",
            choices=[server.base_url for server in servers],
        )
    [server] = servers
    return {"kind": server.kind, "base_url": server.base_url}


def _ask_and_show(connected: "Teacher", message: str, max_tokens: int) -> "Reply":
    """Send a message, and show the reply while it is written."""
    shown: list[str] = []

    def show(piece: str) -> None:
        shown.append(piece)
        if not output().as_json:
            print(visible(piece), end="", flush=True)

    def patience() -> str:
        if shown:
            return ""
        reason = ""
        if connected.away_reason:
            reason = f": {connected.away_reason}"
        return (
            f"Still waiting for {connected.model} to begin its reply, for {ASK_TIMEOUT_S:.0f} s at "
            f"most (Ctrl-C stops){reason}."
        )

    with waiting(patience):
        reply = connected.ask(message, show=show, max_tokens=max_tokens)
    if not reply.text.strip():
        say(_empty(reply), end="")
    say("\n")
    return reply


def _empty(reply: "Reply") -> str:
    """What the server did with the text of an empty reply."""
    if reply.reasoning.strip():
        return (
            f"(The reply is empty; the server put {len(reply.reasoning):,} characters into "
            "reasoning_content. If the answer is in there, start the server without its reasoning "
            "parser, or with the one that fits the model. If the model only thought, it may need "
            "more --max-tokens.)"
        )
    return (
        f"(The reply is empty: finish_reason {reply.finish_reason!r}. A model that reasons first "
        "may need more --max-tokens.)"
    )


def _speed(reply: "Reply") -> str:
    """How long a reply took, and how long it is."""
    parts = [pluralize(reply.completion_tokens, "token")]
    if reply.completion_tokens:
        parts.append(f"{reply.completion_tokens / reply.seconds:,.0f} tokens/s")
    written = ", ".join(parts)
    cut_off = _ending(reply)
    return (
        f"answered in {reply.seconds:.2f} s: {written}; {reply.prompt_tokens:,} in the "
        f"prompt{cut_off}"
    )


def _ending(reply: "Reply") -> str:
    from sdgkit.teachers.endings import Ending

    if reply.ending is Ending.NATURAL:
        return ""
    if reply.ending is Ending.TRUNCATED:
        return "; cut off at the token limit (--max-tokens)"
    return f"; it ended with finish_reason {reply.finish_reason!r}"


def _load(load: "ServerLoad") -> str:
    """How busy the server is, where it tells."""
    cached = "none"
    if load.prefix_cache_queries:
        cached = format_percent(load.prefix_cache_hits / load.prefix_cache_queries)
    running = pluralize(load.running, "request")
    return (
        f"the server is running {running}, with {load.waiting} waiting; "
        f"{cached} of the prompt tokens came from its prefix cache"
    )


@command()
@rehearsal_options("settings", "Options", SERVER_SETTINGS)
def rehearse(settings: dict[str, Any]) -> None:
    """Serve the rehearsal teacher on this machine, as slow and faulty as you like.

    It is an OpenAI-compatible server that answers by rules. Use it to see a whole run, with its
    speed, faults and files, before you pay for one. Ctrl-C stops it.

    Example:
      sdgkit rehearse --mean-latency-ms 800 --slots 32 --rate-limit 0.05
    """
    from sdgkit.rehearsal import start

    with start(**settings) as process:
        say(f"The rehearsal teacher answers at {process.base_url} (Ctrl-C stops it). To use it:")
        say(f"  {command_line('generate', 'SEEDS', '--base-url', process.base_url)}")
        process.wait()
    raise TeacherUnreachable("The rehearsal teacher stopped unexpectedly.")


@command()
@reports
@argument("seeds", metavar="SEEDS", help=SEEDS_HELP)
@seed_options
@option(
    "--with-teacher",
    is_flag=True,
    help="also have the teacher judge each seed beside another, as a run judges its samples",
)
@option(
    "--prompts",
    metavar="FOLDER",
    type=FOLDER,
    help="your own prompts for the judge, one STAGE.yaml each",
)
@teacher_options
@limit_options
def check(
    seeds: str,
    reading: SeedOptions,
    with_teacher: bool,
    prompts: str | None,
    teacher: TeacherOptions,
    limits: LimitOptions,
) -> int:
    """Check seed examples before you pay for anything: is the task clear, do they vary?

    The exit status is 1 if there are errors, which would teach a model something wrong.

    Examples:
      sdgkit check seeds.jsonl
      sdgkit check seeds.jsonl --with-teacher --base-url http://localhost:8000/v1
    """
    from sdgkit.evaluation.seed_check import check_seeds
    from sdgkit.teachers import connect

    if with_teacher:
        options = {"patience": ASK_PATIENCE_S, **teacher.given(), **limits.given()}
        with connect(**options) as judge:
            findings = check_seeds(seeds, judge, prompts=prompts, **reading.given())
    elif teacher or prompts or limits:
        raise SettingsError(
            "A teacher, its limits and prompts are used only for judging: add --with-teacher.",
            setting="with_teacher",
        )
    else:
        findings = check_seeds(seeds, **reading.given())
    say(findings)
    exit_status = DONE
    if findings.count("error"):
        exit_status = FAILED
    print_document("check", check_document(findings, exit_status))
    return exit_status


@command(takes=LIMIT_SETTINGS)
@argument("seeds", metavar="SEEDS", help=SEEDS_HELP)
@seed_options
@option(
    "--to",
    metavar="FILE.yaml",
    type=PATH,
    help="where to write the profile (default: it is printed)",
)
@option(
    "--prompts",
    metavar="FOLDER",
    type=FOLDER,
    help="your own prompts for the study: write_profile.yaml, test_criteria.yaml",
)
@option("--json", "as_json", is_flag=True, help="print the profile as JSON")
@teacher_options
@judge_options
@limit_options
def study(
    seeds: str,
    reading: SeedOptions,
    to: str | None,
    prompts: str | None,
    as_json: bool,
    teacher: TeacherOptions,
    judge: JudgeOptions,
    limits: LimitOptions,
) -> None:
    """Let the teacher study the seeds and write the profile of the skill.

    The profile says what every response must meet, in how many ways the material can differ, and
    what is checked. Read it before you generate: it shows whether the teacher has understood the
    task. Edit it, and pass it to `sdgkit generate --profile`.

    Examples:
      sdgkit study seeds.jsonl --to profile.yaml
      sdgkit study seeds.jsonl --base-url http://localhost:8000/v1
    """
    from sdgkit.run.profiles import profile_notes
    from sdgkit.studies import study as study_seeds
    from sdgkit.teachers import connect

    with ExitStack() as connections:
        connected = connections.enter_context(connect(**teacher.given(), **limits.given()))
        referee = None
        if judge:
            judge_arguments = judge.connect_arguments(teacher.given())
            referee = connections.enter_context(connect(**judge_arguments, **limits.given()))
        profile = study_seeds(
            seeds, teacher=connected, judge=referee, prompts=prompts, **reading.given()
        )
    if to is not None:
        say(f"{profile.save(to)}: {profile.summary()}.")
    if as_json:
        say(json.dumps(profile.as_json(), ensure_ascii=False, indent=2))
    elif to is None:
        say(str(profile).rstrip())
    for note in profile_notes(profile):
        say(note, sys.stderr)


@command(takes=LIMIT_SETTINGS)
@reports
@run_argument
@judge_options
@limit_options
def calibrate(run: "Run", judge: JudgeOptions, limits: LimitOptions) -> None:
    """Find out whether the judge can be trusted.

    The judge is asked about the run's seeds, which are good, and about damaged copies of them. The
    run's report then shows, beside the yield, how many good answers the judge keeps and how many
    bad ones it lets through.

    Example:
      sdgkit calibrate runs/seeds
    """
    from sdgkit.evaluation.calibration import calibrate as calibrate_judge
    from sdgkit.teachers import connect

    with connect(**_judge_of(run, judge), **limits.given()) as referee:
        calibration = calibrate_judge(referee, run)
        say(calibration)
        print_document("calibrate", calibrate_document(run, calibration))
        _print_rehearsal_notice([referee])


@dataclass(frozen=True)
class RivalOptions(OptionGroup):
    """A second model, whose answers are compared with the tuned one's."""

    against: str | None = None
    against_model: str | None = None


@command(takes=LIMIT_SETTINGS)
@reports
@run_argument
@option(
    "--test-share",
    metavar="SHARE",
    type=SHARE,
    default=0.1,
    help="as in the export that the model was trained on (default 0.1)",
)
@option("--limit", metavar="N", type=COUNT, help="maximum number of questions")
@teacher_options
@option_group(
    "rival",
    RivalOptions,
    option(
        "--against",
        metavar="URL",
        section="The second model",
        help="the server of a second model, such as the untuned one",
    ),
    option(
        "--against-model",
        metavar="NAME",
        section="The second model",
        help="the second model, on that server or on the first one's",
    ),
)
@judge_options
@limit_options
def evaluate(
    run: "Run",
    test_share: float,
    limit: int | None,
    teacher: TeacherOptions,
    rival: RivalOptions,
    judge: JudgeOptions,
    limits: LimitOptions,
) -> None:
    """Find out whether training helped: a judge compares a tuned model's answers with others.

    --base-url is the tuned model's server. It is asked the held-out questions. Its answers are
    compared with those of --against, or with the run's own samples, each pair in both orders. Train
    on `sdgkit export RUN --test-share 0.1`, or on the train split of `--format datasets`: questions
    that the model was trained on prove nothing.

    Example:
      sdgkit evaluate runs/seeds --base-url http://localhost:8001/v1 --against
      http://localhost:8000/v1
    """
    from sdgkit.evaluation import students
    from sdgkit.teachers import connect

    student_arguments = teacher.given()
    with ExitStack() as connections:
        student = connections.enter_context(connect(**student_arguments, **limits.given()))
        other = None
        if rival:
            rival_arguments = beside(student_arguments, rival.against, rival.against_model)
            other = connections.enter_context(connect(**rival_arguments, **limits.given()))
        referee = connections.enter_context(connect(**_judge_of(run, judge), **limits.given()))
        evaluation = students.evaluate(
            run, student, judge=referee, against=other, test_share=test_share, limit=limit
        )
        say(evaluation)
        page = f"{run.out}/{students.FOLDER}/{students.page_name(student.model)}"
        say(f"Side by side: {page}")
        print_document("evaluate", evaluate_document(run, evaluation, page))
        _print_rehearsal_notice([student, other, referee])


def _print_rehearsal_notice(models: Iterable["Teacher | None"]) -> None:
    if any(model is not None and model.is_rehearsal for model in models):
        say(REHEARSAL_ANSWERS)


def _judge_of(run: "Run", judge: JudgeOptions) -> dict[str, Any]:
    """The arguments of `connect` for a run's own judge, or for the one that you name.

    Raises:
        SettingsError: No address is known; a run's folder holds none.
    """
    from sdgkit.run.folder import read_config

    config = read_config(Path(run.out or ""))
    if config.teacher == "rehearsal" and not judge:
        return {"kind": "rehearsal"}
    recorded = {"model": config.judge or config.model}
    arguments = recorded | judge.connect_arguments({})
    has_address = (
        bool(judge.judge_base_url)
        or bool(os.environ.get("SDGKIT_BASE_URL"))
        or Path("sdgkit.toml").exists()
    )
    if not has_address:
        raise SettingsError(
            f"Where is the judge ({arguments['model']})? Give --judge-base-url URL or set "
            "SDGKIT_BASE_URL.",
            setting="judge_base_url",
        )
    return arguments
