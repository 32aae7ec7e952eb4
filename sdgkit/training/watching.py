"""A training that you can watch: one line with the loss and the time left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sdgkit.training.callback import Watching

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
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback
    from transformers.utils.notebook import NotebookProgressCallback

    class Callback(Watching, TrainerCallback):  # type: ignore[misc]  # transformers has no types here
        """What is watching, as transformers takes it."""

    for callback in (PrinterCallback, ProgressCallback, NotebookProgressCallback):
        trainer.remove_callback(callback)
    watching = Callback(len(trainer.train_dataset), look_after, look)
    trainer.add_callback(watching)
    trainer.train()
    trainer.remove_callback(watching)
    return watching.training_s
