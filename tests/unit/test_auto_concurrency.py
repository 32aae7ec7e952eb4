"""`concurrency="auto"`: which level it finds, by itself and with a real server."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from scripted import PROMPTS, ScriptedTeacher, completion, seeds
from servers import FaultServer, status
from simulated_time import Simulation

import sdgkit as sk
from sdgkit.errors import SettingsError
from sdgkit.teachers import Request, Teacher, auto_slots, background, connect
from sdgkit.teachers.auto_concurrency import MOST, START, AutoConcurrency
from sdgkit.teachers.concurrency import Concurrency, parse_concurrency
from sdgkit.teachers.load import ServerLoad

WAIT = 60.0


def always(slots: int) -> Callable[[float], int]:
    return lambda _: slots


# ---- the level it finds


@pytest.mark.parametrize("reports", [False, True], ids=["by reply times", "by its reports"])
@pytest.mark.parametrize("slots", [8, 64, 512])
def test_it_takes_at_most_a_tenth_longer_than_the_best_fixed_level(
    slots: int, reports: bool
) -> None:
    for dice in range(1 if slots > 64 else 3):
        replies = 100 * slots
        best = Simulation(always(slots), replies, MOST, dice=dice).run()
        auto = AutoConcurrency()
        found = Simulation(always(slots), replies, auto, reports=reports, dice=dice).run()
        assert found.seconds < 1.1 * best.seconds


@pytest.mark.parametrize("slots", [8, 64])
def test_by_reply_times_it_holds_a_level_near_the_slots(slots: int) -> None:
    for dice in range(3):
        auto = AutoConcurrency()
        found = Simulation(always(slots), 300 * slots, auto, dice=dice).run()
        levels = found.between(found.seconds / 2, found.seconds)
        assert max(levels) <= 3 * slots + 24, found.levels


def test_a_server_that_reports_a_queue_gets_hardly_more_than_it_works_on() -> None:
    found = Simulation(always(64), 6_400, AutoConcurrency(), reports=True).run()
    assert set(found.between(20, found.seconds)) == {64 + 9}


@pytest.mark.parametrize("reports", [False, True], ids=["by reply times", "by its reports"])
def test_it_follows_a_server_whose_slots_change(reports: bool) -> None:
    def slots(now: float) -> int:
        if now < 60:
            return 64
        return 16 if now < 120 else 256

    best = Simulation(slots, 30_000, MOST).run()
    found = Simulation(slots, 30_000, AutoConcurrency(), reports=reports).run()
    assert found.seconds < 1.15 * best.seconds
    if reports:
        assert max(found.between(64, 119)) <= 19
    assert max(found.between(125, found.seconds)) >= 256


def test_it_never_passes_the_upper_bound() -> None:
    found = Simulation(always(512), 20_000, AutoConcurrency(100), reports=True).run()
    assert max(level for _, level in found.levels) == 100
    found = Simulation(always(512), 20_000, AutoConcurrency(100)).run()
    assert max(level for _, level in found.levels) == 100


# ---- backing off, and coming back


def test_it_falls_below_a_limit_that_refuses_more_and_stays_there() -> None:
    found = Simulation(always(512), 20_000, AutoConcurrency(), limit=64).run()
    best = Simulation(always(512), 20_000, 64).run()
    assert found.failures < 1_000
    assert found.seconds < 1.15 * best.seconds


def test_refusals_that_have_nothing_to_do_with_the_level_do_not_lower_it_for_ever() -> None:
    auto = AutoConcurrency()
    found = Simulation(always(64), 12_800, auto, random_failures=0.05).run()
    best = Simulation(always(64), 12_800, MOST, random_failures=0.05).run()
    assert found.seconds < 1.15 * best.seconds


def test_it_makes_room_while_other_peoples_requests_wait_and_comes_back() -> None:
    def others(now: float) -> int:
        return 60 if 30 <= now < 90 else 0

    found = Simulation(always(64), 9_000, AutoConcurrency(), reports=True, others=others).run()
    assert min(found.between(50, 89)) <= 33
    assert found.between(found.seconds - 1, found.seconds)[-1] >= 64


def test_a_timeout_counts_however_long_ago_its_request_was_sent() -> None:
    auto = AutoConcurrency()
    for at in range(1, 200):
        auto.note_reply(sent_at=at, now=at + 1, in_use=auto.level)
    assert auto.level > START
    reached = auto.level
    for _ in range(40):
        auto.note_failure(sent_at=0.5, now=600.0)
    assert auto.level < reached


def test_a_run_that_asks_for_little_changes_nothing() -> None:
    auto = AutoConcurrency()
    for at in range(1, 2_000):
        auto.note_reply(sent_at=at, now=at + 1, in_use=3)
    assert auto.level == START


def test_a_server_with_a_full_cache_gets_no_more() -> None:
    auto = AutoConcurrency()
    for at in range(1, 20):
        auto.note_load(ServerLoad(running=16, cache_use=0.95), own=16, now=float(at))
    assert auto.level == START


# ---- the setting


def test_what_the_setting_may_be() -> None:
    assert parse_concurrency(16) == parse_concurrency("16") == Concurrency(16)
    assert parse_concurrency("auto").is_auto
    assert parse_concurrency("auto:256") == Concurrency(256, is_auto=True)
    for wrong in ("fast", "auto:", "auto:many", ":16", "", "1.5", 1.5, True, "16:auto"):
        with pytest.raises(SettingsError, match=r'a number, "auto", or "auto:N"'):
            parse_concurrency(wrong)  # type: ignore[arg-type]
    for too_low in (0, "-3", "auto:0"):
        with pytest.raises(SettingsError, match="concurrency must be 1 or more"):
            parse_concurrency(too_low)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(auto_slots, "LOOK_SECONDS", 0.05)
    with FaultServer() as server:
        yield server


def test_it_is_the_default_for_vllm_and_for_several_servers(server: FaultServer) -> None:
    both = [server.base_url, server.base_url.replace("127.0.0.1", "localhost")]
    assert connect(base_url=server.base_url).slots.is_auto
    assert connect("openai", base_url=both, api_key="k").slots.is_auto
    fixed = connect("openai", base_url=server.base_url, api_key="k").slots
    assert (fixed.is_auto, fixed.total) == (False, 16)
    given = connect(base_url=server.base_url, concurrency=5).slots
    assert (given.is_auto, given.total) == (False, 5)


# ---- with a server


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


def keep_asking(teacher: Teacher, stop: threading.Event) -> None:
    """Ask as much as the slots allow, until `stop` is set."""

    async def ask() -> None:
        number = itertools.count()

        async def one() -> None:
            while not stop.is_set():
                text = f"request {next(number)}"
                await teacher.reply(Request(({"role": "user", "content": text},), {}))

        await asyncio.gather(*(one() for _ in range(200)))

    background.submit(ask()).result(WAIT)


class Busy:
    """A server's slots and queue, with the page that reports them."""

    def __init__(self, server: FaultServer, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.working = 0
        self.server = server
        server.behave = self.behave
        server.pages["/metrics"] = self.page

    async def behave(self, body: object, n: int) -> web.StreamResponse:
        async with self.slots:
            self.working += 1
            await asyncio.sleep(0.02)
            self.working -= 1
        return completion("hello")

    def page(self) -> web.StreamResponse:
        waiting = self.server.in_flight - self.working
        return web.Response(
            text=f"vllm:num_requests_running {self.working}\nvllm:num_requests_waiting {waiting}\n"
        )


def test_the_slots_of_a_teacher_follow_what_its_server_reports(server: FaultServer) -> None:
    busy = Busy(server, slots=4)
    teacher = connect(base_url=server.base_url)
    stop = threading.Event()
    asking = threading.Thread(target=keep_asking, args=(teacher, stop))
    asking.start()
    until(lambda: teacher.slots.total <= 6)
    for _ in range(60):
        busy.slots.release()
    until(lambda: teacher.slots.total >= 32)
    stop.set()
    asking.join(WAIT)
    assert server.paths.count("/metrics") > 2
    assert teacher.slots.in_use == 0


def test_too_many_requests_lower_the_number_of_slots(server: FaultServer) -> None:
    async def behave(body: object, n: int) -> web.StreamResponse:
        if server.in_flight > 6:
            return status(429, "Too many requests")
        await asyncio.sleep(0.01)
        return completion("hello")

    server.behave = behave
    teacher = connect(base_url=server.base_url)
    stop = threading.Event()
    asking = threading.Thread(target=keep_asking, args=(teacher, stop))
    asking.start()
    until(lambda: teacher.slots.total <= 8)
    stop.set()
    asking.join(WAIT)


def test_a_server_without_such_a_page_is_asked_for_it_three_times(server: FaultServer) -> None:
    teacher = connect(base_url=server.base_url)
    stop = threading.Event()
    asking = threading.Thread(target=keep_asking, args=(teacher, stop))
    asking.start()
    until(lambda: server.paths.count("/metrics") == 3 and len(server.asked) > 500)
    stop.set()
    asking.join(WAIT)
    assert server.paths.count("/metrics") == 3


def test_the_rows_are_those_of_any_fixed_number() -> None:
    with ScriptedTeacher() as script:
        script.delay = lambda ask: 0.005
        runs = []
        for concurrency in (1, "auto"):
            teacher = script.connect(concurrency=concurrency)
            run = sk.generate(seeds(6), teacher=teacher, prompts=PROMPTS, profile=False)
            runs.append(list(run.samples()))
    assert runs[0] == runs[1]
