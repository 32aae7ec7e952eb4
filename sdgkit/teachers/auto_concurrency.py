"""`concurrency="auto"`: the level of concurrency at which a teacher's throughput stops growing.

A pure object: it is given what happens, and says how many requests may be in flight. It knows no
clock, no server and no slots.

It climbs by doubling while twice the requests give clearly more replies a second. Then it holds,
and now and then tries a little more or a little less: more is kept if throughput follows, less is
kept if throughput does not fall. What a server says of its queue counts more than what reply times
suggest: with requests waiting, the level falls to what the server works on.
"""

from typing import Literal

from sdgkit.teachers.load import ServerLoad
from sdgkit.teachers.reply_times import ReplyTimes

START = 16
"""The first level: what a server that you share will hardly notice."""

MOST = 1_024
"""The upper bound where you name none."""

FEWEST_REPLIES = 60
"""The shortest window, in replies: reply times differ by factors."""

TURNS = 2
"""A window lasts as many replies as its level this many times."""

WORTH_IT = 0.4
"""More requests are kept in flight if throughput follows by at least this share of the increase."""

NO_LOSS = 0.25
"""Fewer are kept in flight if throughput follows by no more than this share of the decrease: in
doubt it stays higher, since a short queue costs nothing."""

ROOM = 0.7
"""If it follows by this share, there may be room for twice as much."""

UP = 1.4
DOWN = 0.7
"""The steps of the trials while it holds."""

LONGEST_REST = 3
"""How many windows pass between two trials, at most."""

DOWN_EVERY = 4
"""One trial in so many goes down: each costs throughput where the level is right."""

RESERVE = 1 / 8
"""A queue of this share of what the server works on is kept: a slot that is free at once has its
next request, however late a busy client is."""

REPORTS = 2
"""So many of a server's reports in a row have to agree, since one may be a moment's."""

CAUTION = 10
"""For how many windows it remembers the level at which requests were refused as too many."""

LONGEST_MEMORY = 4
"""How many windows at one level are taken together."""

CHANGED = 1.5
"""Reply times that differ by this factor, beyond what the levels explain, mean that the server has
changed: it has more room or less, or other people's requests."""

FULL = 0.85
"""A window counts only if this share of the level was in use, or the run had too little to ask."""

FAILED = 0.15
"""The share of requests refused as too many, or timed out, at which the level falls."""

FAILURES = 10
"""Fewer of them say nothing."""

MOST_ANSWERS = 200
"""After so many answers, the count of failures starts again."""

FULL_CACHE = 0.9
"""Share of vLLM's cache above which no more is tried: it would put requests off, and redo them."""

Trial = Literal["double", "up", "down", ""]


class AutoConcurrency:
    """Finds a level and holds it.

    Args:
        most: The upper bound.

    Attributes:
        level: How many requests may be in flight now, from 1 to `most`.
        most: The upper bound.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.level = min(START, most)
        self._trial: Trial = ""
        self._base: ReplyTimes | None = None  # the last window at the level that is held
        self._base_level = self.level
        self._window = ReplyTimes()
        self._sent_since = 0.0  # only requests that were sent later count
        self._to_settle = 0  # replies until a new level shows
        self._is_climbing = True
        self._rest = 1  # windows between two trials
        self._rested = 0
        self._tries_down_next = False
        self._trials = 0
        self._answers = 0  # whenever their requests were sent, for the share of failures
        self._failures = 0
        self._tolerated = FAILED  # the share of failures that does not lower the level
        self._share_before = 0.0  # the share at which it was lowered
        self._lowered_at = 0.0
        self._refused_level = most + 1
        self._caution = 0  # windows until it is tried again
        self._has_queue = False  # the three by the server's own account
        self._has_full_cache = False
        self._was_held_by_queue = False
        self._queue_reports = 0
        self._room_reports = 0

    # What happens -----------------------------------------------------------------------------

    def note_reply(self, *, sent_at: float, now: float, in_use: int, stage: str = "") -> None:
        """A request was answered.

        Args:
            sent_at: When it was sent, in seconds.
            now: When the reply came.
            in_use: How many requests were in flight when it was sent, itself included.
            stage: The stage that asked.
        """
        self._answers += 1
        if self._is_settling(now) or sent_at < self._sent_since:
            return
        self._window.add(now - sent_at, in_use, stage)
        self._end_window_if_full(now)

    def note_failure(self, *, sent_at: float, now: float) -> None:
        """A request was refused because there were too many (429), or timed out."""
        if sent_at < self._lowered_at:
            return
        self._failures += 1
        self._end_window_if_full(now)

    def note_load(self, load: ServerLoad, own: int, now: float) -> None:
        """The server has said how busy it is.

        Args:
            load: What it said.
            own: How many of its requests are this teacher's.
            now: When it said so.
        """
        reserve = 1 + int(load.running * RESERVE)
        has_others = load.running + load.waiting - own > reserve
        self._has_queue = load.waiting > 0
        self._has_full_cache = load.cache_use > FULL_CACHE
        self._queue_reports = self._queue_reports + 1 if load.waiting > reserve else 0
        is_full = own >= FULL * self.level
        has_room = is_full and not self._has_queue and not self._has_full_cache
        self._room_reports = self._room_reports + 1 if has_room else 0
        if self._queue_reports >= REPORTS:
            self._hold_for_queue(load.running, reserve, has_others, now)
        elif has_room and self._is_climbing:
            self._start_trial("double", self.level * 2, now)
        elif self._room_reports >= REPORTS and self._was_held_by_queue:
            self._return_after_queue(has_others, now)

    def note_no_load(self) -> None:
        """The server no longer says how busy it is: reply times alone decide."""
        self._has_queue = False
        self._has_full_cache = False
        self._queue_reports = 0

    # The server's queue ---------------------------------------------------------------------------

    def _hold_for_queue(self, running: int, reserve: int, has_others: bool, now: float) -> None:
        """Fall to what the server works on; beside others, to no less than half of it."""
        if has_others:
            level = max(int(self.level * DOWN), min(self.level, running // 2))
        else:
            level = min(self.level, running + reserve)
        self._hold(level, now)
        self._was_held_by_queue = True
        self._queue_reports = 0

    def _return_after_queue(self, has_others: bool, now: float) -> None:
        """The queue is gone: climb again, in small steps beside others."""
        self._room_reports = 0
        if has_others:
            self._hold(round(self.level * UP), now)
        else:
            self._is_climbing = True
            self._start_trial("double", self.level * 2, now)

    # Windows ----------------------------------------------------------------------------------

    def _is_settling(self, now: float) -> bool:
        if not self._to_settle:
            return False
        self._to_settle -= 1
        self._sent_since = now
        return True

    def _end_window_if_full(self, now: float) -> None:
        window = self._window
        turns = 1 if self._is_climbing else TURNS
        if self._failures >= FAILURES:
            failed_share = self._failures / (self._answers + self._failures)
            self._begin_count()
            if self._must_back_off(failed_share):
                self._back_off(failed_share, now)
                return
        if window.count < max(FEWEST_REPLIES, turns * self.level):
            return
        if self._answers >= MOST_ANSWERS:
            self._begin_count()
        self._begin_window(now)
        self._caution = max(0, self._caution - 1)
        if not self._caution:
            self._refused_level = self.most + 1
            self._tolerated = FAILED
        if window.in_use >= FULL * self.level:
            self._judge(window, now)

    def _must_back_off(self, share: float) -> bool:
        """Whether the level has to fall because too many requests failed.

        Where a lower level has as many failures, they have another reason, and are put up with.
        """
        if share <= self._tolerated:
            self._share_before = 0.0
            return False
        has_helped = not self._share_before or share < 0.7 * self._share_before
        self._share_before = share
        if has_helped or share > 0.5:
            return True
        self._tolerated = 2 * share
        self._caution = CAUTION
        self._refused_level = self.most + 1
        self._is_climbing = True
        return False

    def _back_off(self, share: float, now: float) -> None:
        level = int(self.level * max(0.5, min(DOWN, 1 - share)))
        if self._trial in ("double", "up"):
            level = min(self._base_level, self.level - 1)  # it was accepted there
        self._refused_level = self.level
        self._caution = CAUTION
        self._hold(level, now)

    def _judge(self, window: ReplyTimes, now: float) -> None:
        """Decide what a full window means: the end of a trial, or time for the next."""
        base = self._base
        trial = self._trial
        if base is None:
            self._keep(window)
            self._try_next(now)
            return
        change = window.change_since(base)
        if change < 1 / CHANGED and trial in ("", "down"):
            self._keep(window)
            self._is_climbing = True
            self._start_trial("double", self.level * 2, now)
        elif not trial:
            self._tries_down_next = change > CHANGED
            if change <= CHANGED and base.count < LONGEST_MEMORY * window.count:
                window = window.plus(base)
            self._keep(window)
            self._rested += 1
            self._try_next(now)
        else:
            self._end_trial(trial, window.gain_over(base), window, now)

    def _end_trial(self, trial: Trial, gain: float, window: ReplyTimes, now: float) -> None:
        costs_throughput = trial == "down" and gain >= NO_LOSS
        brings_none = trial != "down" and gain < WORTH_IT
        if costs_throughput or brings_none:
            self._take_back(now)
            return
        self._keep(window)
        self._rest = 1
        if trial == "down":
            self._start_trial("down", int(self.level * DOWN), now)
        elif gain >= ROOM or trial == "double":
            self._is_climbing = True
            self._start_trial("double", self.level * 2, now)
        else:
            self._start_trial("up", round(self.level * UP), now)

    def _keep(self, window: ReplyTimes) -> None:
        self._base = window
        self._base_level = self.level
        self._trial = ""

    def _take_back(self, now: float) -> None:
        """End a trial that was not worth it; the next one comes after a longer rest."""
        level = self._base_level
        if self._trial == "double":
            level = round(level * UP)
            self._base = None
            self._tries_down_next = True
        else:
            self._rest = min(LONGEST_REST, self._rest + 1)
        self._is_climbing = False
        self._trial = ""
        self._set_level(level, now)

    # Levels -----------------------------------------------------------------------------------

    def _try_next(self, now: float) -> None:
        if self._is_climbing:
            self._start_trial("double", self.level * 2, now)
        elif self._rested >= self._rest:
            self._trials += 1
            tries_down = self._tries_down_next or self._trials % DOWN_EVERY == 0
            self._tries_down_next = False
            if tries_down or self.level == self.most:
                self._start_trial("down", int(self.level * DOWN), now)
            else:
                self._start_trial("up", max(self.level + 1, round(self.level * UP)), now)

    def _start_trial(self, trial: Trial, level: int, now: float) -> None:
        self._rested = 0
        level = self._bounded(level)
        if trial == "down":
            is_useless = self._has_queue  # a short one, or the level would have fallen
        else:
            is_useless = self._has_queue or self._has_full_cache or level >= self._refused_level
        if is_useless or level == self.level:
            self._is_climbing = False
            self._trial = ""
            return
        self._trial = trial
        self._set_level(level, now)

    def _hold(self, level: int, now: float) -> None:
        """Hold a level that the server itself has shown to be right."""
        self._trial = ""
        self._base = None
        self._is_climbing = False
        self._tries_down_next = False
        self._rested = 0
        self._set_level(level, now)

    def _set_level(self, level: int, now: float) -> None:
        level = self._bounded(level)
        if level < self.level:
            self._lowered_at = now
        self.level = level
        self._begin_count()
        self._begin_window(now)
        # What is in flight was sent at the old level.
        self._to_settle = 0 if self._is_climbing else self.level

    def _begin_window(self, now: float) -> None:
        self._window = ReplyTimes()
        self._sent_since = now

    def _begin_count(self) -> None:
        """Start the count of failures again."""
        self._answers = 0
        self._failures = 0

    def _bounded(self, level: int) -> int:
        return max(1, min(level, self.most))
