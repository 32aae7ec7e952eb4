"""The part of Jinja2 that a prompt may use: bounded work, no calls, unknown names are errors.

Jinja's own sandbox keeps a template from reaching Python, but does not bound its work (`range(99999)` twice nested,
`'x' * 300000000`). So a template is checked when it is loaded, by walking its syntax tree: only the node kinds and
filters listed here pass, loops go over given lists only, two deep, and what is rendered stays below `MAX_RENDERED`
characters.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any

from sdgkit.errors import PromptError

MAX_RENDERED = 1_000_000  # characters of one rendered part
MAX_TEMPLATE = 200_000  # characters of one part's source
MAX_LIST = 1_000  # entries of a list that a template loops over
MAX_DEPTH = 2  # loops inside loops

ALLOWED_NODES = frozenset(
    "Template Output TemplateData Name Const If For Compare Operand And Or Not Filter Test Getattr Getitem Slice "
    "CondExpr Add Sub Neg Pos List Tuple Keyword".split()
)
ALLOWED_TESTS = frozenset(
    "defined undefined none string number mapping sequence iterable true false boolean integer float odd even "
    "in eq equalto == ne != lt < gt > le <= ge >= lower upper".split()
)
PLAIN_FILTERS = (
    "trim upper lower capitalize title length count default d first last string int float sort unique reverse "
    "tojson wordcount escape e"
).split()


class TooLong(Exception):
    """What a template writes is longer than MAX_RENDERED."""


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter with its text bounded, so that a chain of filters cannot grow without limit."""

    @wraps(function)  # keeps the attribute by which Jinja knows filters that want the environment
    def run(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if isinstance(result, str) and len(result) > MAX_RENDERED:
            raise TooLong
        return result

    return run


def _replace(text: Any, old: str, new: str) -> str:
    text = str(text)
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_RENDERED:
        raise TooLong
    return text.replace(old, new)


def _join(values: Any, separator: str = "") -> str:
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_RENDERED:
        raise TooLong
    return separator.join(texts)


def _given_list(value: Any) -> Any:
    """What a loop goes over: a list, tuple or mapping that was given, of a bounded length."""
    if not isinstance(value, list | tuple | Mapping):
        raise PromptError(f"a loop needs a given list, not {type(value).__name__}")
    if len(value) > MAX_LIST:
        raise PromptError(f"a loop goes over at most {MAX_LIST} entries, this list has {len(value)}")
    return value


@cache
def _environment() -> Any:
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    class Environment(SandboxedEnvironment):
        intercepted_binops = frozenset(["+"])

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if isinstance(left, list | tuple) or len(str(left)) + len(str(right)) > MAX_RENDERED:
                raise TooLong
            return left + right

    environment = Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    filters = {name: _bounded(environment.filters[name]) for name in PLAIN_FILTERS}
    environment.filters = {**filters, "replace": _replace, "join": _join, "_given_list": _given_list}
    environment.globals = {}
    return environment


class Template:
    """One part of a prompt, checked and compiled.

    source: the Jinja2 text. where: the file and part, for messages. line: the line of the file in which the source
    begins. Raises PromptError for what a template may not use.
    """

    def __init__(self, source: str, *, where: str = "prompt", line: int = 1) -> None:
        import jinja2
        from jinja2 import nodes

        self.where, self.line = where, line
        if len(source) > MAX_TEMPLATE:
            raise PromptError(f"{where} has {len(source):,} characters; a part holds at most {MAX_TEMPLATE:,}.")
        environment = _environment()
        self._lines: dict[str, int] = {}
        try:
            tree = environment.parse(source)
            self._check(tree, 0)
        except jinja2.TemplateSyntaxError as error:
            raise PromptError(
                f"{self._at(error.lineno)}: {(error.message or '').rstrip('.')}. Mend the template."
            ) from None
        except RecursionError:
            raise PromptError(f"{where} is nested too deeply. Write it flatter.") from None
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "_given_list", [], [], None, None, lineno=loop.lineno)
        try:
            code = environment.compile(tree)
        except jinja2.TemplateError as error:
            raise PromptError(f"{self._at(getattr(error, 'lineno', 1))}: {error}. Mend the template there.") from None
        self._template = environment.template_class.from_code(environment, code, {})

    def render(self, values: Mapping[str, Any]) -> str:
        """The text with the values put in. Raises PromptError naming an unknown variable, the file and the line."""
        import jinja2

        pieces, size = [], 0
        try:
            for piece in self._template.generate(values):
                size += len(piece)
                if size > MAX_RENDERED:
                    raise TooLong
                pieces.append(piece)
        except TooLong:
            raise PromptError(
                f"{self.where} renders to more than {MAX_RENDERED:,} characters. Shorten the template or the row."
            ) from None
        except jinja2.UndefinedError as error:
            names = [name for name in re.findall(r"'([^']+)'", str(error)) if name in self._lines]
            place = self._at(self._lines[names[-1]]) if names else self.where
            known = ", ".join(sorted(map(str, values)))
            raise PromptError(f"{place}: {error}. Known here: {known}.") from None
        except PromptError as error:
            raise PromptError(f"{self.where}: {error}.") from None
        except Exception as error:  # whatever a filter makes of the values that it was given
            raise PromptError(f"{self.where}: {type(error).__name__}: {error}. Mend the template.") from None
        return "".join(pieces)

    def names(self) -> set[str]:
        """The names that the template mentions (variables and attributes)."""
        return set(self._lines)

    def _at(self, line: int) -> str:
        return f"{self.where}, line {self.line + line - 1}"

    def _check(self, node: Any, depth: int) -> None:
        from jinja2 import nodes

        kind = type(node).__name__
        place = self._at(getattr(node, "lineno", None) or 1)
        if kind not in ALLOWED_NODES:
            raise PromptError(f"{place}: a prompt cannot use {_spoken(kind)}. {_ALTERNATIVE}")
        if isinstance(node, nodes.Name):
            self._lines.setdefault(node.name, node.lineno)
        if isinstance(node, nodes.Getattr):
            self._lines.setdefault(node.attr, node.lineno)
        attribute = node.attr if isinstance(node, nodes.Getattr) else None
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            attribute = node.arg.value
        if isinstance(attribute, str) and attribute.startswith("_"):
            raise PromptError(f"{place}: a prompt cannot reach {attribute!r}. {_ALTERNATIVE}")
        if isinstance(node, nodes.Filter) and (node.name not in _environment().filters or node.name[0] == "_"):
            raise PromptError(f"{place}: unknown or refused filter {node.name!r}. {_ALTERNATIVE}")
        if isinstance(node, nodes.Test) and node.name not in ALLOWED_TESTS:
            raise PromptError(f"{place}: unknown or refused test {node.name!r}. {_ALTERNATIVE}")
        if isinstance(node, nodes.For):
            depth += 1
            if depth > MAX_DEPTH:
                raise PromptError(f"{place}: loops go {MAX_DEPTH} deep at most. {_ALTERNATIVE}")
            if node.recursive or not isinstance(node.iter, nodes.Name | nodes.Getattr | nodes.Getitem):
                raise PromptError(f"{place}: a loop goes over a given list only. {_ALTERNATIVE}")
        for child in node.iter_child_nodes():
            self._check(child, depth)


_ALTERNATIVE = "Templates put in variables, and use if, for over a given list, and simple filters."


def _spoken(kind: str) -> str:
    names = {
        "Call": "a call (range and the like)",
        "Mul": "*",
        "Pow": "**",
        "Mod": "%",
        "Div": "/",
        "FloorDiv": "//",
        "Concat": "~ (write the variables one after the other)",
        "Assign": "set",
        "AssignBlock": "set",
        "Macro": "a macro",
        "CallBlock": "a call block",
        "FilterBlock": "a filter block",
        "Dict": "a dictionary",
    }
    return names.get(kind, kind.lower())
