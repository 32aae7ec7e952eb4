"""The retry policy: the one place that decides what happens after a failed exchange.

Three things can be behind a failure, and asking tells them apart:
- the moment (a lost connection, a stray 429): this request waits and is tried again, while all
  others continue;
- the request (a text that makes the server stumble): it uses up its retries, and its row is
  dropped;
- the teacher (down, restarting, overloaded): no request uses up retries, and all of them wait
  until it answers again.

A failure uses up a retry only if the teacher answered some request that was sent after the failed
one. When nothing has been answered for some seconds, a tiny request of our own (a probe) decides:
if it is answered, the teacher is present; if it fails, the teacher is away.

A library for retries (tenacity) sees one call at a time and could tell none of these apart.
"""

import asyncio
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sdgkit.errors import RequestRefused, TeacherRefused
from sdgkit.log import log
from sdgkit.teachers.adapters import Adapter, probe_body
from sdgkit.teachers.diagnosis import FORBIDDEN, Trouble, TroubleCause, explain
from sdgkit.teachers.exchange import NOWHERE, Origin, Reply
from sdgkit.teachers.replicas import PROBE_SECONDS
from sdgkit.teachers.slots import Slots
from sdgkit.teachers.streams import Show

# Causes that pass when someone does something about them: a new key, a payment.
_ASK_SOMEBODY = (TroubleCause.EXPIRED_KEY, TroubleCause.NO_CREDIT)

State = Literal["present", "away"]

# Seconds. Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS
# Architecture Blog, 2015).
FIRST_WAIT = 0.2
LONGEST_WAIT = 20.0

# Seconds without any answer, counted from a failure, after which a probe is sent; and the longest
# pause between two probes.
QUIET_SECONDS = 3.0
LONGEST_PROBE_WAIT = 5.0

# Seconds between two tries of a refused key, since a gateway may lock out clients that try too
# often; and how often to look for a new one.
REFUSED_KEY_SECONDS = 60.0
KEY_CHECK_SECONDS = 0.5

# Retries of a request that fails while others are answered. One that hangs is costly to wait for.
# 429 asks for more time, but a request bigger than the server's limit would get it forever.
RETRIES = {TroubleCause.TIMEOUT: 1, TroubleCause.BUSY: 30, TroubleCause.EXPIRED_KEY: 2}
OTHER_RETRIES = 6

# After so many equal refusals in a row, no request between them answered, it is the teacher that
# refuses and not what a row says. As many as the rows of a stage that may fail alike.
EQUAL_REFUSALS = 20
_DIGITS = re.compile(r"\d+")
# Troubles that fewer requests at once may spare.
TOO_MANY = (TroubleCause.BUSY, TroubleCause.TIMEOUT)
# Troubles that tell that the teacher is there: it answered this very request.
ANSWERS = (
    TroubleCause.NO_REPLY,
    TroubleCause.BROKEN_OFF,
    TroubleCause.WITHHELD,
    TroubleCause.BAD_REQUEST,
)


@dataclass
class _Failures:
    """The failed exchanges of one request.

    Attributes:
        total: All of them.
        in_a_row: Those since the teacher last came back; the pauses grow with them.
        counted: Those that used up a retry, by cause.
    """

    total: int = 0
    in_a_row: int = 0
    counted: Counter[TroubleCause] = field(default_factory=Counter)


class RetryPolicy:
    """Sees requests through to a reply, for all users of one teacher.

    Everything runs on the background loop; the attributes may be read anywhere.

    Args:
        adapter: How to reach the teacher.
        slots: The limit on concurrent requests.
        patience: Seconds without any answer after which all requests give up.

    Attributes:
        slots: The limit on concurrent requests.
        state: "away" while nothing is answered and all requests wait, otherwise "present".
        away_reason: Why it is away, in a few words; empty while it is present.
        wants_key: Whether it is away because its key has expired.
        retries: How many exchanges have failed and were tried again so far.
    """

    def __init__(self, adapter: Adapter, slots: Slots, patience: float) -> None:
        self.slots = slots
        self.state: State = "present"
        self.away_reason = ""
        self.wants_key = False
        self.retries = 0
        self._adapter = adapter
        self._server = adapter.server
        self._patience = patience
        self._pending_requests = 0
        # All times are time.monotonic(); 0 for what has not happened.
        self._failing_since = 0.0  # the first failure since the last answer
        self._answered_at = 0.0  # the last answer to any request
        self._returned_at = 0.0  # when the teacher last came back from being away
        self._key_refused_at = 0.0  # when a key that had been accepted was last refused
        self._probing = asyncio.Lock()
        self._last_refusal = ""
        self._refusals_in_a_row = 0

    async def send(
        self,
        body: Mapping[str, Any],
        *,
        slot_held: bool = False,
        show: Show | None = None,
        origin: Origin = NOWHERE,
    ) -> Reply:
        """Send one request until it has its reply, or until its error is final.

        Args:
            body: The body of POST /v1/chat/completions.
            slot_held: The caller has acquired a slot for it. It is released here in any case.
            show: Called with each piece of the reply while it is written.
            origin: Who sends it.

        Raises:
            RequestRefused: This request cannot be answered.
            TeacherRefused: No request will be.
            TeacherUnreachable: The teacher has been away for longer than the patience.
        """
        self._pending_requests += 1
        try:
            return await self._send_with_retries(body, slot_held, show, origin)
        finally:
            self._pending_requests -= 1
            if not self._pending_requests:
                # The next request finds out again.
                self._failing_since = 0.0
                self._be_present()

    async def _send_with_retries(
        self, body: Mapping[str, Any], slot_held: bool, show: Show | None, origin: Origin
    ) -> Reply:
        """The request's slot is free whenever it is not in flight."""
        failures = _Failures()
        while True:
            if not slot_held:
                await self.slots.acquire()
            slot_held = False
            while self.state == "away":
                self.slots.release()
                await self._wait_for_answer(since=time.monotonic())
                await self.slots.acquire()
            sent_at = time.monotonic()
            in_use = self.slots.in_use
            try:
                if show is None:
                    reply = await self._adapter.exchange(body, seed=origin.seed)
                else:
                    reply = await self._adapter.exchange_streamed(body, show)
                self._record_answer(sent_at)
                self._refusals_in_a_row = 0
                self.slots.note_reply(sent_at=sent_at, in_use=in_use, stage=origin.stage)
                return replace(reply, retries=failures.total)
            except Trouble as failure:
                if failure.cause in TOO_MANY:
                    self.slots.note_failure(sent_at=sent_at)
                failure = await self._judge_forbidden(failure)
                trouble = self._check_transient(failure, sent_at)
            finally:
                self.slots.release()
            self.retries += 1
            log(
                logging.INFO,
                "retry",
                f"A request is sent again: {trouble}",
                attempt=failures.total + 1,
                status=getattr(trouble, "status", None),
            )
            failures.total += 1
            failures.in_a_row += 1
            await self._pause(trouble, sent_at, failures)
            self._count(trouble, sent_at, failures)

    def _count(self, trouble: Trouble, sent_at: float, failures: _Failures) -> None:
        """Count a failure against its request, unless it was the teacher's.

        Raises:
            RequestRefused: The request has used up its retries.
        """
        if sent_at < self._returned_at:
            failures.in_a_row = 0  # the teacher was away
        elif sent_at < self._answered_at:
            failures.counted[trouble.cause] += 1
            if failures.counted[trouble.cause] > RETRIES.get(trouble.cause, OTHER_RETRIES):
                raise RequestRefused(
                    f"The teacher failed {failures.counted.total()} times on this request while "
                    f"answering others ({trouble})."
                )

    async def _judge_forbidden(self, trouble: Trouble) -> Trouble:
        """Find out whether a 403 is about its request ("flagged") or about the key.

        A probe, which nobody could object to, is refused with the key.
        """
        if trouble.status != FORBIDDEN or trouble.cause in (
            TroubleCause.WITHHELD,
            TroubleCause.NO_CREDIT,
        ):
            return trouble
        try:
            await self._adapter.exchange(probe_body(self._server.model), PROBE_SECONDS)
        except Trouble as failure:
            return failure
        return replace(trouble, cause=TroubleCause.BAD_REQUEST)

    def _count_refusal(self, trouble: Trouble) -> None:
        """Count a refused request.

        Raises:
            TeacherRefused: All of the last ones were refused alike.
        """
        refusal = _DIGITS.sub("0", str(trouble))
        if refusal != self._last_refusal:
            self._refusals_in_a_row = 0
        self._last_refusal = refusal
        self._refusals_in_a_row += 1
        if self._refusals_in_a_row >= EQUAL_REFUSALS:
            raise TeacherRefused(
                f"The teacher refused the last {self._refusals_in_a_row} requests the same way "
                f"({trouble}). Find out why, then run the same command again to resume: the "
                "refused requests are sent again."
            )

    def _record_answer(self, sent_at: float) -> None:
        if sent_at > self._key_refused_at:  # else it was accepted before the key expired
            self._answered_at = time.monotonic()
            self._failing_since = 0.0

    def _check_transient(self, trouble: Trouble, sent_at: float) -> Trouble:
        """The trouble, if it may pass; its cause is corrected where only earlier exchanges show it.

        Raises:
            RequestRefused: What the trouble means, where it is final.
            TeacherRefused: What the trouble means, where it is final.
            TeacherUnreachable: What the trouble means, where it is final.
        """
        credentials = self._server.credentials
        has_answered = self._answered_at > 0
        if not self._failing_since:
            self._failing_since = time.monotonic()
        if trouble.cause in ANSWERS:
            self._record_answer(sent_at)
        if trouble.cause.is_transient:
            return trouble
        if trouble.cause is TroubleCause.WRONG_PATH and has_answered:
            # A proxy's page, while the teacher behind it restarts.
            return trouble
        if trouble.cause is TroubleCause.WRONG_KEY and has_answered and credentials.secrets:
            trouble = replace(trouble, cause=TroubleCause.EXPIRED_KEY)
            self._key_refused_at = time.monotonic()
            if credentials.can_be_renewed:
                return trouble
        if trouble.cause is TroubleCause.NO_CREDIT and has_answered:
            return trouble  # as with an expired key, the user can do something about it
        if trouble.cause is TroubleCause.BAD_REQUEST:
            self._count_refusal(trouble)
        raise explain(trouble, self._server) from trouble

    async def _pause(self, trouble: Trouble, sent_at: float, failures: _Failures) -> None:
        """Wait until the next try, and find out meanwhile whether the teacher is away."""
        backoff = backoff_seconds(trouble, failures.in_a_row, LONGEST_WAIT)
        end = time.monotonic() + min(backoff, self._patience + 1.0)
        await asyncio.sleep(min(QUIET_SECONDS, end - time.monotonic()))
        is_quiet = False
        if self._failing_since:
            is_quiet = time.monotonic() - self._failing_since >= QUIET_SECONDS
        # A request that has failed before while others were answered finds out at once.
        is_suspect = bool(failures.counted) or trouble.cause in _ASK_SOMEBODY
        if self._answered_at < sent_at and (is_quiet or is_suspect):
            await self._wait_for_answer(since=sent_at)
        # The teacher's return ends the pause, unless the server itself named a time.
        if trouble.retry_after or self._returned_at < sent_at:
            await asyncio.sleep(max(0.0, end - time.monotonic()))

    async def _wait_for_answer(self, since: float) -> None:
        """Send probes until any request has been answered after this moment.

        One caller does so for all that wait.

        Raises:
            TeacherRefused: No request will be answered.
            TeacherUnreachable: Patience is over.
        """
        async with self._probing:
            failed_probes = 0
            while self._answered_at < since:
                sent_at = time.monotonic()
                key = self._server.credentials.key
                try:
                    await self._adapter.exchange(probe_body(self._server.model), PROBE_SECONDS)
                    self._record_answer(sent_at)
                except Trouble as failure:
                    try:
                        trouble = self._check_transient(failure, sent_at)
                    except RequestRefused:
                        break  # the teacher answers
                    failed_probes += 1
                    await self._stay_away(trouble, failed_probes, key)
            if self.state == "away":
                self._returned_at = time.monotonic()
            self._be_present()

    async def _stay_away(self, trouble: Trouble, failed_probes: int, key: str) -> None:
        """Be away until it is time for the next probe.

        Args:
            trouble: Why the last probe failed.
            failed_probes: How many have.
            key: The key that was sent with the last one.

        Raises:
            TeacherRefused: Patience is over, and no new key has come.
            TeacherUnreachable: Patience is over.
        """
        self.state = "away"
        self.wants_key = trouble.cause is TroubleCause.EXPIRED_KEY
        self.away_reason = self._reason(trouble)
        seconds_left = self._failing_since + self._patience - time.monotonic()
        if seconds_left <= 0:
            if trouble.cause not in _ASK_SOMEBODY:
                trouble = Trouble(TroubleCause.GONE, self.away_reason)
            raise explain(trouble, self._server)
        if self.wants_key:
            await self._wait_for_new_key(key, min(REFUSED_KEY_SECONDS, seconds_left))
        elif trouble.cause is TroubleCause.NO_CREDIT:
            await asyncio.sleep(min(REFUSED_KEY_SECONDS, seconds_left))
        else:
            backoff = backoff_seconds(trouble, failed_probes, LONGEST_PROBE_WAIT)
            await asyncio.sleep(min(backoff, seconds_left))

    async def _wait_for_new_key(self, key: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._server.credentials.key == key and time.monotonic() < end:
            await asyncio.sleep(KEY_CHECK_SECONDS)

    def _reason(self, trouble: Trouble) -> str:
        """Why the teacher is away, and what the user can do about it."""
        if trouble.cause is TroubleCause.NO_CREDIT:
            return f"the account is empty ({trouble}); add credit"
        if trouble.cause is not TroubleCause.EXPIRED_KEY:
            return str(trouble)
        credentials = self._server.credentials
        if credentials.key_file is None:
            advice = "enter a new one"
        else:
            advice = f"put a new one into {credentials.place}"
        return f"the key is no longer accepted ({trouble}); {advice}"

    def _be_present(self) -> None:
        self.state = "present"
        self.away_reason = ""
        self.wants_key = False


def backoff_seconds(trouble: Trouble, failures: int, longest: float) -> float:
    """Seconds to wait before the next try.

    What the server asks for, plus a random time, so that not all requests arrive at once.

    Args:
        trouble: Why the last try failed.
        failures: How many have, from 1.
        longest: The longest wait where the server names no time.
    """
    if trouble.retry_after is None:
        requested = 0.0
    else:
        requested = trouble.retry_after
        longest = 1.0
    limit = min(longest, FIRST_WAIT * 2 ** min(failures - 1, 16))
    return requested + random.uniform(0, limit)
