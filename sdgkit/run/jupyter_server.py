"""The Jupyter server that started this kernel, as far as links to folders need it."""

import json
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

PARENT = "JPY_PARENT_PID"  # set in each kernel: the process that started it


def folder_address(folder: Path) -> str:
    """Where JupyterLab shows a folder, for a link; "" where no Jupyter server shows it.

    A link to a file needs no server: JupyterLab finds it from the notebook. Folders it does not
    open that way. Jupyter Notebook 7 brings JupyterLab with it, under the same address.

    Args:
        folder: The folder, absolute.
    """
    parent = os.environ.get(PARENT, "")
    if not parent:
        return ""
    from jupyter_core.paths import jupyter_runtime_dir

    with suppress(OSError, ValueError, KeyError):  # another program started it, or the file is new
        record = json.loads(Path(jupyter_runtime_dir(), f"jpserver-{parent}.json").read_text())
        shown = folder.resolve().relative_to(Path(record["root_dir"]).resolve())
        return f"{record['base_url']}lab/tree/{quote(shown.as_posix())}"
    return ""
