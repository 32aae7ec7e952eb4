"""Finds and reads prompt files: your own where you have them, the shipped ones otherwise."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from sdgkit.errors import PromptError
from sdgkit.files import refuse_endless, shipped
from sdgkit.keywords import known_keywords
from sdgkit.prompts.prompt import Prompt


@known_keywords
def load_prompt(path: str | Path) -> Prompt:
    """Load the prompt in a YAML file. It is named after the file.

    Args:
        path: The file, such as `prompts/gen_contexts.yaml`.

    Raises:
        PromptError: If the file cannot be read or used; with file, line and part.
        SettingsError: For a sampling setting that does not exist or is out of its range.
    """
    path = Path(path)
    return Prompt.from_yaml(read_text(path), path.stem, path.name)


def read_text(path: Path) -> str:
    """The text of a prompt file.

    Raises:
        PromptError: If the file cannot be read, or is not UTF-8.
    """
    try:
        refuse_endless(path)
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text. Save it as UTF-8"
    except OSError as error:
        reason = f"{error.strerror}. Check the name and the folder"
    raise PromptError(f"Cannot read the prompt {path}: {reason}.", file=path)


def load_prompts(
    names: Sequence[str],
    method: str,
    folder: str | Path | None = None,
    own_prompts: Mapping[str, Prompt] | None = None,
    *,
    other_names: Collection[str] = (),
) -> dict[str, Prompt]:
    """Load the prompts of some stages.

    Args:
        names: The names of the stages.
        method: "grounded" or "freeform": which shipped prompts to use.
        folder: Your folder of prompts. A file NAME.yaml in it, or in its folder named after the
            method, comes before all other prompts of that name.
        own_prompts: Prompts that come after those of the folder and before the shipped ones.
        other_names: Names of other stages whose files the folder may hold as well.

    Returns:
        The prompts by name; a name that has none is left out.

    Raises:
        PromptError: If a prompt cannot be used, if the folder does not exist, or if it holds a
            file that is not named after a stage.
        SettingsError: For a sampling setting that does not exist or is out of its range.
    """
    own_files = {}
    if folder is not None:
        own_files = _own_files(Path(folder), names, method, other_names)
    prompts = {}
    for name in names:
        shipped_file = shipped("prompts") / method / f"{name}.yaml"
        if name in own_files:
            prompts[name] = load_prompt(own_files[name])
        elif own_prompts is not None and name in own_prompts:
            prompts[name] = own_prompts[name]
        elif shipped_file.exists():
            prompts[name] = load_prompt(shipped_file)
    return prompts


def _own_files(
    folder: Path, names: Sequence[str], method: str, other_names: Collection[str]
) -> dict[str, Path]:
    """The prompt files in a user's folder, by the name of their stage."""
    if not folder.is_dir():
        raise PromptError(
            f"There is no folder of prompts at {folder}. Create it, or leave out --prompts.",
            file=folder,
        )
    stages = {*names, *other_names, *(path.stem for path in shipped("prompts").glob("*/*.yaml"))}
    if (folder / method).is_dir():
        folder = folder / method
    files = {}
    for path in sorted(folder.glob("*.y*ml")):
        if path.stem not in stages or path.suffix == ".yml":  # most likely a typing error
            expected = ", ".join(f"{name}.yaml" for name in names)
            raise PromptError(
                f"{path} is not named after a stage, so it would never be used. "
                f"Rename it to one of {expected}.",
                file=path,
            )
        files[path.stem] = path
    return files
