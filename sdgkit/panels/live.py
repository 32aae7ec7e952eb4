"""Whether the front end behind this kernel can show a live panel."""

import os

from sdgkit.errors import SettingsError

VARIABLE = "SDGKIT_PANELS"  # "live" or "static": the user's own word
# Set in their kernels by JupyterLab (jupyter_server) and by Voila; papermill and nbconvert set neither.
LIVE = ("JPY_SESSION_NAME", "VOILA_KERNEL_ID")


def reason_for_a_still_picture() -> str | None:
    """Why a panel is shown as a still picture, as a sentence ("" if the user wants it so); None if it is shown live.

    Raises SettingsError if SDGKIT_PANELS says something else than live or static.
    """
    wanted = os.environ.get(VARIABLE, "").strip().lower()
    if wanted not in ("", "live", "static"):
        raise SettingsError(f'{VARIABLE} is "live" or "static" (or not set), not {wanted!r}.')
    if wanted == "static":
        return ""
    if wanted == "live" or any(os.environ.get(mark) for mark in LIVE):
        return None
    way = f"Run `%env {VARIABLE}=live` in a cell, and this one again, to try it live."
    return f"A still picture: no JupyterLab or Voila is behind this kernel. {way}"
