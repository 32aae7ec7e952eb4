"""Patience: the one place that decides what becomes of a failed exchange, for all teachers.

Three things can be behind a failure, and they are told apart by asking:
- the moment (a lost connection, a stray 429): this request waits and tries again, everybody else goes on;
- the request (a text over which the server stumbles): it uses up its retries, and its row is dropped;
- the teacher (down, restarting, overrun): nobody uses up retries, everybody waits until it answers again.
A failure uses up a retry only if the teacher answered somebody after the failed request was sent. When nobody has been
answered for some seconds, a tiny request of our own decides: answered, the teacher is there; failed, it is away.

A library for retries (tenacity) sees one call at a time, and could tell none of these apart.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from sdgkit.errors import RequestRefused, TeacherError, TeacherUnreachable
from sdgkit.teachers import background
from sdgkit.teachers.diagnosis import PASSING, Address, Cause, Trouble, diagnose, explain
from sdgkit.teachers.exchange import Reply

# Seconds. Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
FIRST_WAIT, LONGEST_WAIT = 0.2, 20.0

# Without an answer for so long after a failure, we ask ourselves: so often at most, waiting so long for a reply.
QUIET_SECONDS, LONGEST_PROBE_WAIT, PROBE_SECONDS = 3.0, 5.0, 60.0

# A refused key is tried again so often only (who knows what a company does to those who knock with it); a fresh one
# when it is there.
REFUSED_KEY_SECONDS = 60.0

# How often a request is tried again after failing while others were answered. Waiting for a hanging one is costly; 429
# is a wish for more time, but a request bigger than the server's limit would get it for ever.
RETRIES = {Cause.TIMEOUT: 1, Cause.BUSY: 30, Cause.EXPIRED_KEY: 2}
OTHER_RETRIES = 6


class Slots:
    """The limit of concurrent requests to one teacher, shared by all that use it; first come, first served.

    Lives on the background loop, but for the numbers: `in_use` of the `total`.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.in_use = 0
        self._free = asyncio.Semaphore(total)

    async def acquire(self) -> None:
        """Wait for a slot. Safe to cancel."""
        await self._free.acquire()
        self.in_use += 1

    def release(self) -> None:
        """Give a slot back; the longest waiting gets it."""
        self.in_use -= 1
        self._free.release()


class Patience:
    """Sees requests through to a reply. Lives on the background loop, but for what it shows.

    slots: the limit of concurrent requests. state: "present", or "away" while nobody is answered and everyone waits.
    away_reason: why, in a few words; empty while it is present. wants_key: whether it is away because its key has
    expired. retries: how many exchanges failed and were tried again so far.
    """

    def __init__(
        self,
        exchange: Callable[[Mapping[str, Any]], Awaitable[Reply]],
        address: Address,
        concurrency: int,
        limit: float,
    ) -> None:
        """limit: seconds without any answer after which everybody gives up."""
        self.slots = Slots(concurrency)
        self.retries = 0
        self._exchange, self._address, self._limit = exchange, address, limit
        self._asking = 0  # requests that somebody waits for
        self._answered_at = 0.0  # when anybody was last answered
        self._key_refused_at = 0.0  # when a key that had been good was last refused
        self._watch: asyncio.Task[None] | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.state, self.away_reason, self.wants_key = "present", "", False
        # What those who wait will hear: None when the teacher is back, or with what error to give up.
        self._news: asyncio.Future[TeacherError | None] = background.loop().create_future()

    def _tell(self, error: TeacherError | None = None) -> None:
        """Wake those who wait; whoever asks later finds out anew."""
        news = self._news
        self._begin_anew()
        news.set_result(error)

    async def _hear(self, news: "asyncio.Future[TeacherError | None]", seconds: float | None = None) -> None:
        """Wait for it, at most so long. Raises the error to give up with."""
        await asyncio.wait([news], timeout=seconds)
        error = news.result() if news.done() else None
        if error is not None:
            raise error

    async def see_through(self, body: Mapping[str, Any], slot_held: bool) -> Reply:
        """One request until its reply, or until its error is final. Its slot is free while nothing is on its way."""
        used: Counter[Cause] = Counter()
        tries = streak = 0
        self._asking += 1
        try:
            while True:
                if not slot_held:
                    await self.slots.acquire()
                slot_held = False
                while self.state == "away":
                    self.slots.release()
                    await self._hear(self._news)
                    await self.slots.acquire()
                news, sent = self._news, time.monotonic()
                try:
                    reply = await self._exchange(body)
                except Exception as error:
                    trouble = self._judge(error, sent)
                else:
                    self._answered(sent)
                    return replace(reply, retries=tries)
                finally:
                    self.slots.release()
                tries, streak, self.retries = tries + 1, streak + 1, self.retries + 1
                if self._watch is None or self._watch.done():
                    # Others were answered where this one failed, or the key is no good: no need to wait and see.
                    quiet = 0.0 if used or trouble.cause is Cause.EXPIRED_KEY else QUIET_SECONDS
                    self._watch = asyncio.create_task(self._watch_for_answers(quiet))
                await self._wait(news, trouble, streak)
                if news.done():
                    streak = 0  # that was the teacher's failure
                elif sent < self._answered_at:
                    used[trouble.cause] += 1
                    if used[trouble.cause] > RETRIES.get(trouble.cause, OTHER_RETRIES):
                        failed = f"The teacher failed {used.total()} times on this request while answering others"
                        raise RequestRefused(f"{failed} ({trouble}).")
        finally:
            self._asking -= 1

    def _judge(self, error: Exception, sent: float) -> Trouble:
        """What is the matter, where it may pass; what cannot is raised."""
        trouble = diagnose(error, self._address)
        # A page in place of a teacher that has answered: a proxy's, while what is behind it starts anew.
        if trouble.cause in PASSING or (trouble.cause is Cause.WRONG_PATH and self._answered_at):
            return trouble
        credentials = self._address.credentials
        if trouble.cause is Cause.WRONG_KEY and self._answered_at and credentials.secrets:
            trouble = replace(trouble, cause=Cause.EXPIRED_KEY)
            self._key_refused_at = time.monotonic()
            if credentials.can_be_renewed:
                return trouble
        final = explain(trouble, self._address)
        if isinstance(final, RequestRefused):
            self._answered(sent)
        else:
            self._tell(final)
        raise final from error

    def _answered(self, sent: float) -> None:
        if sent > self._key_refused_at:  # else it was let in before the key expired
            self._answered_at = time.monotonic()

    async def _wait(self, news: "asyncio.Future[TeacherError | None]", trouble: Trouble, streak: int) -> None:
        """Until the next try. Ends early when the teacher comes back, unless the server itself named a time."""
        end = time.monotonic() + min(_pause(trouble, streak, LONGEST_WAIT), self._limit + 1.0)
        while True:
            await self._hear(news, max(0.0, end - time.monotonic()))
            if trouble.retry_after is None or time.monotonic() >= end:
                return
            news = self._news

    async def _watch_for_answers(self, quiet: float) -> None:
        """See whether anybody is answered from now on; ask ourselves, and wait until the teacher is there again."""
        began = time.monotonic()
        await asyncio.sleep(quiet)
        probes = 0
        while self._asking and self._answered_at < began:
            asked = time.monotonic()
            trouble = await self._probe()
            if trouble is None or self._answered_at >= began:
                break
            self.wants_key = trouble.cause is Cause.EXPIRED_KEY
            self.state, self.away_reason = "away", self._reason(trouble)
            left = began + self._limit - time.monotonic()
            if left <= 0:
                self._tell(self._over(trouble, began))
                return
            probes += 1
            pause = REFUSED_KEY_SECONDS if self.wants_key else pause_before_probe(trouble, probes)
            end = time.monotonic() + min(pause, left)
            while self._asking and (left := end - time.monotonic()) > 0:
                await asyncio.sleep(min(left, LONGEST_PROBE_WAIT))
                if self._address.credentials.has_changed_since(asked):
                    break
        if self.state == "away":
            self._tell()

    async def _probe(self) -> Trouble | None:
        """Ask for one token; None when the teacher answers, be it with a refusal of this very request."""
        sent = time.monotonic()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._exchange(probe_of(self._address.model))
        except Exception as error:
            with contextlib.suppress(TeacherError):
                return self._judge(error, sent)
        else:
            self._answered(sent)
        return None

    def _reason(self, trouble: Trouble) -> str:
        if not self.wants_key:
            return str(trouble)
        credentials = self._address.credentials
        wish = f"put a fresh one into {credentials.place}" if credentials.file else "give a fresh one"
        return f"the key is no longer accepted ({trouble}); {wish}"

    def _over(self, trouble: Trouble, began: float) -> TeacherError:
        """What everybody is told when patience is over."""
        if trouble.cause is Cause.EXPIRED_KEY:
            return explain(trouble, self._address)
        since = time.strftime("%H:%M:%S", time.localtime(time.time() - (time.monotonic() - began)))
        return TeacherUnreachable(
            f"The teacher at {self._address.base_url} has not answered since {since} ({trouble}). When it is "
            "back, run the same command again to go on."
        )


def probe_of(model: str) -> dict[str, Any]:
    """A tiny request: does the server answer?"""
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}


def pause_before_probe(trouble: Trouble, failures: int) -> float:
    """Seconds until an absent server is asked again."""
    return _pause(trouble, failures, LONGEST_PROBE_WAIT)


def _pause(trouble: Trouble, failures: int, longest: float) -> float:
    """Seconds to wait before the next try: what the server asks for, and some more, so that not all come at once."""
    asked = trouble.retry_after
    most = min(longest if asked is None else 1.0, FIRST_WAIT * 2 ** min(failures - 1, 16))
    return (asked or 0.0) + random.uniform(0, most)
