"""The parts of a run on which other machines work, each in a folder of its own in the run's.

They are there while a cluster works on the run, and after a cluster that was killed. The next
session takes their replies over into the journal of the whole, wherever it runs.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sdgkit.errors import FolderInUse
from sdgkit.files import JOURNAL_FILE, refuse_way_out
from sdgkit.journal import Journal, copy_replies

FOLDER = "cluster"
"""The folder of all shards, inside the run's."""

SHARD = "shard-"
"""How the folder of a shard begins; its number follows."""

WORKERS_END_S = 30.0
"""Seconds in which the workers of a cluster end after the process that started them."""

LOOK_S = 0.5
"""Seconds between two looks whether they have."""


def shard_folder(out: Path, number: int) -> Path:
    """The folder of a shard, by its number."""
    return out / FOLDER / f"{SHARD}{number:04}"


def take_over_shards(out: Path, journal: Journal) -> None:
    """Record in a run's journal what its shards have recorded, and remove their folders.

    Args:
        out: The run's folder.
        journal: Its journal.

    Raises:
        FolderInUse: A worker is still writing one of them.
        RunError: One of them cannot be read.
    """
    folder = out / FOLDER
    if not folder.is_dir():
        return
    refuse_way_out(folder)
    for shard in _shards(folder):
        with closing(_abandoned_journal(shard)) as recorded:
            copy_replies(recorded, journal)
        shutil.rmtree(shard)
    shutil.rmtree(folder)


def _shards(folder: Path) -> Iterator[Path]:
    """The folders of the shards in which something is recorded."""
    for shard in sorted(folder.glob(f"{SHARD}*")):
        refuse_way_out(shard)
        if (shard / JOURNAL_FILE).exists():
            yield shard


def _abandoned_journal(shard: Path) -> Journal:
    """The journal of a shard, once no worker writes it any more. Raises FolderInUse."""
    deadline = time.monotonic() + WORKERS_END_S
    while True:
        try:
            return Journal(shard)
        except FolderInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_S)
