"""The numbers of a stream: counted, taken back, and stored in the journal."""

import threading

from sdgkit.stream.tally import Exit, StageCounts, Tally


def tally(*exits: Exit) -> Tally:
    counted = Tally()
    for exit in exits:
        counted.count(exit)
    return counted


def test_the_numbers_of_a_stage_are_its_rows_out_and_its_drops_by_reason() -> None:
    counted = tally(Exit(0), Exit(0), Exit(1), Exit(1, "score"), Exit(1, "a:b"))
    assert counted.by_stage(3) == [
        StageCounts(rows_out=2, dropped={}),
        StageCounts(rows_out=1, dropped={"score": 1, "a:b": 1}),
        StageCounts(rows_out=0, dropped={}),
    ]


def test_what_is_taken_back_is_not_counted() -> None:
    counted = tally(Exit(0), Exit(1, "score"))
    counted.subtract(tally(Exit(1, "score")))
    assert counted.by_stage(2) == [StageCounts(1, {}), StageCounts(0, {})]
    assert not counted.has_drops("score")


def test_a_journal_of_an_earlier_version_is_read_and_written_as_it_was() -> None:
    """The key of what moved on ends with NUL, that of a drop with its reason."""
    stored = {"0:\0": 4, "1:\0": 3, "1:malformed": 1, "2:a:b": 2}
    counted = Tally.from_json(stored)
    assert counted.as_json() == stored
    assert counted.by_stage(3) == [
        StageCounts(4, {}),
        StageCounts(3, {"malformed": 1}),
        StageCounts(0, {"a:b": 2}),
    ]


def test_only_numbers_above_zero_are_stored() -> None:
    counted = tally(Exit(0), Exit(1))
    counted.subtract(tally(Exit(1)))
    assert counted.as_json() == {"0:\0": 1}


def test_the_numbers_can_be_read_while_another_thread_counts() -> None:
    counted = Tally()
    done = threading.Event()

    def count() -> None:
        for number in range(20_000):
            counted.count(Exit(0, f"reason {number % 500}"))
        done.set()

    counting = threading.Thread(target=count)
    counting.start()
    while not done.is_set():
        [counts] = counted.by_stage(1)
        assert counts.rows_out == 0
    counting.join()
    assert sum(counted.by_stage(1)[0].dropped.values()) == 20_000
