"""The part of Jinja2 that a prompt may use: bounded work, no calls, unknown names are errors.

Jinja's own sandbox keeps a template from reaching Python, but does not bound its work (`range(99999)` twice nested,
`'x' * 300000000`). So a template is checked when it is loaded, by walking its syntax tree: only the node kinds listed
here pass, loops go over given lists only, two deep. What is left can make nothing larger than what it reads, but by
the few filters below. So every value that is read or filtered, and every turn of a loop, is paid for when the
template is rendered, by its length; what cannot be paid is an error.
"""

import threading
import traceback
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.filters import FILTERS
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import htmlsafe_json_dumps
from jinja2.visitor import NodeTransformer

from sdgkit.errors import PromptError
from sdgkit.texts import load_texts

MAX_RENDERED = 1_000_000  # characters of one rendered part
MAX_TEMPLATE = 100_000  # characters of one part's source
MAX_WORK = 30_000_000  # characters that one rendering may handle: some tenths of a second
STEP = 100  # characters, that one value or one node in the body of a loop counts for in any case

ALLOWED_NODES = frozenset(
    "Output TemplateData Name Const If For Compare Operand And Or Not Filter Test Getattr Getitem Slice CondExpr Add "
    "Sub Neg Pos List Tuple Keyword".split()
)
PLAIN_FILTERS = "capitalize count d default first last length lower string title upper".split()
PAY, LOOP = "(pay)", "(loop)"  # filters of our own, which no template can name

_ALTERNATIVE = (
    "Templates put in variables, and use if, for over a given list, and the filters "
    f"{', '.join(sorted([*PLAIN_FILTERS, 'join', 'tojson', 'trim']))}."
)
_TOO_LONG = f"it renders to more than {MAX_RENDERED:,} characters, or is too much work"
_work = threading.local()


def _spend(characters: int) -> None:
    _work.left -= characters
    if _work.left < 0:
        raise PromptError(_TOO_LONG)


def _pay(value: Any) -> Any:
    _spend(STEP if isinstance(value, Undefined) else STEP + len(str(value)))
    return value


def _loop(value: Any, body: int) -> Any:
    if not isinstance(value, list | tuple | Mapping | Undefined):
        raise PromptError(f"a loop needs a given list, not {type(value).__name__}")
    _spend(len(value) * body * STEP)  # an unknown name says here that it is one
    return value


def _join(values: Sequence[Any], separator: str = "") -> str:
    _spend(len(values) * len(separator))
    return separator.join(map(str, values))


def _tojson(value: Any) -> str:
    return str(htmlsafe_json_dumps(value, sort_keys=True, default=str))


def _trim(text: Any) -> str:
    return str(text).strip()


class _Paid(NodeTransformer):
    """Has every value paid for, and every turn of a loop."""

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        return _filtered(node, PAY) if node.ctx == "load" else node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        return _filtered(self.generic_visit(node), PAY)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        body = sum(1 for _ in node.find_all(nodes.Node))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, LOOP, nodes.Const(body))
        return node


def _below_filters(node: Any) -> Any:
    """What is filtered and looked into, unless it may be unknown."""
    while isinstance(node, nodes.Filter | nodes.Getattr) and getattr(node, "name", "") not in (
        "default",
        "d",
    ):
        node = node.node
    return node


def _filtered(node: Any, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, [*arguments], [], None, None, lineno=node.lineno)


class _Environment(SandboxedEnvironment):
    """Gives no methods: nobody can call them, and their text would tell where things lie in memory."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return not callable(value) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(
        self, value: Any
    ) -> None:  # which would come before the question whether it is safe
        return None


_ENVIRONMENT = _Environment(undefined=StrictUndefined, autoescape=False)
_ENVIRONMENT.globals = {}
_ENVIRONMENT.filters = {name: FILTERS[name] for name in PLAIN_FILTERS}
_ENVIRONMENT.filters |= {"join": _join, "tojson": _tojson, "trim": _trim, PAY: _pay, LOOP: _loop}
_NAMES: dict[str, Mapping[str, Any]] = {"Filter": _ENVIRONMENT.filters, "Test": _ENVIRONMENT.tests}


class Template:
    """One part of a prompt, checked and compiled.

    source: the Jinja2 text. where: the file and part, for messages. line: the line of the file in which the source
    begins. Raises PromptError for what a template may not use.
    """

    def __init__(self, source: str, *, where: str = "prompt", line: int = 1) -> None:
        self.where, self.line = where, line
        if len(source) > MAX_TEMPLATE:
            raise PromptError(
                f"{where} has {len(source):,} characters; a part holds at most {MAX_TEMPLATE:,}."
            )
        _work.left = MAX_WORK  # what is constant is worked out when the template is compiled
        try:
            tree = _ENVIRONMENT.parse(source)
            self._check(tree)
            printed = [
                part
                for output in tree.body
                if isinstance(output, nodes.Output)
                for part in output.nodes
            ]
            inner = [_below_filters(part) for part in printed]
            self._needed = {
                part.name: part.lineno for part in inner if isinstance(part, nodes.Name)
            }
            code = _ENVIRONMENT.compile(_Paid().visit(tree))
        except TemplateSyntaxError as error:
            raise PromptError(
                f"{self._at(error.lineno)}: {str(error.message).rstrip('.')}. {_ALTERNATIVE}"
            ) from None
        except PromptError:
            raise
        except (
            Exception
        ) as error:  # numbers of thousands of digits, nesting, and whatever else Python refuses
            raise PromptError(
                f"{where}: {type(error).__name__}: {error}. Write it shorter and flatter."
            ) from None
        self._template = _ENVIRONMENT.template_class.from_code(_ENVIRONMENT, code, {})

    def _check(self, tree: nodes.Template) -> None:
        for node in tree.find_all(nodes.Node):
            kind, refused = type(node).__name__, ""
            if kind not in ALLOWED_NODES:
                refused = f"use {load_texts('templates').get(kind, kind.lower())}"
            elif isinstance(node, nodes.Filter | nodes.Test) and node.name not in _NAMES[kind]:
                refused = f"use the {kind.lower()} {node.name!r}"  # in a condition, Jinja would find it late
            elif isinstance(node, nodes.For):
                if not isinstance(node.iter, nodes.Name | nodes.Getattr | nodes.Getitem):
                    refused = "loop over anything but a given list"
                elif any(inner.find(nodes.For) for inner in node.find_all(nodes.For)):
                    refused = "hold loops more than two deep"
            if refused:
                raise PromptError(
                    f"{self._at(node.lineno)}: a prompt cannot {refused}. {_ALTERNATIVE}"
                )

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Raises PromptError, as `render` does, for a variable that is put in in any case and is not among these."""
        for name, line in self._needed.items():
            if name not in known:
                raise PromptError(
                    f"{self._at(line)}: {name!r} is undefined. Known here: {', '.join(sorted(known))}."
                )

    def render(self, values: Mapping[str, Any]) -> str:
        """The text with the values put in. Raises PromptError naming an unknown variable, the file and the line."""
        pieces, size, _work.left = [], 0, MAX_WORK
        try:
            for piece in self._template.generate(values):
                size += len(piece)
                if size > MAX_RENDERED:
                    raise PromptError(_TOO_LONG)
                pieces.append(piece)
        except Exception as error:  # whatever a filter makes of the values that it was given
            steps = traceback.walk_tb(
                error.__traceback__
            )  # into which Jinja puts the template's lines
            lines = [line for frame, line in steps if frame.f_code.co_filename == "<template>"]
            place = self._at(lines[-1]) if lines else self.where
            known = f"Known here: {', '.join(sorted(values))}"
            advice = known if isinstance(error, UndefinedError) else "Mend the template or the row"
            raise PromptError(f"{place}: {str(error).rstrip('.')}. {advice}.") from None
        return "".join(pieces)

    def _at(self, line: int | None) -> str:
        return f"{self.where}, line {self.line + (line or 1) - 1}"
