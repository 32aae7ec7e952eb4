"""Templates, stylesheet and texts of what a run leaves to read, and the one way to fill them.

Whatever a template prints passes through `visible`, and in HTML and SVG it is escaped as well. So a reply can
hold tags, control characters or text that runs backwards, and still only be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.formatting import (
    clip,
    format_number,
    format_value,
    markdown_block,
    markdown_code,
    pluralize,
    visible,
)

if TYPE_CHECKING:
    import jinja2


def fill(template: str, /, **values: Any) -> Iterator[str]:
    """The filled template from this folder, piece by piece."""
    return _templates().get_template(template).generate(**values)


@cache
def _templates() -> jinja2.Environment:
    import jinja2

    from sdgkit.pages.picture import described, reasons
    from sdgkit.samples import own_question, seed_of

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: name is not None and not name.endswith((".md", ".txt")),
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        format_number,
        pluralize,
        clip,
        format_value,
        markdown_code,
        markdown_block,
        described,
        reasons,
        own_question,
        seed_of,
    )
    environment.filters |= {filter_.__name__: filter_ for filter_ in filters}
    environment.filters["visible"] = _printable
    environment.filters["json"] = partial(json.dumps, ensure_ascii=False)
    return environment


def _printable(value: object) -> object:
    """What a template prints: text made `visible`, unless it is markup of our own; other values unchanged."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value
