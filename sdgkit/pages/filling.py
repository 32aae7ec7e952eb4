"""The templates of everything that a run leaves to read, and the one way to fill them.

Whatever a template prints passes through `visible`, and in HTML and SVG it is escaped as well. So a
reply may contain tags, control characters or reversed text, and is still only ever read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sdgkit.formatting import (
    clip,
    format_drops,
    format_number,
    format_percent,
    format_samples,
    format_value,
    inside_quotes,
    markdown_block,
    markdown_code,
    pluralize,
    visible,
)
from sdgkit.samples import own_question, seed_of

if TYPE_CHECKING:
    import jinja2

_UNESCAPED = (".md", ".txt")
_FILTERS = (
    clip,
    format_drops,
    format_number,
    format_percent,
    format_samples,
    format_value,
    inside_quotes,
    markdown_block,
    markdown_code,
    own_question,
    pluralize,
    seed_of,
)


def fill(template: str, /, **values: object) -> Iterator[str]:
    """Fill a template of this folder.

    Args:
        template: The template's file name, such as "report.html".
        values: What the template's variables stand for.

    Yields:
        The filled template, piece by piece, so that a long page need not fit into memory.
    """
    return _environment().get_template(template).generate(**values)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=_is_escaped,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {filter_.__name__: filter_ for filter_ in _FILTERS}
    environment.filters["visible"] = _printable
    environment.filters["json"] = partial(json.dumps, ensure_ascii=False)
    return environment


def _is_escaped(template: str | None) -> bool:
    """Whether values are escaped: in HTML and SVG, and not in Markdown and plain text."""
    return template is not None and not template.endswith(_UNESCAPED)


def _printable(value: object) -> object:
    """What a template prints: text is made `visible`, unless it is markup of our own."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value
