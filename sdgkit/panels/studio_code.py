"""What a studio does, as a few lines of Python that do the same without it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdgkit.files import shipped
from sdgkit.panels.teacher_state import Connection


@dataclass(frozen=True)
class StudioJob:
    """What the lines need to know.

    Attributes:
        skill: The skill's folder.
        seeds: Its seed file.
        profile: Its profile.
        prompt: The file of the prompt that is shown.
        run: The folder of its run.
        teacher: Which teacher is asked.
        num_contexts: Contexts for each seed; None where the skill or the method decides.
        format: The training format.
        export: The file to write.
    """

    skill: Path
    seeds: Path
    profile: Path
    prompt: Path
    run: Path
    teacher: Connection
    num_contexts: int | None = None
    format: str = "messages"
    export: Path = Path("train.jsonl")


def code_of(tab: str, job: StudioJob) -> str:
    """The lines for a tab of the studio; each can be run by itself.

    A key is in none of them: it comes from SDGKIT_API_KEY or a key file.
    """
    makers = {
        "teacher": _teacher,
        "seeds": _seeds,
        "profile": _profile,
        "prompts": _prompts,
        "run": _run,
        "review": _review,
        "export": _export,
    }
    return "\n".join(["import sdgkit as sk", "", *makers[tab](job)]) + "\n"


def _python_string(value: Path | str) -> str:
    """A Python string: JSON's are the same."""
    return json.dumps(str(value), ensure_ascii=False)


def _connect_line(job: StudioJob) -> str:
    arguments = [_python_string(job.teacher.kind)]
    if job.teacher.base_url:
        arguments.append(f"base_url={_python_string(job.teacher.base_url)}")
    if job.teacher.model:
        arguments.append(f"model={_python_string(job.teacher.model)}")
    return f"teacher = sk.connect({', '.join(arguments)})"


def _teacher(job: StudioJob) -> Sequence[str]:
    return [_connect_line(job), 'print(teacher.ask("Write one sentence about the sea.").text)']


def _seeds(job: StudioJob) -> Sequence[str]:
    return [f"seeds = sk.load_seeds({_python_string(job.seeds)})", "print(sk.check_seeds(seeds))"]


def _profile(job: StudioJob) -> Sequence[str]:
    return [
        _connect_line(job),
        f"profile = sk.study({_python_string(job.skill)}, teacher=teacher)",
        f"profile.save({_python_string(job.profile)})",
        "print(profile)",
    ]


def _prompts(job: StudioJob) -> Sequence[str]:
    prompt = _python_string(job.prompt)
    if job.prompt.is_relative_to(shipped("prompts")):
        method, name = job.prompt.parts[-2:]
        prompt = f'sk.shipped("prompts") / {_python_string(method)} / {_python_string(name)}'
    return [
        _connect_line(job),
        f"prompt = sk.load_prompt({prompt})",
        f"seed = sk.load_seeds({_python_string(job.skill)})[0]",
        'names = [name for name in seed if name.startswith("seed_")]',
        'row = {**seed, **{name.removeprefix("seed_"): seed[name] for name in names}}',
        "[trial] = sk.try_on(prompt, [row], teacher)",
        "print(trial.reply.text)",
    ]


def _run(job: StudioJob) -> Sequence[str]:
    arguments = [_python_string(job.skill), "teacher=teacher"]
    if job.num_contexts is not None:
        arguments.append(f"num_contexts={job.num_contexts}")
    arguments.append(f"out={_python_string(job.run)}")
    return [_connect_line(job), f"run = sk.generate({', '.join(arguments)})", "print(run.funnel)"]


def _review(job: StudioJob) -> Sequence[str]:
    return [
        f"review = sk.Review({_python_string(job.run)})",
        "first = review.drawn()[0]",
        'print(review.as_decided(first)["response"])',
        'review.accept(first)  # or: review.reject(first, "why")',
        "print(review.implied())",
    ]


def _export(job: StudioJob) -> Sequence[str]:
    return [
        f"run = sk.open_run({_python_string(job.run)})",
        f'print(run.export({_python_string(job.format)}, {_python_string(job.export)}), "rows")',
    ]
