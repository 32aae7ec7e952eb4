"""Whether the front end behind this kernel can show a live panel."""

import os

VARIABLE = "SDGKIT_PANELS"  # "live" or "static": the user's own word
# Set in their kernels by JupyterLab (jupyter_server) and by Voila; papermill and nbconvert set neither.
LIVE = ("JPY_SESSION_NAME", "VOILA_KERNEL_ID")


def reason_for_a_still_picture() -> str | None:
    """Why a panel is shown as a still picture, as a sentence ("" if the user wants it so); None if it is shown live."""
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    if wanted == "live" or (not wanted and any(os.environ.get(mark) for mark in LIVE)):
        return None
    way = f"Run `%env {VARIABLE}=live` in a cell, and this one again, to try it live."
    return (
        ""
        if wanted == "static"
        else f"A still picture: no JupyterLab or Voila is behind this kernel. {way}"
    )
