"""The part of Jinja2 that a prompt may use: bounded work, no calls, unknown names are errors.

Jinja's own sandbox keeps a template from reaching Python, but does not bound its work (`range(99999)` twice nested,
`'x' * 300000000`). So a template is checked when it is loaded, by walking its syntax tree: only the node kinds and
filters listed here pass, loops go over given lists only, two deep. What is left to a template is paid for when it is
rendered: every filter by the length of what it reads and writes, every turn of a loop by the size of its body.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, wraps
from typing import Any

from sdgkit.errors import PromptError
from sdgkit.texts import words

MAX_RENDERED = 1_000_000  # characters of one rendered part
MAX_TEMPLATE = 100_000  # characters of one part's source
MAX_LIST = 1_000  # entries of a list that a template loops over
MAX_DEPTH = 2  # loops inside loops
MAX_NESTING = 50  # anything inside anything
MAX_WORK = 30_000_000  # characters that one rendering may handle: some tenths of a second
TURN = 300  # characters, that one node in the body of a loop counts for

ALLOWED_NODES = frozenset(
    "Template Output TemplateData Name Const If For Compare Operand And Or Not Filter Test Getattr Getitem Slice "
    "CondExpr Add Sub Neg Pos List Tuple Keyword".split()
)
ALLOWED_TESTS = frozenset(
    "defined undefined none string number mapping sequence iterable true false boolean integer float odd even "
    "in eq equalto == ne != lt < gt > le <= ge >= lower upper".split()
)
PLAIN_FILTERS = (
    "upper lower capitalize title length count default d first last string int float sort unique reverse wordcount "
    "escape e"
).split()

_ALTERNATIVE = "Templates put in variables, and use if, for over a given list, and simple filters."


class TooLong(Exception):
    """A template writes or handles more than it may."""


class _Work(threading.local):
    left = 0


_work = _Work()


def _spend(*values: Any) -> None:
    """Pay for handling these values: a text by its length, a list by all that is in it."""
    stack = list(values)
    while stack:
        value = stack.pop()
        _work.left -= len(value) if isinstance(value, str) else 1
        if isinstance(value, Mapping):
            stack += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            stack += value
        if _work.left < 0:
            raise TooLong


def _paid(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter or test, paid for; what it gives is a value, and a text of bounded length."""

    @wraps(function)  # keeps the attribute by which Jinja knows filters that want the environment
    def run(*args: Any, **kwargs: Any) -> Any:
        _spend(*args, *kwargs.values())
        result = function(*args, **kwargs)
        result = list(result) if isinstance(result, Iterator) else result
        _spend(result)
        if isinstance(result, str) and len(result) > MAX_RENDERED:
            raise TooLong
        return result

    return run


def _trim(text: Any) -> str:
    return str(text).strip()


def _tojson(value: Any) -> Any:
    import jinja2
    from jinja2.utils import htmlsafe_json_dumps

    if isinstance(value, jinja2.Undefined):
        str(value)  # says which name is unknown
    return htmlsafe_json_dumps(value, sort_keys=True)


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


def _given_list(value: Any, body: int) -> Any:
    """What a loop goes over: a list, tuple or mapping that was given, of a bounded length. body: nodes in the loop."""
    import jinja2

    if isinstance(value, jinja2.Undefined):
        iter(value)  # says which name is unknown
    if not isinstance(value, list | tuple | Mapping):
        raise PromptError(f"a loop needs a given list, not {type(value).__name__}")
    if len(value) > MAX_LIST:
        raise PromptError(f"a loop goes over at most {MAX_LIST} entries, this list has {len(value)}")
    _work.left -= len(value) * body * TURN
    if _work.left < 0:
        raise TooLong
    return value


def _written(value: Any) -> Any:
    """A value that a template writes down: text, number, list or mapping, and nothing of the machinery."""
    import jinja2

    if isinstance(value, str | jinja2.Undefined):  # which says by itself that it is unknown
        return value
    if value is not None and not isinstance(value, int | float | list | tuple | Mapping):
        raise PromptError(f"{type(value).__name__} is nothing that can be written down")
    _spend(value)
    return value


@cache
def _environment() -> Any:
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    class Environment(SandboxedEnvironment):
        intercepted_binops = frozenset(["+"])

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _spend(left, right)
            if isinstance(left, list | tuple):
                raise PromptError("lists cannot be added")
            return left + right

    environment = Environment(undefined=jinja2.StrictUndefined, autoescape=False, finalize=_written)
    filters: dict[str, Callable[..., Any]] = {name: environment.filters[name] for name in PLAIN_FILTERS}
    filters |= {"trim": _trim, "tojson": _tojson, "replace": _replace, "join": _join}
    environment.filters = {name: _paid(function) for name, function in filters.items()} | {"_given_list": _given_list}
    tests: Any = environment.tests
    environment.tests = {name: _paid(tests[name]) for name in ALLOWED_TESTS}
    environment.globals = {}
    return environment


def _needed(tree: Any, given: Collection[str]) -> dict[str, int]:
    """The variables that every rendering reads, with their lines: of those in a condition or a loop nobody knows."""
    from jinja2 import nodes

    printed = [part for output in tree.body if isinstance(output, nodes.Output) for part in output.nodes]
    parts = [[part, *part.find_all(nodes.Node)] for part in printed]
    unsure = (nodes.Test, nodes.CondExpr, nodes.And, nodes.Or)
    sure = [part for part in parts if not any(isinstance(n, unsure) or _is_default(n) for n in part)]
    names = [node for part in sure for node in part if isinstance(node, nodes.Name)]
    return {node.name: node.lineno for node in names if node.name not in given}


def _is_default(node: Any) -> bool:
    return type(node).__name__ == "Filter" and node.name in ("default", "d")


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
        try:
            tree = environment.parse(source)
            self._check(tree, 0, 0)
            self._needed = _needed(tree, environment.globals)
            for loop in tree.find_all(nodes.For):
                body = nodes.Const(1 + sum(1 for _ in loop.find_all(nodes.Node)))
                loop.iter = nodes.Filter(loop.iter, "_given_list", [body], [], None, None, lineno=loop.lineno)
            code = environment.compile(tree)
        except PromptError:
            raise
        except jinja2.TemplateSyntaxError as error:
            raise PromptError(
                f"{self._at(error.lineno)}: {(error.message or '').rstrip('.')}. Mend the template."
            ) from None
        except RecursionError:
            raise PromptError(f"{where} is nested too deeply. Write it flatter.") from None
        except Exception as error:  # numbers of thousands of digits, and whatever else Python refuses
            raise PromptError(f"{where}: {type(error).__name__}: {error}. Mend the template.") from None
        self._template = environment.template_class.from_code(environment, code, {})

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Raises PromptError, as `render` does, if any row that has these columns and no others cannot be rendered."""
        for name, line in self._needed.items():
            if name not in known:
                raise PromptError(f"{self._at(line)}: {name!r} is undefined. Known here: {', '.join(sorted(known))}.")

    def render(self, values: Mapping[str, Any]) -> str:
        """The text with the values put in. Raises PromptError naming an unknown variable, the file and the line."""
        import jinja2

        pieces, size, _work.left = [], 0, MAX_WORK
        try:
            for piece in self._template.generate(values):
                size += len(piece)
                if size > MAX_RENDERED:
                    raise TooLong
                pieces.append(piece)
        except TooLong:
            raise PromptError(
                f"{self.where} renders to more than {MAX_RENDERED:,} characters, or is too much work. Shorten the "
                "template or the row."
            ) from None
        except jinja2.UndefinedError as error:
            known = ", ".join(sorted(map(str, values)))
            raise PromptError(f"{self._place(error)}: {error}. Known here: {known}.") from None
        except PromptError as error:
            raise PromptError(f"{self._place(error)}: {error}. Mend the template or the row.") from None
        except Exception as error:  # whatever a filter makes of the values that it was given
            words = f"{type(error).__name__}: {error}".rstrip(".")
            raise PromptError(f"{self._place(error)}: {words}. Mend the template.") from None
        return "".join(pieces)

    def _place(self, error: BaseException) -> str:
        """Where in the file a rendering failed; Jinja puts the template's lines into the traceback."""
        lines, step = [], error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename == "<template>":
                lines.append(step.tb_lineno)
            step = step.tb_next
        return self._at(lines[-1]) if lines else self.where

    def _at(self, line: int) -> str:
        return f"{self.where}, line {self.line + line - 1}"

    def _check(self, node: Any, depth: int, nesting: int) -> None:
        from jinja2 import nodes

        kind = type(node).__name__
        place = self._at(getattr(node, "lineno", None) or 1)
        if kind not in ALLOWED_NODES:
            raise PromptError(
                f"{place}: a prompt cannot use {words('templates').get(kind, kind.lower())}. {_ALTERNATIVE}"
            )
        if nesting > MAX_NESTING:
            raise PromptError(f"{place}: the template is nested more than {MAX_NESTING} deep. Write it flatter.")
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
            self._check(child, depth, nesting + 1)
