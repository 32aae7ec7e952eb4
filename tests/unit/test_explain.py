"""A run explains itself: where the samples went, what the judge wrote, and what to change."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from aiohttp import web
from scripted import PROMPTS, Ask, ScriptedTeacher, completion, prompt, seeds, tagged
from servers import status

import sdgkit as sk
from sdgkit.errors import RunError
from sdgkit.funnel import StageLine, Summary
from sdgkit.pages import fill
from sdgkit.report.explain import Cause, explain
from sdgkit.report.objections import objections, quote
from sdgkit.report.phrases import phrases
from sdgkit.run.snapshot import Snapshot
from sdgkit.samples import Row


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def run_of(script: ScriptedTeacher, num_contexts: int = 4, **settings: Any) -> sk.Run:
    return sk.generate(
        seeds(3),
        teacher=script.connect(),
        num_contexts=num_contexts,
        prompts=PROMPTS,
        profile=False,
        **settings,
    )


def strict(
    script: ScriptedTeacher,
    every: int = 1,
    evaluation: str = "The question asks for a fact that is not in the context, number {}.",
) -> Callable[[Ask], str]:
    """A judge of questions that turns down all but every n-th."""

    def answer(ask: Ask) -> str:
        if ask.stage == "eval_grounded_questions":
            good = every > 1 and int(ask.name, 16) % every == 0
            return tagged(
                evaluation="All is there." if good else evaluation.format(ask.name), score=int(good)
            )
        return script.usual(ask)

    return answer


def test_a_strict_judge_is_named_with_its_phrases_and_an_example(
    script: ScriptedTeacher,
) -> None:
    script.answer = strict(script)
    explanation = run_of(script).explain()
    cause = explanation.causes[0]
    assert (cause.stage, cause.reason, cause.number, cause.tried) == (
        "filter_grounded_questions",
        "score",
        36,
        36,
    )
    assert ("fact that is not in the context", 36) in cause.phrases
    assert "eval_grounded_questions" in cause.advice and "gen_grounded_questions" in cause.advice
    assert cause.example is not None
    sent = cause.messages_sent[-1]["content"]
    assert '"stage": "eval_grounded_questions"' in sent
    assert "[Start of Score]\n0" in cause.example.reply
    for text in (str(explanation), explanation.html):
        assert (
            "No sample was kept" in text
            and "36 of 36 rows (100%)" in text
            and "What to change" in text
        )


def test_a_run_without_samples_ends_well_with_that_page(
    script: ScriptedTeacher,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdgkit.run.run.is_interactive", lambda: True)  # or nothing is printed
    script.answer = strict(script)
    run = run_of(script, out=tmp_path / "run", num_contexts=2)  # too few to be warned of before
    assert run.state == "done" and list(run.samples()) == [] and run.warning is None
    assert any(note.startswith("No sample was kept.") for note in run.notes)
    assert (
        "filter_grounded_questions: the judge turned down 18 of 18 rows" in capsys.readouterr().out
    )
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    first_screen = page[page.index("<h1>") : page.index("<main>")]
    assert "the judge turned down 18 of 18 rows" in first_screen and "as sent" in first_screen
    assert sk.open_run(tmp_path / "run").explain() == run.explain()


def test_a_judge_that_turns_down_most_of_its_first_rows_is_warned_of_once(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    script.answer = strict(script, every=8)
    run = run_of(script, out=tmp_path / "run")
    warnings = [
        note for note in run.notes if "the judge rejected" in note and "of the first" in note
    ]
    assert len(warnings) == 1 and warnings[0].startswith(
        "filter_grounded_questions: the judge rejected"
    )
    assert run.warning is not None
    assert run.warning.causes[0].stage == "filter_grounded_questions"
    assert warnings[0] in json.loads((tmp_path / "run" / "summary.json").read_text())["notes"]


def test_what_a_judge_writes_stays_text_on_the_page_and_in_the_notes(
    script: ScriptedTeacher,
) -> None:
    script.answer = strict(
        script, evaluation="<img src=x onerror=alert(1)> \u202e is missing here, number {}."
    )
    run = run_of(script)
    assert run.warning is not None
    for page in (run.explain().html, run.warning.html):
        assert "&lt;img src=x" in page and "<img" not in page and "\u202e" not in page
    assert not any("\u202e" in note for note in run.notes) and "\u202e" not in str(run.explain())


def paused(run: sk.Run) -> Snapshot:
    deadline = time.monotonic() + 30
    while not run.snapshot().asks:
        assert time.monotonic() < deadline and run.is_running
        time.sleep(0.02)
    return run.snapshot()


def paused_panel(script: ScriptedTeacher, tmp_path: Path) -> tuple[sk.RunPanel, Snapshot]:
    """A live panel that has paused because of its judge. Replies take a moment, so much is left."""
    script.answer = strict(script, every=40)  # so few that chance cannot make a fair judge of it
    script.delay = lambda ask: 0.05
    panel = sk.RunPanel(
        seeds(8),
        teacher=script.connect(),
        num_contexts=20,
        prompts=PROMPTS,
        profile=False,
        out=tmp_path / "run",
    )
    assert panel.view.state["judge_doubt"] == ""
    panel.start()
    return panel, paused(panel.latest)


def test_in_a_live_panel_a_run_pauses_on_a_doubtful_judge_and_sends_no_requests(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    panel, snapshot = paused_panel(script, tmp_path)
    assert snapshot.state == "paused" and "the judge rejected" in snapshot.message
    while panel.latest.snapshot().in_flight:
        time.sleep(0.02)
    panel.refresh()
    assert "What to change" in panel.view.state["judge_doubt"] and panel.view.state[
        "status"
    ].startswith("Paused: ")
    asked = len(script.asks)
    time.sleep(1.0)
    assert len(script.asks) == asked
    assert sk.open_run(tmp_path / "run").snapshot().asks
    panel.act("continue")
    run = panel.latest.wait()
    assert run.state == "done" and len(script.asks) > asked
    assert len([note for note in run.notes if "of the first" in note]) == 1
    panel.refresh()
    assert panel.view.state["judge_doubt"] == ""
    panel.start()  # again: it is not asked twice
    assert not panel.latest.pause_on_warning
    panel.latest.wait()


def test_a_paused_run_can_be_cancelled_and_resumed(script: ScriptedTeacher, tmp_path: Path) -> None:
    panel, _ = paused_panel(script, tmp_path)
    panel.act("cancel")
    assert panel.latest.wait(10).state == "cancelled"
    asked = len(script.asks)
    run = sk.generate(tmp_path / "run", teacher=script.connect())
    assert run.state == "done" and len(script.asks) > asked


def test_elsewhere_it_warns_with_that_page_and_continues(
    script: ScriptedTeacher,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdgkit.run.run.is_interactive", lambda: True)  # or nothing is printed
    script.answer = strict(script, every=8)
    panel = sk.RunPanel(
        seeds(3), teacher=script.connect(), num_contexts=4, prompts=PROMPTS, profile=False
    )
    run = asyncio.run(panel.run())
    assert run.state == "done" and run.warning is not None
    assert "What to change" in str(panel)
    capsys.readouterr()
    run_of(script)
    printed = capsys.readouterr().out
    assert "of the first" in printed and "What to change" in printed


@pytest.mark.parametrize(("contexts", "every"), [(4, 2), (2, 1)])
def test_a_fair_judge_and_one_that_has_hardly_begun_are_not(
    script: ScriptedTeacher, contexts: int, every: int
) -> None:
    script.answer = strict(script, every=every)
    run = run_of(script, num_contexts=contexts)
    assert run.warning is None
    assert not any("of the first" in note for note in run.notes)


def reply_of(cause: Cause) -> str:
    """The raw reply of the example."""
    assert cause.example is not None
    return cause.example.reply


def test_each_cause_says_what_to_change(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> str | web.Response:
        if ask.stage == "gen_contexts":
            return tagged(
                context=f"Context {ask.seed}.{min(ask.ordinal, 3)}"
            )  # the fourth repeats the third
        if ask.stage == "gen_grounded_responses" and int(ask.name, 16) % 2:
            return completion("[Start of Response]\nHalf a", "length")
        if ask.stage == "eval_grounded_questions" and ask.given["question"].startswith("Q1"):
            return "Looks good to me!"
        return script.usual(ask)

    script.answer = answer
    causes = {
        cause.reason: cause
        for cause in run_of(script, num_contexts=4, extra_tries=0).explain().causes
    }
    assert causes["truncated"].stage == "gen_grounded_responses"
    assert "Raise max_tokens (--max-tokens)" in causes["truncated"].advice
    assert reply_of(causes["truncated"]) == "[Start of Response]\nHalf a"
    assert 'structure="always"' in causes["malformed"].advice
    assert "eval_grounded_questions" in causes["malformed"].advice
    assert reply_of(causes["malformed"]) == "Looks good to me!"
    assert "a higher temperature" in causes["duplicate"].advice


def test_a_refusal_is_quoted_in_the_server_s_words(script: ScriptedTeacher) -> None:
    def answer(ask: Ask) -> str | web.Response:
        if ask.stage == "gen_grounded_responses" and int(ask.name, 16) % 2:
            return status(400, "this prompt is too long for me")
        return script.usual(ask)

    script.answer = answer
    explanation = run_of(script).explain()
    cause = next(c for c in explanation.causes if c.reason == "teacher_error")
    [phrase] = cause.phrases
    assert "this prompt is too long for me" in phrase.text and phrase.number == cause.number
    page = "".join(fill("explain.html", explanation=replace(explanation, causes=[cause])))
    assert "as sent" not in page  # a refused request has no reply to be recorded with


class Record:
    """A run without rows."""

    def samples(self) -> Iterator[Row]:
        return iter(())

    def drops(self) -> Iterator[Row]:
        return iter(())

    def lists_drawn_from(self) -> dict[str, list[object]]:
        return {}

    def trace(self, id: str) -> NoReturn:
        raise RunError(f"No row of this run has the id {id!r}.")


def test_a_lost_context_counts_as_the_questions_that_it_would_have_had() -> None:
    stages = [
        StageLine("gen_contexts", 2, 20, 15, {"malformed": 5}),
        StageLine("gen_grounded_questions", 15, 45, 45),
        StageLine("filter_grounded_questions", 45, 45, 33, {"score": 12}),
    ]
    explanation = explain(Summary("done", stages=stages, seeds=2), Record())
    assert [cause.number for cause in explanation.causes] == [5, 12]
    assert (explanation.samples, explanation.dropped, explanation.seeds) == (33, 17, 2)


def test_a_row_that_disappears_while_it_is_read_is_no_example() -> None:
    class RunningRecord(Record):
        def drops(self) -> Iterator[Row]:
            yield {"id": "s1/c2/q1", "stage": "filter_grounded_questions", "reason": "score"}

    stages = [StageLine("filter_grounded_questions", 2, 2, 1, {"score": 1})]
    explanation = explain(Summary("running", stages=stages, seeds=2), RunningRecord())
    assert [(cause.number, cause.example) for cause in explanation.causes] == [(1, None)]
    assert "1 of 2 rows" in str(explanation) and "1 of 2 rows" in explanation.html


def test_phrases_are_what_the_drops_say_and_the_kept_do_not() -> None:
    turned_down = [
        f"The answer {n} is brief. It leaves out the deadline of case {n}." for n in range(20)
    ]
    kept = [f"The answer {n} is brief. Nothing is missing in case {n}." for n in range(20)]
    assert phrases(turned_down, kept)[0] == ("It leaves out the deadline of case", 20)
    assert not any("is brief" in phrase for phrase, _ in phrases(turned_down, kept))
    late = "期限が抜けています"
    assert phrases([f"{late}。よい。", f"{late}。", "別の話です。"]) == [(late, 2)]
    assert phrases([f"Lid{n} | The" for n in range(5)]) == [], (
        "a table's bar and an article say nothing"
    )
    assert phrases([]) == []


@pytest.mark.parametrize(
    ("evaluation", "objecting"),
    [
        ("98 % are right.", []),
        ("All 12 figures are right and nothing is missing.", []),
        ("Nothing is wrong.", []),
        ("Nichts ist erfunden, alles stimmt.", []),
        ("Rien ne manque.", []),
        ("It is neither harmful nor insulting.", []),
        ("The total should be 41, not 14.", ["The total should be 41, not 14."]),
        ("Most is right. No deadline is given.", ["No deadline is given."]),
        ("Es fehlt die Zeile „Ort“.", ["Es fehlt die Zeile „Ort“."]),
        ("The order isn't that of the text.", ["The order isn't that of the text."]),
        ("Falta la fecha. Todo lo demás está presente.", ["Falta la fecha."]),
        ("", []),
    ],
)
def test_what_a_judge_finds_right_is_no_objection(evaluation: str, objecting: list[str]) -> None:
    assert objections(evaluation) == objecting


@pytest.mark.parametrize(
    ("evaluation", "sentence"),
    [
        ("Not good. It is about another town.", "It is about another town."),
        ("Bad. The tone fits. The last unit is missing.", "The last unit is missing."),
        ("This is wrong. The total should be 41, not 14.", "The total should be 41, not 14."),
        (
            "This cannot be used as it is. It asks about something that nobody mentions.",
            "It asks about something that nobody mentions.",
        ),
        ("The response is not good enough. Twelve is not ten.", "Twelve is not ten."),
        (
            "Das ist so nicht brauchbar. Die Nummer fehlt im Eintrag.",
            "Die Nummer fehlt im Eintrag.",
        ),
        ("This response cannot be accepted.", "This response cannot be accepted."),
        ("98 % are right.", ""),
        ("", ""),
    ],
)
def test_the_quote_says_what_is_wrong_and_not_only_that_something_is(
    evaluation: str, sentence: str
) -> None:
    assert quote(evaluation) == sentence


WITH_FAULTS = {
    **PROMPTS,
    "evaluate_grounded_qa_pair": prompt(
        "evaluate_grounded_qa_pair",
        ("context", "question", "response"),
        "evaluation",
        "faults",
        "score",
    ),
}


def run_with_verdicts(script: ScriptedTeacher, verdicts: Sequence[str]) -> sk.Run:
    """A run whose samples get these verdicts in turn."""
    given = itertools.cycle(verdicts)

    def answer(ask: Ask) -> str:
        if ask.stage == "eval_grounded_questions":
            return tagged(evaluation="Fine.", score=1)
        return next(given) if ask.stage.startswith("evaluate") else script.usual(ask)

    script.answer = answer
    return sk.generate(
        seeds(3),
        teacher=script.connect(concurrency=1),
        num_contexts=2,
        prompts=WITH_FAULTS,
        profile=False,
    )


def test_the_cause_of_drops_is_what_is_wrong_and_never_what_is_right(
    script: ScriptedTeacher,
) -> None:
    wrong = tagged(
        evaluation="The other 98 % are right. The last unit is missing.", faults="truth", score=1
    )
    right = tagged(evaluation="All of it is the same as in the source.", faults="none", score=3)
    explanation = run_with_verdicts(script, [wrong, right]).explain()
    [cause] = explanation.causes
    assert cause.number == 9
    assert cause.quote and cause.quote.text == "The last unit is missing."
    assert not any("right" in phrase.text for phrase in cause.phrases)
    assert "The last unit is missing." in str(explanation)
    assert "The last unit is missing." in explanation.html


def test_the_faults_of_the_drops_are_counted(script: ScriptedTeacher) -> None:
    verdicts = [
        tagged(evaluation="The total is wrong.", faults="truth, form", score=1),
        tagged(evaluation="A label is missing.", faults="form", score=1),
        tagged(evaluation="Fine.", faults="none", score=3),
    ]
    explanation = run_with_verdicts(script, verdicts).explain()
    [cause] = explanation.causes
    assert [(count.kind, count.number) for count in cause.faults] == [("form", 12), ("truth", 6)]
    assert "Faults: form 12, truth 6" in str(explanation)
    assert "Faults: form 12, truth 6" in explanation.html


def test_samples_kept_with_a_two_are_told(script: ScriptedTeacher) -> None:
    verdicts = [
        tagged(evaluation="The last phrase is clumsy.", faults="manner", score=2),
        tagged(evaluation="Fine.", faults="none", score=3),
    ]
    explanation = run_with_verdicts(script, verdicts).explain()
    [lesser] = explanation.lesser
    assert (lesser.score, lesser.number) == (2.0, 9)
    assert [str(count) for count in lesser.faults] == ["manner 9"]
    assert lesser.quote and lesser.quote.text == "The last phrase is clumsy."
    assert "9 samples were kept with a score of 2. Faults: manner 9" in str(explanation)
    assert "The last phrase is clumsy." in explanation.html


def test_a_run_without_drops_says_so(script: ScriptedTeacher) -> None:
    script.answer = lambda ask: (
        tagged(evaluation="Fine.", score=1 if ask.stage.startswith("eval_") else 3)
        if "eval" in ask.stage
        else script.usual(ask)
    )
    explanation = run_of(script, num_contexts=1).explain()
    assert (
        explanation.causes == []
        and "9 samples kept from 3 seed examples, 0 rows dropped" in str(explanation)
    )
