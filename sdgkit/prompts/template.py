"""One part of a prompt as a template: checked when it is loaded, strict about unknown variables."""

import traceback
from collections.abc import Collection, Hashable, Mapping
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError, meta, nodes

from sdgkit.errors import PromptError
from sdgkit.prompts import sandbox
from sdgkit.prompts.sandbox import MAX_RENDERED, WHAT_TEMPLATES_CAN_DO

MAX_TEMPLATE = 100_000  # characters of one part's source
MOST_KEPT = 32  # texts of one part: rows of about so many seeds are on their way at once
LONGEST_KEPT = 20_000  # characters of one of them
_TEMPLATE_FILE = "<template>"  # the file name in the frames of a compiled template


class Template:
    """One part of a prompt, checked and compiled.

    Args:
        source: The Jinja2 text.
        file: The name of the prompt's file, for messages.
        part: The part of the prompt, for messages.
        line: The line of the file in which the source begins, from 1.

    Raises:
        PromptError: If the source is not valid Jinja2, or uses what a prompt cannot use.

    Example:
        >>> Template("Write {{ number }} titles.").render({"number": 3})
        'Write 3 titles.'
    """

    def __init__(
        self, source: str, *, file: str = "prompt", part: str | None = None, line: int = 1
    ) -> None:
        self._source = source
        self._rendered: dict[tuple[Hashable, ...], str] = {}
        self.file = file
        self.part = part
        self.line = line
        if len(source) > MAX_TEMPLATE:
            raise self._error(
                f"it has {len(source):,} characters; a part can have {MAX_TEMPLATE:,}. Shorten it."
            )
        sandbox.renew_budget()  # constant expressions are worked out when a template is compiled
        try:
            tree = sandbox.parse(source)
            self._refuse_forbidden(tree)
            self._always_inserted = sandbox.always_inserted(tree)
            self._names = sorted(meta.find_undeclared_variables(tree))
            self._compiled = sandbox.compile_template(tree)
        except TemplateSyntaxError as error:
            message = str(error.message).rstrip(".")
            raise self._error(f"{message}. {WHAT_TEMPLATES_CAN_DO}", error.lineno) from None
        except PromptError:
            raise
        except Exception as error:  # numbers of thousands of digits, deep nesting
            raise self._error(
                f"{type(error).__name__}: {error}. Make it shorter and less nested."
            ) from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process as its source, and compiled there."""
        return _compile_again, (self._source, self.file, self.part, self.line)

    def render(self, values: Mapping[str, Any]) -> str:
        """Fill in the template.

        Most parts of a prompt say the same for every row of a seed: a text that was rendered with
        the same values a moment ago is not rendered again.

        Args:
            values: The values of the variables.

        Raises:
            PromptError: For an unknown variable, a filter that cannot handle its value, or too much
                text or work; with file, line and part.
        """
        key = self._key_of(values)
        if key is None:
            return self._render(values)
        text = self._rendered.get(key)
        if text is None:
            text = self._render(values)
            if len(text) <= LONGEST_KEPT:
                if len(self._rendered) >= MOST_KEPT:
                    self._rendered.clear()
                self._rendered[key] = text
        return text

    def _key_of(self, values: Mapping[str, Any]) -> tuple[Hashable, ...] | None:
        """The values of the variables that the template has, if all of them are texts.

        None where one is missing, or is something else that may be changed afterwards.
        """
        key = []
        for name in self._names:
            value = values.get(name)
            if type(value) is list and all(type(entry) is str for entry in value):
                value = tuple(value)
            elif type(value) is not str:
                return None
            key.append(value)
        return tuple(key)

    def _render(self, values: Mapping[str, Any]) -> str:
        sandbox.renew_budget()
        pieces: list[str] = []
        size = 0
        try:
            for piece in self._compiled.generate(values):
                size += len(piece)
                if size > MAX_RENDERED:
                    raise sandbox.Refused(sandbox.TOO_MUCH)
                pieces.append(piece)
        except Exception as error:  # also what a filter raises for the values it is given
            message = str(error).rstrip(".")
            if isinstance(error, UndefinedError):
                advice = _names_here(values)
            else:
                advice = "Change the template or the row."
            raise self._error(f"{message}. {advice}", _template_line(error)) from None
        return "".join(pieces)

    def refuse_unknown(self, variables: Collection[str]) -> None:
        """Check the variables that are inserted whatever the row holds.

        Args:
            variables: The names of the variables that there will be.

        Raises:
            PromptError: As `render` does, for a variable that is not among them.
        """
        for name, line in self._always_inserted.items():
            if name not in variables:
                raise self._error(f"{name!r} is undefined. {_names_here(variables)}", line)

    def _refuse_forbidden(self, tree: nodes.Template) -> None:
        for node in tree.find_all(nodes.Node):
            refusal = sandbox.refusal_of(node)
            if refusal:
                problem = f"a prompt cannot {refusal}. {WHAT_TEMPLATES_CAN_DO}"
                raise self._error(problem, node.lineno)

    def _error(self, problem: str, line_in_part: int | None = None) -> PromptError:
        """The error for a problem, with the line in the file if one is to blame."""
        place = self.file
        if self.part is not None:
            place = f"{self.file} ({self.part})"
        line = None
        if line_in_part is not None:
            line = self.line + line_in_part - 1
            place = f"{place}, line {line}"
        return PromptError(
            f"{place}: {problem}", file=self.file, line=line, part=self.part, problem=problem
        )


def _compile_again(source: str, file: str, part: str | None, line: int) -> Template:
    return Template(source, file=file, part=part, line=line)


def _names_here(names: Collection[str]) -> str:
    return f"You can use {', '.join(sorted(names))}."


def _template_line(error: Exception) -> int | None:
    """The line of the template in which an error was raised: Jinja2 puts it into the traceback."""
    line = None
    for frame, line_number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == _TEMPLATE_FILE:
            line = line_number
    return line
