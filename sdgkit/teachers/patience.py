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
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdgkit.errors import RequestRefused
from sdgkit.teachers.adapters import PROBE_SECONDS, OpenAICompatible, Replicas, probe_of
from sdgkit.teachers.diagnosis import PASSING, Cause, Trouble, explain
from sdgkit.teachers.exchange import Reply

Adapter = OpenAICompatible | Replicas

# Seconds. Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
FIRST_WAIT, LONGEST_WAIT = 0.2, 20.0

# Without an answer for so long after a failure, we ask ourselves: so often at most.
QUIET_SECONDS, LONGEST_PROBE_WAIT = 3.0, 5.0

# So seldom is a refused key tried again, since a gateway may lock out who knocks too often; so often is a fresh one
# looked for.
REFUSED_KEY_SECONDS, KEY_LOOK_SECONDS = 60.0, 0.5

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

    def __init__(self, adapter: Adapter, concurrency: int, limit: float) -> None:
        """limit: seconds without any answer after which everybody gives up."""
        self.slots = Slots(concurrency)
        self.state, self.away_reason, self.wants_key = "present", "", False
        self.retries = 0
        self._adapter, self._server, self._limit = adapter, adapter.server, limit
        self._asking = 0  # requests that somebody waits for
        self._failing_since = (
            0.0  # when the first exchange failed after the last answer; 0 if none has
        )
        self._answered_at = 0.0  # when anybody was last answered
        self._returned_at = 0.0  # when the teacher last came back from being away
        self._key_refused_at = 0.0  # when a key that had been good was last refused
        self._finding_out = asyncio.Lock()

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
                    await self._find_out(time.monotonic())
                    await self.slots.acquire()
                sent = time.monotonic()
                try:
                    reply = await self._adapter.exchange(body)
                    self._answered(sent)
                    return replace(reply, retries=tries)
                except Trouble as failure:
                    trouble = self._judge(failure, sent)
                finally:
                    self.slots.release()
                tries, streak, self.retries = tries + 1, streak + 1, self.retries + 1
                await self._wait(trouble, sent, streak, in_doubt=bool(used))
                if sent < self._returned_at:
                    streak = 0  # that was the teacher's failure
                elif sent < self._answered_at:
                    used[trouble.cause] += 1
                    if used[trouble.cause] > RETRIES.get(trouble.cause, OTHER_RETRIES):
                        failed = f"The teacher failed {used.total()} times on this request while answering others"
                        raise RequestRefused(f"{failed} ({trouble}).")
        finally:
            self._asking -= 1
            if not self._asking:  # whoever asks next finds out anew
                self._failing_since = 0.0
                self.state, self.away_reason, self.wants_key = "present", "", False

    def _answered(self, sent: float) -> None:
        if sent > self._key_refused_at:  # else it was let in before the key expired
            self._answered_at, self._failing_since = time.monotonic(), 0.0

    def _judge(self, trouble: Trouble, sent: float) -> Trouble:
        """The trouble, where it may pass; what cannot is raised."""
        credentials = self._server.credentials
        self._failing_since = self._failing_since or time.monotonic()
        # A page in place of a teacher that has answered: a proxy's, while what is behind it starts anew.
        if trouble.cause in PASSING or (trouble.cause is Cause.WRONG_PATH and self._answered_at):
            return trouble
        if trouble.cause is Cause.WRONG_KEY and self._answered_at and credentials.secrets:
            trouble = replace(trouble, cause=Cause.EXPIRED_KEY)
            self._key_refused_at = time.monotonic()
            if credentials.can_be_renewed:
                return trouble
        if trouble.cause is Cause.BAD_REQUEST:
            self._answered(sent)
        raise explain(trouble, self._server) from trouble

    async def _wait(self, trouble: Trouble, sent: float, streak: int, *, in_doubt: bool) -> None:
        """Until the next try. in_doubt: this request failed beside others' answers before, so find out at once."""
        end = time.monotonic() + min(pause_after(trouble, streak, LONGEST_WAIT), self._limit + 1.0)
        await asyncio.sleep(min(QUIET_SECONDS, end - time.monotonic()))
        quiet = self._failing_since and time.monotonic() - self._failing_since >= QUIET_SECONDS
        if self._answered_at < sent and (quiet or in_doubt or trouble.cause is Cause.EXPIRED_KEY):
            await self._find_out(sent)
        # The teacher's return ends it, unless the server itself named a time.
        if trouble.retry_after or self._returned_at < sent:
            await asyncio.sleep(max(0.0, end - time.monotonic()))

    async def _find_out(self, since: float) -> None:
        """Ask for one token, until anybody has been answered after this moment. One does so for all who wait.

        Raises TeacherUnreachable when patience is over, TeacherRefused.
        """
        async with self._finding_out:
            probes = 0
            while self._answered_at < since:
                sent, key = time.monotonic(), self._server.credentials.key
                try:
                    await self._adapter.exchange(probe_of(self._server.model), PROBE_SECONDS)
                    self._answered(sent)
                except Trouble as failure:
                    try:
                        trouble = self._judge(failure, sent)
                    except RequestRefused:
                        break  # an answer, too
                    probes += 1
                    await self._stay_away(trouble, probes, key)
            if self.state == "away":
                self._returned_at = time.monotonic()
            self.state, self.away_reason, self.wants_key = "present", "", False

    async def _stay_away(self, trouble: Trouble, probes: int, key: str) -> None:
        """Say so, until it is time for the next probe. key: what was sent with this one.

        Raises TeacherUnreachable and TeacherRefused.
        """
        credentials, reason = self._server.credentials, str(trouble)
        self.wants_key = trouble.cause is Cause.EXPIRED_KEY
        if self.wants_key:
            wish = (
                f"put a fresh one into {credentials.place}"
                if credentials.file
                else "give a fresh one"
            )
            reason = f"the key is no longer accepted ({trouble}); {wish}"
        self.state, self.away_reason = "away", reason
        left = self._failing_since + self._limit - time.monotonic()
        if left <= 0:
            raise explain(trouble if self.wants_key else Trouble(Cause.GONE, reason), self._server)
        if not self.wants_key:
            await asyncio.sleep(min(pause_after(trouble, probes, LONGEST_PROBE_WAIT), left))
            return
        end = time.monotonic() + min(REFUSED_KEY_SECONDS, left)
        while credentials.key == key and time.monotonic() < end:
            await asyncio.sleep(KEY_LOOK_SECONDS)


def pause_after(trouble: Trouble, failures: int, longest: float) -> float:
    """Seconds to wait before the next try: what the server asks for, and some more, so that not all come at once."""
    asked = trouble.retry_after
    most = min(longest if asked is None else 1.0, FIRST_WAIT * 2 ** min(failures - 1, 16))
    return (asked or 0.0) + random.uniform(0, most)
