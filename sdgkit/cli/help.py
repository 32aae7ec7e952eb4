"""The help pages: typer's own as plain text, with the options in groups and the examples as they are written."""

import inspect
from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand

AS_WRITTEN = "\b\n"  # before a paragraph whose lines are not to be filled
ABOUT = f"""\
sdgkit turns five seed examples into a fine-tuning set that you have seen, understood and trust.

{AS_WRITTEN}sdgkit run                     the whole way once, without any model: a rehearsal
sdgkit generate seeds.jsonl    your own seeds; with --base-url, your own teacher"""
DEFAULTS = """\
Where the teacher is, the commands find in this order: the options; the environment (SDGKIT_TEACHER, SDGKIT_BASE_URL,
SDGKIT_MODEL, SDGKIT_KEY_FILE, SDGKIT_HEADERS); the file sdgkit.toml in the working folder (teacher, base_url, model,
key_file, headers); otherwise they use the rehearsal teacher, which needs no model. A key is read from SDGKIT_API_KEY or
from a key file: there is no option for it, since commands are written down in many places.

Each command has a page of its own: sdgkit COMMAND --help"""


class Command(TyperCommand):
    """A command whose options stand in groups on its page."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *(param.metavar or "" for param in self.params if param.param_type_name == "argument")]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[Any]] = {}
        param: Any  # argument or option
        for param in self.get_params(ctx):
            if param.param_type_name == "argument":
                groups.setdefault("Arguments", []).append((param.metavar, param.help))
            else:
                title = getattr(param, "rich_help_panel", None) or "Options"
                groups.setdefault(title, []).append(param.get_help_record(ctx))
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def page_of(command: Callable[..., Any]) -> dict[str, Any]:
    """A command's texts for typer, from its docstring: the first line sums it up, examples stay as they are."""
    words = inspect.getdoc(command) or ""
    return {"help": words.replace("\n\nExample", f"\n\n{AS_WRITTEN}Example"), "short_help": words.partition("\n")[0]}
