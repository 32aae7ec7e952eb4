"""What the documentation site needs beside mkdocs.yml: the notebooks as pages.

The notebooks are kept without outputs, so a page is their text and their code. As Markdown pages
they get the site's own look, and MkDocs checks their links as strictly as those of any other page.
"""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


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
