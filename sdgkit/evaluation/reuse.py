"""Which requests the next run of a folder would repeat because a prompt was changed."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdgkit.journal import JOURNAL_FILE, Journal
from sdgkit.prompts import Prompt


def asked_again(prompt: Prompt, run_folder: str | Path | None, saved: Prompt) -> str:
    """Say which requests the next run repeats because of a prompt.

    Args:
        prompt: The prompt as it is being edited.
        run_folder: The folder of the run that would be resumed; None, or a folder without a run, if
            there is none yet.
        saved: The prompt as it was saved.

    Returns:
        A sentence; "" if there is nothing to say.
    """
    if run_folder is None or not (Path(run_folder) / JOURNAL_FILE).exists():
        if prompt == saved:
            return ""
        return (
            f"A resumed run repeats {prompt.name} and every stage after it; "
            "it reuses all earlier replies."
        )
    return _asked_again_in(Path(run_folder), prompt, saved)


def _asked_again_in(run_folder: Path, prompt: Prompt, saved: Prompt) -> str:
    """The sentence about a folder that holds a run."""
    with closing(Journal(run_folder, read_only=True)) as journal:
        newest = journal.newest()
        replies = journal.count_replies_by_stage()
    config: Mapping[str, Any] = {"prompts": {}}
    if newest is not None:
        config = newest.config
    recorded = config["prompts"].get(prompt.name)
    if recorded is None:
        return f"The run in {run_folder} has no stage {prompt.name}."
    # The run may have had sampling settings of its own, put over those of the prompt.
    as_recorded = replace(Prompt.from_json(prompt.name, recorded), sampling=saved.sampling)
    if prompt == as_recorded:
        return f"The next run in {run_folder} repeats no request because of this prompt."
    names = [stage["name"] for stage in config["stages"]]
    stages_to_repeat = names[names.index(prompt.name) :]
    lost = 0
    for name in stages_to_repeat:
        lost += replies.get(name, 0)
    return (
        f"The next run in {run_folder} repeats {prompt.name} and every stage after it: "
        f"{lost:,} of {sum(replies.values()):,} recorded replies cannot be reused."
    )
