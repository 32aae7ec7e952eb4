"""What the documentation site needs beside mkdocs.yml.

The notebooks become pages: they are kept without outputs, so a page is their text and their code.
As Markdown pages they get the site's own look, and MkDocs checks their links as strictly as any.

The API reference shows a function that is made at runtime (a stage, a check) as `help` shows it,
and the examples in docstrings as code.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import sdgkit

# Pages --------------------------------------------------------------------------------------------


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put a Markdown page in the place of each notebook."""
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            notebook = json.loads(Path(str(file.abs_src_path)).read_text("utf-8"))
            page = File.generated(config, page_of(file.src_uri), content=as_markdown(notebook))
            files.remove(file)
            files.append(page)
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point the links to notebooks at their pages."""
    return re.sub(r"\]\(([\w./]+)\.ipynb", r"](\1.md", markdown)


def page_of(notebook: str) -> str:
    """The page that stands for this notebook."""
    return notebook.removesuffix(".ipynb") + ".md"


def as_markdown(notebook: dict[str, Any]) -> str:
    """The cells of a notebook as Markdown."""
    blocks = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        blocks.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(blocks) + "\n"


# API reference ------------------------------------------------------------------------------------


class Docstrings(griffe.Extension):
    """Makes the reference show what `help` shows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Name the examples in a docstring as griffe names them."""
        if obj.docstring is not None:
            obj.docstring.value = with_examples(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Document functions by their runtime signature, where they carry one of their own."""
        for name in sdgkit.__all__:
            replace_by_runtime(pkg, name, getattr(sdgkit, name))
        for name, maker in sdgkit.checks.MAKERS.items():
            replace_by_runtime(pkg["checks"], name, maker)


def replace_by_runtime(room: griffe.Module, name: str, value: object) -> None:
    """Document a public name by its value, if the value carries a signature of its own."""
    if "__signature__" in getattr(value, "__dict__", {}):
        room.set_member(name, as_function(name, value))


def as_function(name: str, value: Any) -> griffe.Function:
    """A callable value as the reference shows a function."""
    signature = inspect.signature(value)
    parameters = [as_parameter(parameter) for parameter in signature.parameters.values()]
    function = griffe.Function(
        name,
        parameters=griffe.Parameters(*parameters),
        returns=annotation_of(signature.return_annotation),
    )
    text = with_examples(inspect.getdoc(value) or "")
    function.docstring = griffe.Docstring(text, parent=function, parser=griffe.Parser.google)
    return function


def with_examples(docstring: str) -> str:
    """A docstring whose examples griffe shows as code: it takes an `Example:` for a remark."""
    return re.sub(r"^Example:$", "Examples:", docstring, flags=re.MULTILINE)


def as_parameter(parameter: inspect.Parameter) -> griffe.Parameter:
    """A parameter with its annotation and default as text."""
    default = None if parameter.default is parameter.empty else repr(parameter.default)
    return griffe.Parameter(
        parameter.name,
        annotation=annotation_of(parameter.annotation),
        kind=griffe.ParameterKind(parameter.kind.description),
        default=default,
    )


def annotation_of(annotation: Any) -> str | None:
    """An annotation as it is written, without the modules of its names."""
    if annotation is inspect.Parameter.empty:
        return None
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b[a-z_]\w*\.(?=\w)", "", text)
