"""Seeds from a folder that is no skill's: what `save_to_disk` writes, or files as on the Hub."""

import json
import os
import re
from pathlib import Path

from sdgkit.errors import SeedError
from sdgkit.seeds.dataset_card import CARD, files_named_in_card
from sdgkit.seeds.skill_files import STEMS

QNA_NAMES = ("qna.yaml", "qna.yml")
# Of a folder that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote.
_STATE_FILE = "state.json"
_SPLITS_FILE = "dataset_dict.json"
# What a run leaves in its folder.
_RUN_FILES = ("summary.json", "dropped.jsonl")
TRAIN = "train"
_OTHER_SPLITS = ("validation", "valid", "val", "dev", "test", "eval")
HUB_PREFIX = "hub:"
_HUB_NAME = re.compile(r"hub:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
MOST_HUB_BYTES = 2**30
DATA_SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".arrow", ".xlsx")


def files_in(folder: Path, *, follow_links: bool = False) -> list[Path]:
    """The files of a folder that hold its rows, in order.

    Args:
        folder: What `save_to_disk` wrote, or data files as on the Hub; of several splits, `train`
            is read.
        follow_links: Read what links out of the folder point to, as the Hub's own cache has them.

    Raises:
        SeedError: It holds no rows, or files of several kinds.
    """
    if all((folder / name).exists() for name in _RUN_FILES):
        raise SeedError(
            f"{folder}: the folder of a run whose journal is missing. Give its seeds.jsonl.",
            file=folder,
        )
    if (folder / _SPLITS_FILE).is_file():
        return files_in(_chosen_split(folder))
    if (folder / _STATE_FILE).is_file():
        return _arrow_files(folder)
    return _data_files(folder, follow_links)


def _chosen_split(folder: Path) -> Path:
    splits = _json_of(folder / _SPLITS_FILE).get("splits")
    names = []
    if isinstance(splits, list):
        names = [name for name in splits if isinstance(name, str)]
    if TRAIN in names:
        return folder / TRAIN
    if len(names) == 1 and Path(names[0]).name == names[0]:
        return folder / names[0]
    raise SeedError(
        f"{folder}: a dataset with the splits {', '.join(names) or 'unknown'}. Give the folder of "
        "one of them.",
        file=folder,
    )


def _arrow_files(folder: Path) -> list[Path]:
    entries = _json_of(folder / _STATE_FILE).get("_data_files")
    if not isinstance(entries, list):
        entries = []
    names = []
    for entry in entries:
        name = None
        if isinstance(entry, dict):
            name = entry.get("filename")
        # The folder may be a stranger's: nothing outside it is read.
        if isinstance(name, str) and Path(name).name == name:
            names.append(name)
    if not names:
        raise SeedError(f"{folder}: {_STATE_FILE} names no file of this dataset.", file=folder)
    return [folder / name for name in names]


def _json_of(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SeedError(f"{path}: cannot be read ({error}).", file=path) from error
    if isinstance(value, dict):
        return value
    return {}


def _data_files(folder: Path, follow_links: bool) -> list[Path]:
    files = files_named_in_card(folder, TRAIN)
    is_chosen = bool(files)
    if not is_chosen:
        for path in sorted(folder.rglob("*")):
            if _is_data(path, folder):
                files.append(path)
    if not follow_links:
        # The folder may be a stranger's: nothing outside it is read.
        inside = folder.resolve()
        files = [path for path in files if path.resolve().is_relative_to(inside)]
    if not files:
        raise SeedError(
            f"{folder} holds no run, no skill and no data files. Give a "
            "seed file, the folder of a run, or a folder with seeds.jsonl (or qna.yaml) in it.",
            file=folder,
        )
    if not is_chosen:
        files = _of_one_split(files, folder)
    suffixes = sorted({path.suffix.lower() for path in files})
    if len(suffixes) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in files[:4])
        raise SeedError(
            f"{folder}: several kinds of data file ({names}). Give one of the files.", file=folder
        )
    return files


def _of_one_split(files: list[Path], folder: Path) -> list[Path]:
    """The files of `train`; all of them where their names tell of no split, or of one."""
    by_split: dict[str, list[Path]] = {}
    for path in files:
        for split in (TRAIN, *_OTHER_SPLITS):
            if _is_of_split(path, folder, split):
                by_split.setdefault(split, []).append(path)
    if TRAIN in by_split:
        return by_split[TRAIN]
    if len(by_split) > 1:
        raise SeedError(
            f"{folder}: a dataset with the splits {', '.join(by_split)}. Give the file of one of "
            "them.",
            file=folder,
        )
    return files


def _is_data(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    is_hidden = any(part.startswith((".", "~$")) for part in parts)
    is_about_data = path.name in ("dataset_infos.json", "dataset_info.json", "config.json")
    has_suffix = path.suffix.lower() in DATA_SUFFIXES
    is_of_skill = path.stem.lower() in STEMS  # in a folder below: one of several skills
    is_data = has_suffix and not (is_hidden or is_about_data or is_of_skill)
    return is_data and path.is_file()


def _is_of_split(path: Path, folder: Path, split: str) -> bool:
    words = re.split(r"[^a-z0-9]+", str(path.relative_to(folder)).lower())
    return split in words


def is_on_hub(source: object) -> bool:
    """Whether a source is a dataset on the Hub, such as `hub:owner/name`."""
    return isinstance(source, str) and source.startswith(HUB_PREFIX)


def download(source: str) -> Path:
    """The local folder of a dataset on the Hub; what is there already is not fetched again.

    Args:
        source: `hub:owner/name`, or `hub:owner/name@revision`.

    Raises:
        SeedError: The Hub does not have it, cannot be reached, or it is too large for seeds.
    """
    name = _HUB_NAME.fullmatch(source)
    if name is None:
        raise SeedError(
            f"{source!r} is not a valid Hub dataset name. Write hub:owner/name, or "
            "hub:owner/name@revision."
        )
    from huggingface_hub import HfApi, constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        info = api.dataset_info(name[1], revision=name[2], files_metadata=True)
        _refuse_large(source, info.siblings or ())
        folder = api.snapshot_download(
            name[1],
            repo_type="dataset",
            revision=info.sha or name[2],
            allow_patterns=[f"*{suffix}" for suffix in DATA_SUFFIXES] + [*QNA_NAMES, CARD],
        )
    except SeedError:
        raise
    except Exception as error:  # the Hub's own errors, and those of three HTTP libraries below it
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SeedError(
            f"{source}: the Hub cannot give this dataset ({reason[0][:300]}). Check its name, your "
            "network, and HF_TOKEN if it is private."
        ) from error
    return Path(folder)


def _refuse_large(source: str, files: object) -> None:
    if not isinstance(files, list | tuple):
        return
    size = 0
    for file in files:
        if str(file.rfilename).lower().endswith(DATA_SUFFIXES):
            size += file.size or 0
    if size > MOST_HUB_BYTES:
        raise SeedError(
            f"{source}: its files have {size:,} bytes, too many for seeds. Download the rows that "
            "you need and give them as a file."
        )
