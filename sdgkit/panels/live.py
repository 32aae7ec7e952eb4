"""Whether the front end behind this kernel can show a live panel."""

import os

VARIABLE = "SDGKIT_PANELS"  # "live" or "static": your own decision
# JupyterLab and Voila set these in their kernels; papermill and nbconvert set neither.
LIVE_MARKS = ("JPY_SESSION_NAME", "VOILA_KERNEL_ID")


def reason_for_still_picture() -> str | None:
    """Why panels are still pictures here.

    Returns:
        None if panels are live, "" if you asked for still pictures, otherwise the reason and what
        to do.
    """
    decision = os.environ.get(VARIABLE, "").strip().lower()
    if decision == "live":
        return None
    if decision == "static":
        return ""
    if not decision and any(os.environ.get(mark) for mark in LIVE_MARKS):
        return None
    return (
        "This is a still picture: neither JupyterLab nor Voila started this kernel. "
        f"To try it live, run `%env {VARIABLE}=live` in a cell, then run this cell again."
    )
