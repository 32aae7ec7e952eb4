"""Runs given out of the house: several merged into one training set, and one pushed to the Hugging Face Hub."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdgkit.errors import RunError, SettingsError
from sdgkit.export.training_set import Part, TrainingSet, merged
from sdgkit.run import Run, open_run

Runs = Sequence[Run | str | Path]


def merge(runs: Runs, path: str | Path, format: str = "messages", *, test_share: float | None = None) -> int:
    """Write the samples of several runs into one file or folder; returns how many rows it has.

    runs: `Run`s or their folders. format: as in `Run.export`. Each row has the column `skill` (its run's name) and an
    id that begins with its run's folder. Of equal questions the first run's stays. Raises SettingsError for a
    rehearsal among others, RunError.
    """
    parts: list[Part] = []
    for run in [runs] if isinstance(runs, Run | str | Path) else runs:
        part = (run if isinstance(run, Run) else open_run(run)).part()
        others = [other.key for other in parts]
        numbered = (f"{part.key}_{number}" for number in range(2, len(parts) + 3))
        parts.append(replace(part, key=next(key for key in (part.key, *numbered) if key not in others)))
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

    constants.HF_HUB_DISABLE_TELEMETRY = True  # else its client says what runs here, and asks for a list of such names
    part = (run if isinstance(run, Run) else open_run(run)).part()
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    with tempfile.TemporaryDirectory(prefix="sdgkit-push-") as folder:
        if not TrainingSet(part).write("datasets", folder, test_share=test_share):
            raise RunError(f"{part.skill} has no samples to push. run.explain() shows where they went.")
        try:
            address = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
            api.upload_folder(
                repo_id=repo_id, repo_type="dataset", folder_path=folder, commit_message="Samples made with sdgkit"
            )
        except Exception as error:
            raise _explained(error, repo_id) from error
    return str(address)


def _explained(error: Exception, repo_id: str) -> SettingsError | RunError:
    """What went wrong at the hub, as one of our errors. Its client has many, over several libraries."""
    status: Any = getattr(getattr(error, "response", None), "status_code", None)
    words = " ".join(str(error).split())[:300]
    if type(error).__name__ == "HFValidationError":
        return SettingsError(f"{repo_id!r} is no name of a dataset on the Hub. Give OWNER/NAME. ({words})")
    if status in (401, 403) or type(error).__name__ == "LocalTokenNotFoundError":
        return RunError(
            f"The Hub does not let you write {repo_id}. Set HF_TOKEN to a token that may write, or run `hf auth login`."
        )
    return RunError(f"{repo_id} could not be pushed: {words}. Nothing is lost; the same command tries it again.")
