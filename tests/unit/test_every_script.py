"""Lengths, words and figures in the scripts of the world, and what `check` makes of them."""

import pytest

import sdgkit as sk
from sdgkit import checks
from sdgkit.checks.numbers import plain_digits
from sdgkit.evaluation.seed_findings import Finding
from sdgkit.prompts.words import count_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The lift has stopped.", 4),
        ("\u9662\u5b50\u5f88\u5927\u3002", 4),  # Chinese
        ("\u30ab\u30e1\u30e9\u306f\u99c5\u306e 3 \u756a\u3067\u3059\u3002", 10),  # Japanese
        ("\u0e1b\u0e25\u0e32\u0e15\u0e31\u0e27\u0e43\u0e2b\u0e0d\u0e48", 6),  # Thai: consonants
        ("\u179f\u17bd\u179f\u17d2\u178f\u17b8", 2),  # Khmer: one below another is one sign
        ("\u1019\u103c\u1014\u103a\u1019\u102c", 3),  # Burmese
        ("\uc5d8\ub9ac\ubca0\uc774\ud130\uac00 \uba48\ucd94\uc5c8\uc5b4\uc694.", 2),  # Korean
        ("iPhone \u5145\u7535 30 \u5206\u949f", 6),
    ],
)
def test_words_are_counted_in_every_script(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize("sign", ["\u72d7", "\u0e2b", "\u179f"])
def test_the_check_of_length_counts_signs_as_the_seed_check_does(sign: str) -> None:
    limit = checks.length(min=5, max=20).function
    assert not limit({"response": sign * 12})
    assert "at least 5" in limit({"response": sign * 4})
    assert "at most 20" in limit({"response": sign * 21})


def facts(context: str, response: str) -> str:
    """What the check of facts says about a response."""
    columns = ("seed_context", "seed_question", "seed_response")
    seed = dict.fromkeys(columns, "")
    row = {"task_description": "", "question": "", "context": context, "response": response}
    return str(checks.facts_in_context().function({**seed, **row}) or "")


@pytest.mark.parametrize(
    ("context", "response"),
    [
        ("Rs 7,65,432 paid", "They paid 765432 rupees."),
        ("765432 paid", "Rs 7,65,432 were paid."),
        ("a fund of 98,76,54,321", "The fund has 987,654,321."),
        ("a fund of 12,34,567.50", "The fund has 1234567.50."),
        ("CHF 54'321.75", "It costs 54,321.75 francs."),
        ("CHF 54\u2019321", "It costs 54321 francs."),
        ("54\u2009321 km", "It is 54,321 km."),
        ("\uff11\uff14\uff0c\uff13\uff12\uff11", "The number is 14321."),
        ("14321", "\u6570\u5b57\u662f\uff11\uff14\uff13\uff12\uff11\u3002"),
        ("\u0661\u0664\u066c\u0663\u0662\u0661", "The number is 14,321."),
        ("\u0663\u066b\u0667", "The number is 3.7."),
        ("\u0967\u096a\u0969\u0968", "The number is 1432."),
        ("1432", "\u0e23\u0e32\u0e04\u0e321432\u0e1a\u0e32\u0e17"),
        ("1432", "\u0648\u0661\u0664\u0663\u0662"),
    ],
)
def test_the_same_number_is_known_in_every_format_and_script(context: str, response: str) -> None:
    assert not facts(context, response)


@pytest.mark.parametrize(
    ("context", "response"),
    [
        ("Rs 7,65,432 paid", "They paid 765433 rupees."),
        ("\u0661\u0664\u0663\u0662", "The number is 1433."),
        ("14321", "\u6570\u5b57\u662f\uff11\uff14\uff13\uff12\uff12\u3002"),
        ("1432", "\u0e23\u0e32\u0e04\u0e321433\u0e1a\u0e32\u0e17"),
    ],
)
def test_another_number_is_still_found(context: str, response: str) -> None:
    assert facts(context, response)


def test_a_text_keeps_everything_but_its_digits() -> None:
    assert plain_digits("\u00bd \u2460 \u4e09 1a") == "\u00bd \u2460 \u4e09 1a"


# ---- complete or cut off


def ending_findings(
    response: str, task: str = "Write what the customer wants to know."
) -> list[Finding]:
    seed = {"task_description": task, "seed_question": "What is it?", "seed_response": response}
    return [finding for finding in sk.check_seeds([seed]) if finding.column == "seed_response"]


@pytest.mark.parametrize(
    "response",
    [
        "get along with",
        "1. look after\n2. see to",
        "- run into\n- bump into",
        "call for, ask for, long for",
        "mach mit\nhör zu",
        "and\nor\nbut",
    ],
)
def test_a_list_of_phrases_or_words_is_complete(response: str) -> None:
    assert not ending_findings(response)


@pytest.mark.parametrize(
    ("response", "severity"),
    [
        ("The pump was repaired by the engineer who came in on Monday with", "warning"),
        ("It was repaired. The customer is asked to look at", "warning"),
        ("The pump was repaired on Monday and the", "error"),
        ("The pump was repaired on Monday because", "error"),
        ("The parts are,", "error"),
    ],
)
def test_a_sentence_without_its_end_is_found(response: str, severity: str) -> None:
    [finding] = ending_findings(response)
    assert finding.severity == severity and "cut off" in finding.problem


@pytest.mark.parametrize(
    "table",
    [
        "[cols=2]\n|===\n|Name |Age\n\n|Ana |31\n|===",
        "<table><tr><td>Ana</td></tr></table>",
        "\\begin{tabular}{ll}\nAna & 31\n\\end{tabular}",
        "+-----+----+\n| Ana | 31 |\n+-----+----+",
    ],
)
def test_a_table_need_not_be_markdown(table: str) -> None:
    task = "Put the names and ages into a table, please."
    assert any("table" in finding.problem for finding in ending_findings("Ana: 31", task))
    assert not any("table" in finding.problem for finding in ending_findings(table, task))
