"""A regular expression or a JSON schema of a stranger's is bounded work, wherever it stands."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from scripted import PROMPTS, ScriptedTeacher, seeds

import sdgkit as sk
from sdgkit.checks.json_schemas import schema_flaw
from sdgkit.checks.patterns import is_found
from sdgkit.errors import SdgkitError, SettingsError

# For which the time doubles with each letter; Python's `re` would take years.
ENDLESS = "(a|aa)+$"
TEXT = "a" * 60 + "b"


def says(check: sk.Check, text: str) -> object:
    return check.function({"response": text})


def test_an_endless_pattern_is_given_up_with_a_sentence_that_shows_it() -> None:
    with pytest.raises(SettingsError, match="takes too long to look for") as refused:
        says(sk.checks.matches(ENDLESS), TEXT)
    assert ENDLESS in str(refused.value)
    assert refused.value.setting == "pattern"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": ENDLESS}, TEXT),
        ({"items": {"anyOf": [{"pattern": ENDLESS}]}}, [TEXT]),
        ({"patternProperties": {ENDLESS: {}}}, {TEXT: 1}),
        ({"patternProperties": {ENDLESS: {}}, "additionalProperties": False}, {TEXT: 1}),
        ({"propertyNames": {"pattern": ENDLESS}}, {TEXT: 1}),
    ],
)
def test_an_endless_pattern_in_a_schema_is_given_up(schema: dict[str, Any], value: object) -> None:
    check = sk.checks.valid_json(schema=schema)
    with pytest.raises(SettingsError, match="takes too long to look for"):
        says(check, json.dumps(value))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(" * 3000 + ")" * 3000, "nested too deep"),
        ("((a{1000}){1000}){1000}", "repeats something more than 10,000 times"),
        ("a{99999999999999999999}", "repeats something more than 10,000 times"),
        ("a" * 10_001, "is longer than 10,000 characters"),
        ("(", "is not a valid regular expression"),
        (r"\p{L}", "is not a valid regular expression"),
        (7, "must be text"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_before_anything_is_asked(
    pattern: Any, words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        sk.checks.matches(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "is_there"),
    [
        ("^Total:", "x\nTotal: 5", True),
        ("end$", "the end\nof it", True),
        (r"\bx{e}", "x{e}", True),  # in `regex`, one error would be allowed
        (r"\bx{e}", "y", False),
        (r"{name}", "Dear {name}", True),
        (r"a{2,3}", "baab", True),
        (r"\{\d+\}", "{17}", True),
        (r"\N{BULLET} \w+", "\u2022 one", True),
        (r"(?i)stra\u00dfe", "STRA\u00dfE", True),
        (r"[{]\d", "{5", True),
    ],
)
def test_patterns_mean_what_pythons_re_makes_of_them(
    pattern: str, text: str, is_there: bool
) -> None:
    assert is_found("matches", pattern, text) is is_there


def bomb(depth: int) -> dict[str, Any]:
    """A schema of some lines that asks for 2 to the power of its depth comparisons."""
    levels: dict[str, Any] = {f"d{depth}": {"type": "object"}}
    for level in range(depth):
        levels[f"d{level}"] = {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2}
    return {"$ref": "#/$defs/d0", "$defs": levels}


def nested(depth: int, key: str) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {key: [schema]}
    return schema


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (bomb(40), "too much work"),
        ({"$ref": "#"}, "refers to itself without end"),
        (nested(3000, "allOf"), "nested too deep"),
        ({"$ref": "http://127.0.0.1:1/schema"}, "which it does not contain"),
        (
            {"patternProperties": {"a": {}}, "unevaluatedProperties": False},
            "Use additionalProperties",
        ),
    ],
)
def test_a_schema_that_stands_for_endless_work_is_one_sentence(
    schema: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        schema_flaw(schema, {})


def test_a_reply_that_is_nested_deep_is_a_drop_and_stops_no_run() -> None:
    list_of_lists: list[Any] = []
    for _ in range(300):
        list_of_lists = [list_of_lists]
    schema = {"$ref": "#/$defs/t", "$defs": {"t": {"items": {"$ref": "#/$defs/t"}}}}
    assert "nested too deep" in schema_flaw(schema, list_of_lists)


@pytest.mark.parametrize(
    ("schema", "value", "flaw"),
    [
        ({"uniqueItems": True}, [1, True, "1", [1]], ""),
        ({"uniqueItems": True}, [1, 2, 1.0], "non-unique"),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], "non-unique"),
        ({"uniqueItems": True}, [{"n": n} for n in range(20_000)], ""),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1}, ""),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"b": 1}, "'b'"),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"x1": 1}, ""),
        (
            {"patternProperties": {"^x": {}}, "additionalProperties": {"type": "string"}},
            {"x1": 1, "y": 2},
            "$.y",
        ),
        ({"patternProperties": {"^x": {"type": "string"}}}, {"x1": 1}, "$.x1"),
        ({"properties": {"pattern": {"type": "string"}}}, {"pattern": "("}, ""),
        ({"pattern": "^[A-Z]"}, "Ab", ""),
        ({"pattern": "^[A-Z]"}, "ab", "does not match"),
        ({"pattern": "^[A-Z]"}, 5, ""),
    ],
)
def test_the_bounded_keywords_judge_as_the_standard_says(
    schema: dict[str, Any], value: object, flaw: str
) -> None:
    said = schema_flaw(schema, value)
    assert flaw in said if flaw else said == ""


# Our own patterns ---------------------------------------------------------------------------------

LONG = 40_000  # signs; work that grew with the square of them would take minutes


@pytest.mark.parametrize("sign", [" ", "\n", "1", "_", "-", "|", "a", "\u4e00", "<", "a ", "1 "])
def test_a_reply_of_one_sign_again_and_again_is_read_and_checked_in_moderate_time(
    sign: str,
) -> None:
    text = f"x{sign * (LONG // len(sign))}x"
    began = time.process_time()
    for reply in (text, f"[Start of Context]{text}[End of Context]", f"<think>y</think>{text}"):
        PROMPTS["gen_contexts"].parse(reply, ["context"])
    row = {"response": text, "context": text, "question": "?", "seed_response": "One word."}
    rules = [
        sk.checks.facts_in_context(),
        sk.checks.same_language(),
        sk.checks.markdown_table(),
        sk.checks.valid_json(),
        sk.checks.length(1),
        sk.checks.no_refusal(),
        sk.checks.matches("Dear"),
    ]
    for rule in rules:
        rule.function(row)
    assert time.process_time() - began < 20


@pytest.mark.parametrize("digits", [40, 41, 400, 5_000])
def test_a_row_of_digits_without_end_stops_no_check(digits: int) -> None:
    text = f"It costs {'9' * digits} euros, 12 % more."
    row = {"response": text, "context": "It costs 7 euros.", "question": "?", "seed_response": ""}
    verdict = sk.checks.facts_in_context().function(row)
    assert "12, which neither" in str(verdict)


# Wherever it stands -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["config", "profile", "skill"])
def test_a_strangers_pattern_in_a_folder_ends_the_run_in_one_sentence(
    tmp_path: Path, place: str
) -> None:
    with ScriptedTeacher() as script:
        usual = script.usual

        def answer(ask: Any) -> str:
            text = usual(ask)
            is_response = ask.stage == "gen_grounded_responses"
            return text.replace("Response ", f"{TEXT} ") if is_response else text

        script.answer = answer
        teacher = script.connect()
        given: dict[str, Any] = {"prompts": PROMPTS, "num_contexts": 1, "num_questions": 1}
        source = _sent(tmp_path, place, teacher, given)
        with pytest.raises(SdgkitError, match="takes too long to look for"):
            sk.generate(source, teacher=teacher, out=tmp_path / "out", **given)


def _sent(folder: Path, place: str, teacher: sk.Teacher, given: dict[str, Any]) -> Any:
    """What a stranger sends, with the pattern in this place."""
    given["profile"] = False
    sent = folder / "sent"
    sent.mkdir()
    rows = "".join(json.dumps(row) + "\n" for row in seeds(1))
    (sent / "seeds.jsonl").write_text(rows, "utf-8")
    if place == "skill":
        (sent / "skill.toml").write_text(f"checks = ['matches={ENDLESS}']\n", "utf-8")
        return sent
    if place == "profile":
        profile = {"criteria": ["Short."], "checks": [f"matches={ENDLESS}"]}
        (sent / "profile.yaml").write_text(json.dumps(profile), "utf-8")
        given["profile"] = sent / "profile.yaml"
        return seeds(1)
    recorded = {"checks": [{"check": "matches", "pattern": "a"}]}
    run = sk.generate(seeds(1), teacher=teacher, out=folder / "made", **(given | recorded))
    config = Path(run.out or "") / "config.json"
    text = config.read_text("utf-8")
    assert '"pattern": "a"' in text
    config.write_text(text.replace('"pattern": "a"', f'"pattern": "{ENDLESS}"'), "utf-8")
    given.clear()
    given["prompts"] = PROMPTS
    return Path(run.out or "")
