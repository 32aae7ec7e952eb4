"""The review's desk: deciding together, sorting, what was skipped, and what the end says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sdgkit as sk
from sdgkit.review import conclude


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody has reviewed."""
    folder = tmp_path_factory.mktemp("run")
    seeds = list(sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"))
    with sk.connect("rehearsal") as teacher:
        sk.generate(seeds[:4], teacher=teacher, out=folder, num_contexts=3, profile=False)
    return folder


@pytest.fixture
def panel(finished: Path) -> Iterator[sk.ReviewPanel]:
    panel = sk.ReviewPanel(finished)
    yield panel
    while panel.review.undo():
        pass


def act(panel: sk.ReviewPanel, name: str, /, **values: Any) -> None:
    panel.act(name, **values)
    assert panel.last_error is None


def test_all_undecided_that_the_filters_leave_are_decided_together_and_undone_together(
    panel: sk.ReviewPanel,
) -> None:
    act(panel, "filter", show="all", seed="s2")
    number = len(panel.ids)
    act(panel, "reject", reason="mine")
    act(panel, "accept all")
    progress = panel.review.progress
    assert (progress.accepted, progress.rejected) == (number - 1, 1)
    act(panel, "undo")
    assert (panel.review.progress.accepted, panel.review.progress.rejected) == (0, 1)
    act(panel, "redo")
    assert panel.review.progress.accepted == number - 1
    act(panel, "undo")
    act(panel, "undo")
    assert panel.review.progress.decided == 0


def test_a_reason_goes_to_all_that_are_rejected_together(panel: sk.ReviewPanel) -> None:
    act(panel, "filter", show="all")
    act(panel, "reject all", reason="too long")
    assert panel.review.reasons() == {"too long": len(panel.ids)}


def test_a_decision_in_the_table_moves_nothing(panel: sk.ReviewPanel) -> None:
    shown, other = panel.state().sample, panel.ids[3]
    act(panel, "reject", id=other, reason="")
    assert panel.review.state(other) == "rejected"
    now = panel.state().sample
    assert shown is not None
    assert now is not None
    assert now.id == shown.id


def test_samples_are_sorted_by_the_length_of_the_response_and_back(panel: sk.ReviewPanel) -> None:
    act(panel, "filter", show="all")
    in_lineage = list(panel.ids)
    act(panel, "sort", by="length")
    lengths = [len(panel.review.sample(id_)["response"]) for id_ in panel.ids]
    assert lengths == sorted(lengths)
    act(panel, "sort", by="length")
    assert [len(panel.review.sample(id_)["response"]) for id_ in panel.ids] == lengths[::-1]
    act(panel, "sort", by="lineage")
    assert panel.ids == in_lineage


def test_next_undecided_leads_past_the_decided_and_back_to_what_was_skipped(
    panel: sk.ReviewPanel,
) -> None:
    first, second, third = panel.ids[:3]
    act(panel, "step", by=1)
    act(panel, "accept")
    assert panel.state().skipped == 1
    act(panel, "go", id=first)
    act(panel, "next")
    assert panel.state().position == 3, f"{second} is decided"
    for _ in panel.ids[2:]:
        act(panel, "accept")
    act(panel, "next")
    state = panel.state()
    assert state.sample is not None
    assert state.sample.id == first
    assert third not in [id_ for id_ in panel.ids if panel.review.state(id_) == "undecided"]


def test_after_the_last_sample_stands_what_was_skipped_and_what_to_do(
    panel: sk.ReviewPanel,
) -> None:
    act(panel, "step", by=1)
    for _ in panel.ids[1:]:
        act(panel, "accept")
    end = panel.state().end
    assert end is not None
    assert end.skipped == (panel.ids[0],)
    assert "Good enough to train on" in end.advice[0]
    panel.act("accept")
    assert "This is the end" in str(panel.last_error)
    act(panel, "step", by=-1)
    assert panel.state().end is None


def test_many_rejections_send_you_back_to_the_prompts_with_the_commonest_reason(
    panel: sk.ReviewPanel,
) -> None:
    for place, _ in enumerate(list(panel.ids)):
        act(panel, "reject", reason="row missing" if place % 3 else "too long")
    advice = " ".join(conclude(panel.review).advice)
    assert "correct the prompts, the profile or the seeds" in advice
    assert "row missing" in advice


def test_the_range_is_explained_as_long_as_not_all_were_looked_at(panel: sk.ReviewPanel) -> None:
    assert conclude(panel.review).meaning == ""
    act(panel, "accept")
    conclusion = conclude(panel.review)
    assert "1 of the 1 that you looked at" in conclusion.implied
    assert "21% to 100%" in conclusion.implied
    assert "95 of 100 such reviews" in conclusion.meaning
    act(panel, "filter", show="all")
    act(panel, "accept all")
    assert conclude(panel.review).meaning == "" or len(panel.review.samples) > 20
