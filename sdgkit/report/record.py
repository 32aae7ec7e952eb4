"""What a report needs from a run: one in memory, one in a folder, or one that is still running."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from sdgkit.funnel import StageLine
from sdgkit.journal import RecordedExchange
from sdgkit.samples import Row


class Standing(Protocol):
    """The state of a run: a `Summary`, or the `Snapshot` of a run that is still running."""

    @property
    def state(self) -> str: ...
    @property
    def seeds(self) -> int: ...
    @property
    def stages(self) -> Sequence[StageLine]: ...
    @property
    def distinct_answers(self) -> int | None: ...


class RunTrace(Protocol):
    """One row's history."""

    @property
    def id(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def reply(self) -> str: ...
    @property
    def exchanges(self) -> Sequence[RecordedExchange]: ...


class RunRecord(Protocol):
    """The rows of a run, read one by one."""

    def samples(self) -> Iterator[Row]: ...
    def drops(self) -> Iterator[Row]: ...
    def trace(self, id: str) -> RunTrace: ...
    def lists_drawn_from(self) -> Mapping[str, Sequence[Any]]: ...
