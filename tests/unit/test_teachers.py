"""What a request is, who gets a slot, and the one loop in the background."""

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from aiohttp import web
from servers import FaultServer, completion

from sdgkit.teachers import Request, background, connect
from sdgkit.teachers.slots import Slots

HELLO = ({"role": "user", "content": "Hello"},)


def test_keys_never_change_so_that_old_journals_stay_readable() -> None:
    request = Request(
        ({"role": "user", "content": "Grüße"},), {"temperature": 0.7, "max_tokens": 2048}, 3, 2
    )
    assert request.key("tiny") == "4020ec62f610b8933d96e0dc8289ed992b2444579e9295df3dbd13ea1e3d3d44"


def test_a_key_does_not_depend_on_the_order_in_which_settings_were_written() -> None:
    one = Request(HELLO, {"temperature": 0.7, "extra_body": {"a": 1, "b": 2}})
    other = Request(HELLO, {"extra_body": {"b": 2, "a": 1}, "temperature": 0.7})
    assert one.key("tiny") == other.key("tiny")


@pytest.mark.parametrize(
    "other",
    [
        Request(({"role": "user", "content": "Hello!"},), {"temperature": 0.7}),
        Request(({"role": "system", "content": "Hello"},), {"temperature": 0.7}),
        Request(HELLO, {"temperature": 0.8}),
        Request(HELLO, {"temperature": 0.7, "extra_body": {"top_k": 1}}),
        Request(HELLO, {"temperature": 0.7}, ordinal=2),
        Request(HELLO, {"temperature": 0.7}, attempt=2),
    ],
)
def test_any_change_of_a_request_changes_its_key_and_its_sampling_seed(other: Request) -> None:
    request = Request(HELLO, {"temperature": 0.7})
    assert other.key("tiny") != request.key("tiny")
    assert other.sampling_seed("tiny") != request.sampling_seed("tiny")


def test_another_model_is_another_key() -> None:
    request = Request(HELLO, {})
    assert request.key("tiny") != request.key("large")


def test_the_sampling_seed_fits_into_31_bits() -> None:
    seeds = [Request(HELLO, {}, ordinal).sampling_seed("tiny") for ordinal in range(1, 200)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_extra_body_is_merged_into_the_body() -> None:
    request = Request(
        HELLO, {"max_tokens": 5, "extra_body": {"chat_template_kwargs": {"thinking": False}}}
    )
    assert request.body("tiny") == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Hello"}],
        "seed": request.sampling_seed("tiny"),
        "max_tokens": 5,
        "chat_template_kwargs": {"thinking": False},
    }


def test_slots_go_to_those_who_have_waited_longest() -> None:
    async def scene() -> list[str]:
        slots, order = Slots(1), []
        await slots.acquire()

        async def wait(name: str) -> None:
            await slots.acquire()
            order.append(name)
            slots.release()

        waiting = [asyncio.create_task(wait(name)) for name in "abc"]
        await asyncio.sleep(0)
        assert (slots.in_use, order) == (1, [])
        slots.release()
        await asyncio.gather(*waiting)
        assert slots.in_use == 0
        return order

    assert background.wait(scene()) == ["a", "b", "c"]


@pytest.mark.parametrize("handed_over_first", [False, True])
def test_giving_up_while_waiting_leaks_no_slot(handed_over_first: bool) -> None:
    async def scene() -> None:
        slots = Slots(1)
        await slots.acquire()
        waiting = asyncio.create_task(slots.acquire())
        await asyncio.sleep(0)
        if handed_over_first:
            slots.release()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if not handed_over_first:
            slots.release()
        assert slots.in_use == 0
        await slots.acquire()

    background.wait(scene())


async def forty_two() -> int:
    await asyncio.sleep(0)
    return 42


def test_waiting_works_outside_a_running_loop_and_inside_one() -> None:
    async def cell() -> int:
        return background.wait(forty_two())

    assert background.wait(forty_two()) == 42
    assert asyncio.run(cell()) == 42


def test_waiting_on_the_background_loop_itself_is_refused_instead_of_hanging() -> None:
    async def scene() -> int:
        return background.wait(forty_two())

    with pytest.raises(RuntimeError, match="await instead"):
        background.wait(scene())


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python process of its own, from start to end."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


INTERRUPTED = """
import asyncio, os, signal
from sdgkit.teachers import background

async def long():
    try:
        await asyncio.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(100)
    finally:
        print("tidied up", flush=True)

try:
    background.wait(long())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_cancels_the_pending_call_and_lets_it_clean_up() -> None:
    done = run(INTERRUPTED)
    assert (done.stdout.splitlines(), done.stderr) == (["tidied up", "interrupted"], "")


FORKED = """
import os, sys
from sdgkit.teachers import connect

teacher = connect(base_url=sys.argv[1], concurrency=1, timeout=5)
assert teacher.ask("Hello").text == "hello"
child = os.fork()
if child == 0:
    try:
        teacher.ask("in the child")
    except RuntimeError as error:
        print(error, flush=True)
    sys.exit()  # and so tidies up
assert os.waitpid(child, 0)[1] == 0
print(teacher.ask("Hello").text)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_cannot_use_its_parents_teacher_which_still_works() -> None:
    with FaultServer() as server:
        done = run(FORKED, server.base_url)
    [refused, answered] = done.stdout.splitlines()
    assert "survive a fork" in refused and answered == "hello"
    assert (done.returncode, len(server.requests)) == (0, 2), done.stderr


def test_collecting_a_teacher_in_the_middle_of_a_call_causes_no_deadlock() -> None:
    """Python collects whenever it makes an object: also while the loop is being asked for."""
    with FaultServer() as server:
        teacher = connect(base_url=server.base_url)

        def forget() -> None:
            with background._lock:
                teacher.close()

        thread = threading.Thread(target=forget, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


FORGOTTEN = """
import sys
from sdgkit.teachers import Request, background, connect

teacher = connect(base_url=sys.argv[1])
assert teacher.ask("Hello").text == "hello"
connect(base_url=sys.argv[1]).ask("Hello")
background.submit(teacher.reply(Request(({"role": "user", "content": "wait"},), {})))
print(teacher)
"""


def test_a_process_ends_quietly_with_a_request_in_flight_and_nothing_closed() -> None:
    async def never(body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(100)
        return completion("")

    with FaultServer() as server:
        server.behave = lambda b, n: (
            never(b) if b["messages"][0]["content"] == "wait" else completion("hello")
        )
        done = run(FORGOTTEN, server.base_url)
    assert (done.returncode, done.stderr) == (0, "")
