"""Checks that ask nobody: what passes, what they drop, and with which message."""

import functools
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scripted
from scripted import PROMPTS, assert_adds_up

import sdgkit as sk
from sdgkit.checks import MAKERS, RULES, CheckedText, check, read_checks, saved
from sdgkit.samples import Row
from sdgkit.seeds import read_seeds

SEEDS = sorted((Path(__file__).parents[2] / "notebooks" / "seeds").glob("*.jsonl"))
TABLE = "| Feature | Sentiment |\n|---|---|\n| Login | Negative |"


def says(check: sk.Check, response: str, **row: Any) -> Any:
    """What a check says about a response: None if it passes."""
    return check.function({"response": response, **row})


# Tables, JSON, patterns, lengths ------------------------------------------------------------------


def test_a_table_with_the_columns_asked_for_passes() -> None:
    assert says(sk.checks.markdown_table(["Feature", "Sentiment"]), TABLE) is None
    assert says(sk.checks.markdown_table(), "a | b\n--|--\n`x \\| y` | 2") is None


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ("No table at all.", "no Markdown table"),
        (
            "| Feature | Mood |\n|---|---|\n| Login | bad |",
            "Feature | Mood, not Feature | Sentiment",
        ),
        (
            "| Feature | Sentiment |\n|---|---|\n| Login |",
            "Row 1 of the table has 1 cells; its header has 2",
        ),
        ("| Feature | Sentiment |\n|---|---|", "no rows"),
        (f"Here it is:\n\n{TABLE}", "text around the table: “Here it is:”"),
    ],
)
def test_a_table_that_is_not_as_asked_is_dropped_with_the_reason(
    response: str, message: str
) -> None:
    assert message in says(sk.checks.markdown_table(["Feature", "Sentiment"]), response)


def test_a_table_is_compared_with_the_seeds_table_by_default() -> None:
    check = sk.checks.markdown_table()
    assert says(check, TABLE, seed_response=TABLE.replace("Login", "Map")) is None
    assert "not Part | Verdict" in says(check, TABLE, seed_response="|Part|Verdict|\n|-|-|\n|a|b|")


SCHEMA = {"type": "object", "required": ["name"], "properties": {"age": {"type": "integer"}}}


def test_json_that_fits_its_schema_passes() -> None:
    assert says(sk.checks.valid_json(SCHEMA), '{"name": "Ann", "age": 3}') is None
    assert says(sk.checks.valid_json(), "```json\n[1]\n```") is None


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ("{name: 1}", "not JSON"),
        ('{"name": NaN}', "not JSON"),
        ('{"name": "A", "age": "x"}', "at $.age"),
        ("{}", "name"),
    ],
)
def test_json_that_does_not_fit_is_dropped_with_the_place(response: str, message: str) -> None:
    assert message in says(sk.checks.valid_json(SCHEMA), response)


def test_a_schema_elsewhere_is_never_fetched(connections: Any) -> None:
    check = sk.checks.valid_json({"$ref": "http://example.org/schema.json"})
    with pytest.raises(sk.SettingsError, match=r"example\.org"):
        says(check, "{}")
    assert not connections.attempts()


@pytest.mark.parametrize(
    "make",
    [
        lambda: sk.checks.valid_json({"type": "no such type"}),
        lambda: sk.checks.matches("("),
        lambda: sk.checks.length(),
        lambda: sk.checks.length(9, 3),
        lambda: sk.checks.length(max=3, unit="pages"),
        lambda: sk.checks.length(maximum=3),
        lambda: sk.checks.matches(),
        lambda: sk.checks.markdown_table("a, b"),
        lambda: read_checks(5),  # type: ignore[arg-type]
    ],
)
def test_settings_that_cannot_be_used_are_refused_when_the_check_is_made(
    make: Callable[..., Any],
) -> None:
    with pytest.raises(sk.SettingsError):
        make()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: sk.checks.facts_in_context({"a": "b"}),
            "facts_in_context: derived must be True or False, not {'a': 'b'}.",
        ),
        (
            lambda: sk.checks.facts_in_context(column=["response"]),
            "facts_in_context: column must be text, not ['response'].",
        ),
        (lambda: sk.checks.length("5"), "length: min must be a whole number, not '5'."),
        (
            lambda: sk.checks.length(5, unit="lines"),
            "length: unit must be 'words' or 'characters', not 'lines'.",
        ),
        (
            lambda: sk.checks.markdown_table("Name"),
            "markdown_table: columns must be a list, not 'Name'.",
        ),
        (lambda: sk.checks.length(5, mx=9), "length has no argument 'mx'. Did you mean 'max'?"),
    ],
)
def test_a_setting_of_another_type_is_refused_by_name(
    make: Callable[..., Any], sentence: str
) -> None:
    with pytest.raises(sk.SettingsError) as refused:
        make()
    assert str(refused.value) == sentence


def test_a_pattern_is_looked_for_in_every_line() -> None:
    assert says(sk.checks.matches("^Subject:"), "Hello\nSubject: x") is None
    assert "^Subject:" in says(sk.checks.matches("^Subject:"), "My Subject: x")


def test_lengths_are_counted_in_words_or_characters() -> None:
    assert says(sk.checks.length(2, 3), "three little words") is None
    assert "4 words; at most 3" in says(sk.checks.length(max=3), "more than three words")
    assert "2 characters; at least 3" in says(sk.checks.length(3, unit="characters"), "ab")


# Language, refusals -------------------------------------------------------------------------------

GERMAN = (
    "Die Heizung im zweiten Stock ist seit gestern Abend kalt, und im Büro sind es nur noch "
    "sechzehn Grad."
)
ENGLISH = (
    "The heating on the second floor has been cold since last night, and the office is down to "
    "sixteen degrees."
)


def test_a_response_in_another_language_than_the_seeds_is_dropped() -> None:
    check = sk.checks.same_language()
    assert says(check, ENGLISH, seed_response=GERMAN) == "It is in English, the seed's in German."
    assert says(check, GERMAN, seed_response=GERMAN) is None


@pytest.mark.parametrize(
    "short", ["OK", "Ticket: hoch", "| a | b |\n|---|---|\n| 1 | 2 |", "12.11., 9:40", ""]
)
def test_a_text_too_short_to_tell_its_language_passes(short: str) -> None:
    assert says(sk.checks.same_language(), short, seed_response=GERMAN) is None


@pytest.mark.parametrize(
    "refusal",
    [
        "I'm sorry, but I can't assist with that request.",
        "As an AI language model, I do not have opinions.",
        "Als KI-Sprachmodell kann ich das leider nicht.",
        "Dabei kann ich Ihnen leider nicht helfen. Dabei kann ich leider nicht helfen.",
        "En tant qu\u2019IA, je n'ai pas d'avis.",
        "作为一个人工智能\uff0c我不能回答。",
    ],
)
def test_a_reply_that_declines_is_dropped(refusal: str) -> None:
    assert "declines" in says(sk.checks.no_refusal(), refusal)


@pytest.mark.parametrize(
    "letter",
    [
        "Dear Ms Lee, I am sorry, but I cannot attend the meeting on Friday.",
        "Leider können wir Ihnen dabei nicht entgegenkommen.",
        "The user asks for help with the sync. " * 10 + "As an AI company, they should know.",
    ],
)
def test_a_letter_that_declines_something_is_not_a_refusal(letter: str) -> None:
    assert says(sk.checks.no_refusal(), letter) is None


def test_a_response_may_decline_if_its_seed_does() -> None:
    refusal = "I can't help with that."
    assert says(sk.checks.no_refusal(), refusal, seed_response="I cannot help with that.") is None


# Facts --------------------------------------------------------------------------------------------

FACTS = {
    "task_description": "Summarise in one sentence what customers say about our products. "
    "Add nothing.",
    "seed_context": "The lamp costs 20 euros, says Kim.",
    "seed_question": "Please summarise.",
    "seed_response": "A customer says the lamp costs 20 euros. Questions? Call 0800 333.",
    "context": "On 3 March 2025 we sold 12,600 lamps (11,000 last year) for €48.6m, "
    "writes Sabine Krol. Error E-2203 came twice.",
    "question": "Please summarise this one.",
}


@pytest.mark.parametrize(
    "good",
    [
        "They sold 12600 lamps for 48.6 million on 2025-03-03.",
        "They sold 12.600 lamps, 12 600 in all, for 48,600,000.",
        "It says that Sabine Krol saw error E-2203 two times; call 0800 333.",
        "Sales are up 14.5% to 12,600 from 11,000.",
        "Sales are up by 1,600 to 12,600.",
        "1. They sold lamps.\n2. It was in March.",
    ],
)
def test_facts_of_the_context_pass_in_any_format(good: str) -> None:
    assert says(sk.checks.facts_in_context(), good, **FACTS) is None


OTHER_NUMBERS = {
    "2": "7",
    "three": "four",
    "achtzig": "siebzig",
    "twelfth": "thirtieth",
    "soixante": "quarante",
}


@pytest.mark.parametrize(
    ("context", "response"),
    [
        ("1200 lamps", "1.200 lamps"),
        ("1,200 lamps", "1200 lamps"),
        ("a share of 0.125", "a share of 12.5 %"),
        ("a share of 12 %", "a share of 0.12"),
        ("twenty-three lamps", "23 lamps"),
        ("heute achtzig Lampen", "heute 80 Lampen"),
        ("on the twelfth of April", "on 12 April"),
        ("soixante lampes", "60 lampes"),
        ("这盏灯卖出了12,000个。", "共卖出12000个灯。"),
    ],
)
def test_one_number_written_in_two_ways_is_one_number(context: str, response: str) -> None:
    check = sk.checks.facts_in_context(derived=False)
    another_number = context
    for number, other in OTHER_NUMBERS.items():
        another_number = another_number.replace(number, other)
    assert says(check, response, **{**FACTS, "context": context}) is None
    assert says(check, response, **{**FACTS, "context": another_number}) is not None


@pytest.mark.parametrize(
    "fact", ["12.11.2025", "192.168.1.100", "2.3.100", "4711000815", "10.000.000,25"]
)
def test_a_date_a_version_an_address_and_a_long_number_are_found_again_and_no_other(
    fact: str,
) -> None:
    check, row = (
        sk.checks.facts_in_context(derived=False),
        {**FACTS, "context": f"It was {fact} then."},
    )
    assert says(check, f"Then it was {fact}.", **row) is None
    assert says(check, "Then it was 13.12.2026.", **row) is not None
    assert says(check, f"Then it was {fact[:-1]}7.", **row) is not None


def test_an_answer_that_is_its_context_makes_nothing_up() -> None:
    text = "Anna met Berta Kohn 312 times in E-220."
    assert says(sk.checks.facts_in_context(), text, **{**FACTS, "context": text}) is None
    check = sk.checks.facts_in_context(column="context")
    assert "312" in check.function({**FACTS, "context": text})


@pytest.mark.parametrize(
    ("bad", "fact"),
    [
        ("They sold 13,600 lamps.", "13,600"),
        ("Sales are up 19.5% to 12,600.", "19.5"),
        ("It says that Peter saw an error.", "Peter"),
        ("The error was E-2204.", "E-2204"),
        ("As the lamp costs 20 euros, says Kim.", "20, Kim"),
    ],
)
def test_made_up_facts_are_named(bad: str, fact: str) -> None:
    assert fact in says(sk.checks.facts_in_context(), bad, **FACTS)


def test_a_number_in_words_is_that_number_and_no_other() -> None:
    check, row = (
        sk.checks.facts_in_context(derived=False),
        {**FACTS, "context": "It sold three lamps."},
    )
    assert says(check, "They sold 3 lamps.", **row) is None
    assert "6, 0" in says(check, "They sold 6 lamps and 0 chairs.", **row)


def test_computed_numbers_can_be_refused() -> None:
    assert "14.5" in says(
        sk.checks.facts_in_context(derived=False), "Sales are up 14.5% to 12,600.", **FACTS
    )


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_the_shipped_seeds_pass_every_check(path: Path) -> None:
    for seed in read_seeds(path):
        row = {**seed, **{name.removeprefix("seed_"): text for name, text in seed.items()}}
        for made in (
            sk.checks.facts_in_context(),
            sk.checks.same_language(),
            sk.checks.no_refusal(),
        ):
            assert made.function({**row, "seed_response": ""}) is None


# In a run -----------------------------------------------------------------------------------------


def test_a_check_drops_with_its_own_message_after_the_stage_that_writes(tmp_path: Path) -> None:
    with scripted.ScriptedTeacher() as script:
        script.answer = lambda ask: (
            scripted.tagged(response="too long a response")
            if ask.stage == "gen_grounded_responses" and ask.name < "8"
            else script.usual(ask)
        )
        run = sk.generate(
            scripted.seeds(),
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            checks=[sk.checks.length(max=3)],
            out=tmp_path,
        )
    assert_adds_up(run)
    names = [line.name for line in run.funnel]
    assert names.index("length") == names.index("gen_grounded_responses") + 1
    drops = [drop for drop in run.drops() if drop["stage"] == "length"]
    assert drops
    assert {drop["reason"] for drop in drops} == {"length"}
    assert {drop["message"] for drop in drops} == {"It has 4 words; at most 3 are allowed."}
    assert "too long a response" in drops[0]["reply"]


def test_repeating_a_run_repeats_its_checks(tmp_path: Path) -> None:
    checks = [
        "length=..50 words",
        sk.checks.matches("Response"),
        {"name": "m2", "check": "matches", "pattern": "."},
    ]
    with scripted.ScriptedTeacher() as script:
        teacher = script.connect()
        first = sk.generate(
            scripted.seeds(1),
            teacher=teacher,
            prompts=PROMPTS,
            profile=False,
            checks=checks,  # type: ignore[arg-type]
            out=tmp_path,
        )
        script.forget()
        again = sk.generate(tmp_path, teacher=teacher)
        assert script.asked() == 0
    assert again.plan is not None and first.plan is not None
    assert again.plan.edition() == first.plan.edition()
    assert [line.name for line in again.funnel] == [line.name for line in first.funnel]


def test_your_own_function_is_a_check_and_must_be_passed_again_to_repeat_the_run(
    tmp_path: Path,
) -> None:
    def polite(row: Row) -> bool | str:
        return "please" in row["question"] or "Nobody said please."

    with scripted.ScriptedTeacher() as script:
        teacher = script.connect()
        run = sk.generate(
            scripted.seeds(1),
            teacher=teacher,
            prompts=PROMPTS,
            profile=False,
            checks=polite,
            out=tmp_path,
        )
        assert {d["message"] for d in run.drops() if d["reason"] == "polite"} == {
            "Nobody said please."
        }
        with pytest.raises(sk.SettingsError, match="polite"):
            sk.generate(tmp_path, teacher=teacher)
        assert sk.generate(tmp_path, teacher=teacher, checks=[polite]).state == "done"


def test_checks_of_one_name_are_numbered_and_a_check_goes_where_its_column_is_written() -> None:
    plan = sk.plan(
        scripted.seeds(),
        prompts=PROMPTS,
        profile=False,
        checks=["matches=a", "matches=b", sk.checks.length(1, column="question")],
    )
    names = [stage.name for stage in plan.pipeline.stages]
    assert names[names.index("gen_grounded_responses") :][:3] == [
        "gen_grounded_responses",
        "matches",
        "matches_2",
    ]
    assert names[names.index("gen_grounded_questions") + 1] == "length"
    with pytest.raises(sk.SettingsError, match="no stage writes"):
        sk.plan(
            scripted.seeds(),
            prompts=PROMPTS,
            profile=False,
            checks=[sk.checks.length(1, column="nowhere")],
        )


def test_every_check_can_be_saved_and_read_back() -> None:
    typed = [
        "markdown_table=A,B",
        "valid_json",
        "matches=x",
        "length=2..30characters",
        "same_language",
        "no_refusal",
    ]
    checks = read_checks([*typed, "facts_in_context", sk.checks.valid_json(SCHEMA, name="fits")])
    back = read_checks(json.loads(json.dumps([saved(check) for check in checks])))
    assert [check.describe() for check in back] == [check.describe() for check in checks]
    assert {check.name for check in checks} == {*RULES, "fits"}


def test_a_rule_that_is_registered_can_be_made_typed_saved_and_described() -> None:
    def no_links(checked: CheckedText, most: int = 0) -> str:
        """The text has at most `most` links."""
        links = checked.text.count("https://")
        return f"It has {links} links; at most {most} are allowed." if links > most else ""

    make = check(no_links)
    try:
        assert says(make(), "See https://a.b") == "It has 1 links; at most 0 are allowed."
        assert says(make(most=1), "See https://a.b") is None
        [typed] = read_checks("no_links")
        [back] = read_checks(json.loads(json.dumps([saved(typed)])))
        assert back.describe() == typed.describe() == make().describe()
        assert str(inspect.signature(make)).startswith(
            "(most: int = 0, *, column: str = 'response', name: str = 'no_links')"
        )
        with pytest.raises(sk.SettingsError, match="Did you mean 'most'"):
            make(mots=1)
    finally:
        del RULES["no_links"], MAKERS["no_links"]


def test_a_check_can_be_a_function_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def short(row):\n    return len(row['response']) < 5\n")
    [check] = read_checks(f"{tmp_path}/mine.py:short")
    assert (check.name, says(check, "abc"), says(check, "abcdef")) == ("short", True, False)
    with pytest.raises(sk.SettingsError, match="nothere"):
        read_checks(f"{tmp_path}/mine.py:nothere")


def longer_than(limit: int) -> Callable[[Row], bool]:
    return lambda row: len(row["response"]) > limit


class Longer:
    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, row: Row) -> bool:
        return len(row["response"]) > self.limit


def than(limit: int, row: Row) -> bool:
    return len(row["response"]) > limit


@pytest.mark.parametrize(
    "make",
    [
        lambda n: sk.checks.length(n),
        lambda n: sk.Check(name="c", function=longer_than(n)),
        lambda n: sk.Check(name="c", function=Longer(n)),
        lambda n: sk.Check(name="c", function=functools.partial(than, n)),
        lambda n: sk.Check(name="c", function=Longer(n).__call__),
    ],
    ids=["shipped", "closure", "object", "partial", "method"],
)
def test_checks_with_the_same_parameters_and_only_those_have_one_fingerprint(
    make: Callable[..., Any],
) -> None:
    assert make(3).describe() == make(3).describe()
    assert make(3).describe() != make(4).describe()
    json.dumps(make(3).describe())


def test_a_check_has_the_same_fingerprint_in_every_process() -> None:
    code = (
        "import json, sys\n"
        "sys.path[:0] = sys.argv[1:3]\n"
        "import sdgkit as sk, test_checks as tests\n"
        "functions = [tests.longer_than(3), tests.Longer(3)]\n"
        "checks = [sk.Check(name='c', function=function) for function in functions]\n"
        "checks.append(sk.checks.length(3))\n"
        "print(json.dumps([check.describe() for check in checks]))"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", code, str(here), str(here.parent)]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    second = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert first == second
