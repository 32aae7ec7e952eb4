"""The part of Jinja2 that a prompt may use: no calls, and a bounded amount of work.

Jinja2's own sandbox keeps a template from reaching Python, but does not bound its work
(`range(99999)` in two nested loops, `'x' * 300000000`). So a template is checked when it is loaded,
by walking its syntax tree: only the kinds of node listed here pass, and loops iterate only over
lists from the row, nested at most two deep. Apart from a few filters, such a template cannot make
anything larger than what it reads. So every value that is read or filtered, and every pass through
a loop, spends part of a budget when the template is rendered; a template that exceeds the budget is
refused.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.environment import Template as CompiledTemplate
from jinja2.filters import FILTERS
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import htmlsafe_json_dumps
from jinja2.visitor import NodeTransformer

from sdgkit.texts import load_texts

MAX_RENDERED = 1_000_000  # characters of one rendered part
MAX_WORK = 30_000_000  # characters that one rendering may handle: a few tenths of a second
STEP = 100  # characters that a value, or a node in the body of a loop, costs at least

ALLOWED_NODES = frozenset(
    """
    Output TemplateData Name Const If For Compare Operand And Or Not Filter Test Getattr Getitem
    Slice CondExpr Add Sub Neg Pos List Tuple Keyword
    """.split()
)
PLAIN_FILTERS = (
    "capitalize",
    "count",
    "d",
    "default",
    "first",
    "last",
    "length",
    "lower",
    "string",
    "title",
    "upper",
)
OWN_FILTERS = ("join", "tojson", "trim")
# Filters that templates cannot name, because of the parentheses.
_PAY = "(pay)"
_PAY_LOOP = "(pay_loop)"

WHAT_TEMPLATES_CAN_DO = (
    "Templates can insert variables and use if, for over a list from the row, and the filters "
    f"{', '.join(sorted((*PLAIN_FILTERS, *OWN_FILTERS)))}."
)
TOO_MUCH = f"it renders to more than {MAX_RENDERED:,} characters, or takes too much work"


class Refused(Exception):
    """A template asks for something that it cannot have."""


# The budget -------------------------------------------------------------------------------------

_Value = TypeVar("_Value")

_budget = threading.local()


def renew_budget() -> None:
    """Give the template that this thread compiles or renders next its full budget of work."""
    _budget.left = MAX_WORK


def _spend(characters: int) -> None:
    _budget.left -= characters
    if _budget.left < 0:
        raise Refused(TOO_MUCH)


def _pay(value: _Value) -> _Value:
    """A filter around every value: spends its length."""
    length = STEP
    if not isinstance(value, Undefined):
        length = STEP + len(str(value))
    _spend(length)
    return value


def _pay_loop(values: object, nodes_in_body: int) -> object:
    """A filter around what a loop iterates over: spends all its passes."""
    if not isinstance(values, list | tuple | Mapping | Undefined):
        raise Refused(f"a loop needs a list from the row, not {type(values).__name__}")
    _spend(len(values) * nodes_in_body * STEP)  # raises for an undefined name
    return values


def _join(values: Sequence[Any], separator: str = "") -> str:
    _spend(len(values) * len(separator))
    return separator.join(map(str, values))


def _tojson(value: object) -> str:
    return str(htmlsafe_json_dumps(value, sort_keys=True, default=str))


def _trim(text: object) -> str:
    return str(text).strip()


class _PaymentInserter(NodeTransformer):
    """Puts the paying filters around all values and loops of a template."""

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.ctx != "load":
            return node
        return _filtered(node, _PAY)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        return _filtered(self.generic_visit(node), _PAY)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        nodes_in_body = 0
        for _ in node.find_all(nodes.Node):
            nodes_in_body += 1
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _PAY_LOOP, nodes.Const(nodes_in_body))
        return node


def _filtered(node: nodes.Node, filter_name: str, *arguments: nodes.Expr) -> nodes.Filter:
    assert isinstance(node, nodes.Expr), "only values are filtered"
    return nodes.Filter(node, filter_name, [*arguments], [], None, None, lineno=node.lineno)


# The environment --------------------------------------------------------------------------------


class _Environment(SandboxedEnvironment):
    """Hides methods: a template cannot call them, and their text shows memory addresses."""

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        return not callable(value) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: object) -> None:
        """Jinja2 asks this before it asks whether an attribute is safe."""
        return None


def _make_environment() -> _Environment:
    environment = _Environment(undefined=StrictUndefined, autoescape=False)
    environment.globals = {}
    environment.filters = {name: FILTERS[name] for name in PLAIN_FILTERS}
    environment.filters["join"] = _join
    environment.filters["tojson"] = _tojson
    environment.filters["trim"] = _trim
    environment.filters[_PAY] = _pay
    environment.filters[_PAY_LOOP] = _pay_loop
    return environment


_ENVIRONMENT = _make_environment()


def parse(source: str) -> nodes.Template:
    """The syntax tree of a template. Raises jinja2.TemplateSyntaxError."""
    return _ENVIRONMENT.parse(source)


def compile_template(tree: nodes.Template) -> CompiledTemplate:
    """Compile a syntax tree; this changes the tree."""
    code = _ENVIRONMENT.compile(_PaymentInserter().visit(tree))
    return _ENVIRONMENT.template_class.from_code(_ENVIRONMENT, code, {})


def refusal_of(node: nodes.Node) -> str:
    """Why a node is refused, after "a prompt cannot"; "" if it is allowed."""
    kind = type(node).__name__
    if kind not in ALLOWED_NODES:
        return f"use {load_texts('templates').get(kind, kind.lower())}"
    # Jinja2 would not find an unknown filter or test in a condition before it is rendered.
    if isinstance(node, nodes.Filter) and node.name not in _ENVIRONMENT.filters:
        return f"use the filter {node.name!r}"
    if isinstance(node, nodes.Test) and node.name not in _ENVIRONMENT.tests:
        return f"use the test {node.name!r}"
    if isinstance(node, nodes.For):
        if not isinstance(node.iter, nodes.Name | nodes.Getattr | nodes.Getitem):
            return "loop over anything but a list from the row"
        if any(inner.find(nodes.For) for inner in node.find_all(nodes.For)):
            return "nest loops more than two deep"
    return ""


def always_inserted(tree: nodes.Template) -> dict[str, int]:
    """The variables that a template inserts whatever the row holds, each with its last line."""
    lines = {}
    for output in tree.body:
        if isinstance(output, nodes.Output):
            for expression in output.nodes:
                name = _variable_of(expression)
                if name is not None:
                    lines[name.name] = name.lineno
    return lines


def _variable_of(expression: nodes.Node) -> nodes.Name | None:
    """The variable that an expression filters or looks into, unless it has a default."""
    node: nodes.Node | None = expression
    while isinstance(node, nodes.Filter | nodes.Getattr):
        if isinstance(node, nodes.Filter) and node.name in ("default", "d"):
            return None
        node = node.node
    if isinstance(node, nodes.Name):
        return node
    return None
