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
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdgkit.errors import RequestRefused, TeacherError, TeacherUnreachable
from sdgkit.teachers.diagnosis import PASSING, Address, Cause, Trouble, diagnose, explain
from sdgkit.teachers.exchange import Exchange, Reply
from sdgkit.teachers.slots import Slots

# Seconds. Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
FIRST_WAIT, LONGEST_WAIT = 0.2, 20.0

# Without an answer for so long after a failure, we ask ourselves: so often at most, waiting so long for a reply.
QUIET_SECONDS, LONGEST_PROBE_WAIT, PROBE_SECONDS = 3.0, 5.0, 60.0

# A refused key is tried again so often only (who knows what a company does to those who knock with it); a fresh one at
# once.
REFUSED_KEY_SECONDS = 60.0

# How often a request is tried again after failing while others were answered. Waiting for a hanging one is costly; 429
# is a wish for more time, but a request bigger than the server's limit would get it for ever.
RETRIES = {Cause.TIMEOUT: 1, Cause.BUSY: 30, Cause.EXPIRED_KEY: 2}
OTHER_RETRIES = 6


class Patience:
    """Sees requests through to a reply, over one adapter's `exchange`. Lives on the background loop."""

    def __init__(self, exchange: Exchange, slots: Slots, address: Address, *, limit: float) -> None:
        """limit: seconds without any answer after which everybody gives up."""
        self.state = "present"
        self.away_reason = ""
        self.wants_key = False  # whether it is away because the key has expired
        self.retries = 0
        self._exchange = exchange
        self._slots = slots
        self._address = address
        self._limit = limit
        self._asking = 0  # requests that somebody waits for
        self._answered_at = 0.0  # when anybody was last answered
        self._returned_at = 0.0  # when the teacher last came back from being away
        self._key_refused_at = 0.0  # when a key that had been good was last refused
        self._knocked: tuple[float, Trouble] | None = None  # when our own tiny request last met with that
        self._gave_up: tuple[float, TeacherError] | None = None  # when everybody was last told to, and why
        self._news = asyncio.Event()
        self._doubt = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    async def ask(self, body: Mapping[str, Any], *, slot_held: bool = False) -> Reply:
        """One request until its reply, or until its error is final. Its slot is free while nothing is on its way."""
        used: Counter[Cause] = Counter()
        tries = streak = 0
        self._asking += 1
        try:
            while True:
                outcome, sent = await self._try_once(body, slot_held)
                if not isinstance(outcome, Trouble):
                    return replace(outcome, retries=tries)
                slot_held = False
                tries, streak, self.retries = tries + 1, streak + 1, self.retries + 1
                self._look_out(at_once=bool(used) or outcome.cause is Cause.EXPIRED_KEY)
                await self._wait(outcome, sent, streak)
                if sent < self._returned_at:
                    streak = 0  # that was the teacher's failure
                elif sent < self._answered_at:
                    used[outcome.cause] += 1
                    if used[outcome.cause] > RETRIES.get(outcome.cause, OTHER_RETRIES):
                        failed = f"The teacher failed {used.total()} times on this request while answering others"
                        raise RequestRefused(f"{failed} ({outcome}).")
        finally:
            self._asking -= 1
            if not self._asking:
                self._rest()

    async def _try_once(self, body: Mapping[str, Any], slot_held: bool) -> tuple[Reply | Trouble, float]:
        """What came of it, and when it was sent. While the teacher is away, nothing is sent and no slot is taken."""
        since = time.monotonic()
        if not slot_held:
            await self._slots.acquire()
        while self.state == "away":
            self._slots.release()
            await self._hear(since)
            await self._slots.acquire()
        sent = time.monotonic()
        try:
            reply = await self._exchange(body)
        except Exception as error:
            return self._judge(error, sent), sent
        finally:
            self._slots.release()
        self._answered(sent)
        return reply, sent

    def _judge(self, error: Exception, sent: float) -> Trouble:
        """What is the matter, where it may pass; what cannot is raised."""
        trouble = diagnose(error, self._address)
        # A page in place of a teacher that has answered: a proxy's, while what is behind it starts anew.
        if trouble.cause in PASSING or (trouble.cause is Cause.WRONG_PATH and self._answered_at):
            return trouble
        credentials = self._address.credentials
        if trouble.cause is Cause.WRONG_KEY and self._answered_at and credentials.secrets:
            trouble = replace(trouble, cause=Cause.EXPIRED_KEY)
            if credentials.has_changed_since(sent):
                return trouble  # that was the key before this one
            self._key_refused_at = time.monotonic()
            if credentials.can_be_renewed:
                return trouble
        final = explain(trouble, self._address)
        if isinstance(final, RequestRefused):
            self._answered(sent)
        else:
            self._give_up(final)
        raise final from error

    async def _wait(self, trouble: Trouble, sent: float, streak: int) -> None:
        """Until the next try. Ends early when the teacher comes back, unless the server itself named a time."""
        end = time.monotonic() + min(pause_after(trouble, streak, LONGEST_WAIT), self._limit + 1.0)
        while (left := end - time.monotonic()) > 0 and (trouble.retry_after or self._returned_at <= sent):
            await self._hear(sent, left)

    async def _hear(self, since: float, seconds: float | None = None) -> None:
        """Wait for news, at most so long. Raises what everybody has been told since then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # Python 3.11's wait_for may swallow a cancellation
                await self._news.wait()
        if self._gave_up is not None and since < self._gave_up[0]:
            raise self._gave_up[1]

    def _answered(self, sent: float) -> None:
        if sent < self._key_refused_at:
            return  # it was let in before the key expired
        self._answered_at = time.monotonic()
        if self.state == "away":
            self._come_back()

    def _come_back(self) -> None:
        self.state, self.away_reason, self.wants_key = "present", "", False
        self._returned_at = time.monotonic()
        self._tell()

    def _give_up(self, error: TeacherError) -> None:
        """All that wait get this error; whoever asks later finds out anew."""
        self._gave_up = time.monotonic(), error
        self._tell()

    def _tell(self) -> None:
        """Wake those who wait for news."""
        self._news.set()
        self._news = asyncio.Event()

    def _rest(self) -> None:
        """Nobody asks any more, so neither do we; whoever asks next finds out anew."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self.state == "away":
            self._come_back()

    def _look_out(self, *, at_once: bool) -> None:
        """Watch for answers from now on. at_once: this request failed beside others' answers before, so ask at once."""
        if self._watch is None or self._watch.done():
            self._doubt = asyncio.Event()
            self._watch = asyncio.create_task(self._watch_for_answers())
        if at_once:
            self._doubt.set()

    async def _watch_for_answers(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                await self._doubt.wait()
        probes = 0
        while self._answered_at < began:
            trouble = await self._probe()
            if trouble is None or self._answered_at >= began:
                break
            self.state, self.away_reason = "away", self._reason(trouble)
            self.wants_key = trouble.cause is Cause.EXPIRED_KEY
            left = began + self._limit - time.monotonic()
            if left <= 0:
                self._give_up(self._unreachable(trouble, began))
                break
            probes += 1
            await asyncio.sleep(min(pause_after(trouble, probes, LONGEST_PROBE_WAIT), left))
        if self.state == "away":
            self._come_back()

    async def _probe(self) -> Trouble | None:
        """Ask for one token; None when the teacher answers, be it with a refusal of this very request."""
        sent = time.monotonic()
        if self._knocked is not None:
            before, trouble = self._knocked
            if sent - before < REFUSED_KEY_SECONDS and not self._address.credentials.has_changed_since(before):
                return trouble
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._exchange(probe_of(self._address.model))
        except Exception as error:
            with contextlib.suppress(TeacherError):
                trouble = self._judge(error, sent)
                self._knocked = (sent, trouble) if trouble.cause is Cause.EXPIRED_KEY else None
                return trouble
            return None
        self._answered(sent)
        return None

    def _reason(self, trouble: Trouble) -> str:
        if trouble.cause is not Cause.EXPIRED_KEY:
            return str(trouble)
        return f"the key is no longer accepted ({trouble}); {self._address.credentials.wish}"

    def _unreachable(self, trouble: Trouble, began: float) -> TeacherError:
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


def pause_after(trouble: Trouble, failures: int, longest: float) -> float:
    """Seconds to wait before the next try: what the server asks for, and some more, so that not all come at once."""
    asked = trouble.retry_after
    most = min(longest if asked is None else 1.0, FIRST_WAIT * 2 ** min(failures - 1, 16))
    return (asked or 0.0) + random.uniform(0, most)
