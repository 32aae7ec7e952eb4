"""What a view sends is handled in the order in which it was sent, whatever order it arrives in."""

import itertools
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from sdgkit.panels.message_order import MessageOrder

WAIT_S = 20


def message(number: int, view: str = "view") -> dict[str, Any]:
    return {"id": f"{view}-{number}", "action": "edit", "number": number}


def await_number(handled: list[int], number: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while number not in handled:
        assert time.monotonic() < deadline, handled
        time.sleep(0.01)


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(1, 5))))
def test_messages_are_handled_as_they_were_sent(arrival: tuple[int, ...]) -> None:
    handled: list[int] = []
    order = MessageOrder(lambda each: handled.append(each["number"]), patience_s=WAIT_S)
    for number in arrival:
        order.take(message(number))
    assert handled == [1, 2, 3, 4]


def test_from_several_threads_each_is_handled_once_and_alone() -> None:
    handled: list[int] = []
    at_once = threading.Semaphore(1)

    def handle(each: Any) -> None:
        assert at_once.acquire(blocking=False), "two are handled at once"
        time.sleep(0.001)
        handled.append(each["number"])
        at_once.release()

    order = MessageOrder(handle, patience_s=WAIT_S)

    def take_all(numbers: Sequence[int]) -> None:
        for number in numbers:
            order.take(message(number))

    numbers = [*range(60, 0, -1)]
    parts = (numbers[::3], numbers[1::3], numbers[2::3])
    threads = [threading.Thread(target=take_all, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    await_number(handled, 60)
    assert handled == [*range(1, 61)]


def test_views_do_not_wait_for_each_other() -> None:
    handled: list[str] = []
    order = MessageOrder(lambda each: handled.append(each["id"]), patience_s=WAIT_S)
    order.take(message(2, "one"))
    order.take(message(1, "other"))
    assert handled == ["other-1"]


def test_a_message_that_never_arrives_is_not_waited_for_forever() -> None:
    handled: list[int] = []
    order = MessageOrder(lambda each: handled.append(each["number"]), patience_s=0.05)
    order.take(message(1))
    order.take(message(4))
    order.take(message(3))
    await_number(handled, 4)
    assert handled == [1, 3, 4]
    order.take(message(5))
    assert handled == [1, 3, 4, 5]


def test_a_message_without_a_number_is_handled_at_once() -> None:
    handled: list[Any] = []
    MessageOrder(handled.append).take({"action": "start"})
    assert handled == [{"action": "start"}]
