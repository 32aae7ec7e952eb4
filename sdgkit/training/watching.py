"""A training that you can watch: one line with the loss and the time left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Trainer


def train(
    trainer: Trainer,
    *,
    look_after: Sequence[int] = (),
    look: Callable[[int], object] | None = None,
) -> float:
    """Train, and show how far it is.

    Args:
        trainer: TRL's `SFTTrainer`, or another of transformers' kind.
        look_after: Numbers of samples after which to look, at the next whole step.
        look: Called then with the number of samples; and once more at the end.

    Returns:
        Seconds that the training took, without the looking.
    """
    from transformers import PrinterCallback, ProgressCallback
    from transformers.utils.notebook import NotebookProgressCallback

    from sdgkit.training.callback import Watching

    for callback in (PrinterCallback, ProgressCallback, NotebookProgressCallback):
        trainer.remove_callback(callback)
    watching = Watching(len(trainer.train_dataset), look_after, look)
    trainer.add_callback(watching)
    trainer.train()
    return watching.training_s
