"""Samples for others: runs merged into one training set, or pushed to the Hugging Face Hub."""

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from sdgkit.errors import RunError, SettingsError
from sdgkit.export.training_set import Part, TrainingSet, merged
from sdgkit.keywords import known_keywords
from sdgkit.run import Run, open_run

RunSource: TypeAlias = Run | str | Path
"""A `Run`, or the folder of one."""

LONGEST_CAUSE = 300
"""Characters of the Hub's own error message that are shown."""


@known_keywords
def merge(
    runs: Sequence[RunSource],
    path: str | Path,
    format: str = "messages",
    *,
    test_share: float | None = None,
) -> int:
    """Write the samples of several runs into one file or folder.

    Each row has a column `skill` (the name of its run) and an id that begins with its run's folder.
    Where runs share a question, the first run's is kept.

    Args:
        runs: The runs, or their folders; at least two.
        path: The file or folder to write.
        format: As for `Run.export`.
        test_share: As for `Run.export`.

    Returns:
        How many rows were written.

    Raises:
        SettingsError: Some runs are rehearsals and others are not, or the format or the share is
            unknown.
        RunError: A folder holds no run, or the file cannot be written.
    """
    sources = [runs] if isinstance(runs, Run | str | Path) else runs
    parts = _with_different_keys(_opened(source).part() for source in sources)
    return merged(parts).write(format, path, test_share=test_share)


@known_keywords
def push(
    run: RunSource,
    repo_id: str,
    *,
    private: bool = True,
    test_share: float | None = None,
    token: str | None = None,
) -> str:
    """Push the samples of a run to the Hugging Face Hub, as a dataset with a card and splits.

    Samples that the review rejected are left out; edited ones are pushed as edited. `HF_ENDPOINT`
    names another hub. Apart from seeds named `hub:OWNER/NAME`, nothing else in sdgkit uses a hub.

    Args:
        run: The run, or its folder.
        repo_id: The dataset's name on the Hub, OWNER/NAME; it is created if it does not exist.
        private: Whether only its owner can see a new dataset.
        test_share: The share of contexts in the test split (default 0.1).
        token: A token with write access (default: the one in `HF_TOKEN`, or of `hf auth login`).

    Returns:
        The address of the dataset.

    Raises:
        SettingsError: The name is not valid.
        RunError: The run has no samples, or the Hub refused them.
    """
    from huggingface_hub import HfApi, constants

    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo_id):
        raise SettingsError(
            f"{repo_id!r} is not a valid Hub dataset name. Use OWNER/NAME.", setting="repo_id"
        )
    # Otherwise, its client would report what runs here.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    part = _opened(run).part()
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    with tempfile.TemporaryDirectory(prefix="sdgkit-push-") as folder:
        if not TrainingSet(part).write("datasets", folder, test_share=test_share):
            raise RunError(
                f"{part.skill} has no samples to push. To see where they went, use run.explain()."
            )
        try:
            address = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
            api.upload_folder(
                repo_id=repo_id,
                repo_type="dataset",
                folder_path=folder,
                commit_message="Samples made with sdgkit",
            )
        except Exception as error:  # the client raises those of several libraries
            cause = " ".join(str(error).split())[:LONGEST_CAUSE]
            raise RunError(
                f"{repo_id} could not be pushed: {cause}. Try again with a token that has write "
                "access, in HF_TOKEN or from `hf auth login`."
            ) from error
    return str(address)


def _opened(source: RunSource) -> Run:
    return source if isinstance(source, Run) else open_run(source)


def _with_different_keys(parts: Iterable[Part]) -> list[Part]:
    """The parts, each with a key of its own: runs in folders of the same name are numbered."""
    distinct: list[Part] = []
    taken: set[str] = set()
    for part in parts:
        key = part.key
        number = 1
        while key in taken:
            number += 1
            key = f"{part.key}_{number}"
        taken.add(key)
        distinct.append(replace(part, key=key))
    return distinct
