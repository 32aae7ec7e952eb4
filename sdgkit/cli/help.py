"""The help pages: plain text, options in groups, the same with every version of the library below."""

import shutil
import textwrap
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

WIDEST = 100
ABOUT = """\
sdgkit turns five seed examples into a fine-tuning set that you have seen, understood and trust.

  sdgkit run                     the whole way once, without any model: a rehearsal
  sdgkit generate seeds.jsonl    your own seeds; with --base-url, your own teacher"""
COMMANDS = {
    "generate": ("generate", "Make a training set from seed examples: the job itself."),
    "run": ("notebook", "The same job as a notebook, executed: the quickstart, or another tutorial."),
    "ask": ("teachers", "Send one message to the teacher: is it there, which model, how fast?"),
    "check": ("check", "Look at seed examples before anything is paid for: is the task clear, do they vary?"),
    "status": ("runs", "How far a run is, stage by stage."),
    "show": ("runs", "The whole story of one sample or drop: prompts, replies, judge's words."),
    "explain": ("results", "Where a run's samples went, and what to change."),
    "review": ("review", "Decide on samples in a spreadsheet, with a colleague who has no Jupyter."),
    "export": ("runs", "Write a run's samples in a training format."),
    "merge": ("results", "Merge several runs into one training file."),
    "calibrate": ("evaluate", "Can the judge be believed? It is asked about answers that are known to be good or bad."),
    "evaluate": ("evaluate", "Did it help? Have a judge compare a tuned model's answers with others."),
    "push": ("results", "Push a run's samples to the Hugging Face Hub."),
    "rehearse": ("teachers", "Serve the rehearsal teacher on this machine, as slow and faulty as you like."),
    "lab": ("lab", "Copy the tutorial notebooks into a folder and open them in JupyterLab."),
}
DEFAULTS = """\
Where the teacher is, the commands find in this order: the options; the environment (SDGKIT_TEACHER, SDGKIT_BASE_URL,
SDGKIT_MODEL, SDGKIT_KEY_FILE, SDGKIT_HEADERS); the file sdgkit.toml in the working folder (teacher, base_url, model,
key_file, headers); otherwise they use the rehearsal teacher, which needs no model. A key is read from SDGKIT_API_KEY or
from a key file: there is no option for it, since commands are written down in many places."""
HELP_OPTION = ("-h, --help", "show this page")


class Command(TyperCommand):
    """A command whose help is a page of plain text."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        words = " ".join(p.metavar or p.name.upper() for p in self.params if p.param_type_name == "argument")
        usage = f"Usage: {ctx.command_path} {words} [OPTIONS]".replace("  ", " ")
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.params:
            if param.param_type_name == "option":
                group = getattr(param, "rich_help_panel", None) or "Options"
                groups.setdefault(group, []).append(_described(param))
        groups.setdefault("Options", []).append(HELP_OPTION)
        formatter.write(page(usage, self.help or "", groups))


class Group(TyperGroup):
    """The `sdgkit` command: knows its commands by name, and imports one when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"sdgkit.cli.{COMMANDS[cmd_name][0]}")
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        kind = getattr(module, f"{cmd_name.title()}Command", Command)
        settings = {"help_option_names": ["-h", "--help"]}
        app.command(cmd_name, cls=kind, context_settings=settings)(getattr(module, cmd_name))
        return typer.main.get_command(app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name not in COMMANDS and not ctx.resilient_parsing:
            _no_such_command(ctx, name)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        groups = {
            "Commands": [(name, summary) for name, (_, summary) in COMMANDS.items()],
            "Options": [_described(param) for param in self.params] + [HELP_OPTION],
        }
        usage = f"Usage: {ctx.command_path} COMMAND [OPTIONS]"
        after = f"{DEFAULTS}\n\nEach command has a page of its own: {ctx.command_path} COMMAND --help"
        formatter.write(page(usage, ABOUT, groups, after))


def page(usage: str, text: str, groups: dict[str, list[tuple[str, str]]], after: str = "") -> str:
    """A help page. Paragraphs are wrapped to the terminal; indented lines stay as they are."""
    width = min(shutil.get_terminal_size().columns, WIDEST) - 1
    lines = [usage, "", *_wrapped(text, width)]
    left = min(max(len(name) for rows in groups.values() for name, _ in rows), 26) + 4
    for title, rows in groups.items():
        lines += ["", f"{title}:"]
        for name, words in rows:
            folded = textwrap.wrap(words, max(width - left, 24)) or [""]
            start = f"  {name}"
            if len(start) > left - 2:
                lines.append(start)
                start = ""
            lines += [f"{start:<{left}}{folded[0]}", *(" " * left + line for line in folded[1:])]
    if after:
        lines += ["", *_wrapped(after, width)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _wrapped(text: str, width: int) -> Iterable[str]:
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ""
        if paragraph.startswith(" ") or "\n " in paragraph:
            yield from paragraph.splitlines()
        else:
            yield from textwrap.wrap(paragraph, width)


def _described(param: Any) -> tuple[str, str]:
    """An option's name with its placeholder, and its help."""
    name = ", ".join(sorted(param.opts, key=len))
    return f"{name} {param.metavar}" if param.metavar else name, param.help or ""


def _no_such_command(ctx: Any, name: str) -> NoReturn:
    if Path(name).exists():
        verb = "run" if name.endswith(".ipynb") else "generate"
        ctx.fail(f"{name} is a file or folder, not a command. Did you mean: sdgkit {verb} {name}?")
    close = get_close_matches(name, COMMANDS, n=1)
    meant = f" Did you mean {close[0]}?" if close else f" The commands are {', '.join(COMMANDS)}."
    raise ctx.fail(f"There is no command {name!r}.{meant}")
