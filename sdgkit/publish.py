"""Runs given out of the house: several merged into one training set, and one pushed to the Hugging Face Hub."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sdgkit.errors import RunError, SettingsError
from sdgkit.export.training_set import Part, TrainingSet, merged
from sdgkit.run import Run, open_run


def merge(
    runs: Sequence[Run | str | Path],
    path: str | Path,
    format: str = "messages",
    *,
    test_share: float | None = None,
) -> int:
    """Write the samples of several runs into one file or folder; returns how many rows it has.

    runs: `Run`s or their folders. format: as in `Run.export`. Each row has the column `skill` (its run's name) and an
    id that begins with its run's folder. Of equal questions the first run's stays. Raises SettingsError for a
    rehearsal among others, RunError.
    """
    parts: list[Part] = []
    for run in [runs] if isinstance(runs, Run | str | Path) else runs:
        part = _opened(run).part()
        others = [other.key for other in parts]
        numbered = (f"{part.key}_{number}" for number in range(2, len(parts) + 3))
        parts.append(
            replace(part, key=next(key for key in (part.key, *numbered) if key not in others))
        )
    return merged(parts).write(format, path, test_share=test_share)


def push(
    run: Run | str | Path,
    repo_id: str,
    *,
    private: bool = True,
    test_share: float | None = None,
    token: str | None = None,
) -> str:
    """Push what the review lets through to the Hugging Face Hub as a dataset with card and splits; returns its address.

    repo_id: owner/name; made if it is not there. private: whether it is then seen by its owner only. token: by default
    that of HF_TOKEN or of `hf auth login`. HF_ENDPOINT names another hub. Nothing else of sdgkit connects to one.
    Raises SettingsError, RunError.
    """
    from huggingface_hub import HfApi, constants

    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo_id):
        raise SettingsError(f"{repo_id!r} is no name of a dataset on the Hub. Give OWNER/NAME.")
    constants.HF_HUB_DISABLE_TELEMETRY = (
        True  # else its client says what runs here, and asks for a list of such names
    )
    part = _opened(run).part()
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    with tempfile.TemporaryDirectory(prefix="sdgkit-push-") as folder:
        if not TrainingSet(part).write("datasets", folder, test_share=test_share):
            raise RunError(
                f"{part.skill} has no samples to push. run.explain() shows where they went."
            )
        try:
            address = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
            said = "Samples made with sdgkit"
            api.upload_folder(
                repo_id=repo_id, repo_type="dataset", folder_path=folder, commit_message=said
            )
        except Exception as error:  # its client has many, over several libraries
            words = " ".join(str(error).split())[:300]
            raise RunError(
                f"{repo_id} could not be pushed: {words}. The same command tries it again, with the token in HF_TOKEN "
                "(which must be allowed to write), or that of `hf auth login`."
            ) from error
    return str(address)


def _opened(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else open_run(run)
