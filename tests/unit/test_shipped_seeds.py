"""The shipped seeds keep the form that their tasks promise, and their facts are in the context."""

import re
from decimal import ROUND_HALF_UP, Decimal

import pytest

from sdgkit.files import shipped
from sdgkit.seeds import COLUMNS, read_seeds, row_key, skill

SKILLS = {
    "feedback_to_table": "grounded",
    "figures_to_email": "grounded",
    "stoerung_zu_ticket": "grounded",
    "commit_messages": "freeform",
}
NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?")


def seeds(name: str) -> list[dict[str, str]]:
    return read_seeds(shipped("notebooks") / "seeds" / f"{name}.jsonl")


def numbers(text: str) -> set[Decimal]:
    return {Decimal(found.replace(",", "")) for found in NUMBER.findall(text)}


def rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1"), ROUND_HALF_UP)


def test_every_shipped_seed_file_is_tested_here() -> None:
    assert {path.stem for path in (shipped("notebooks") / "seeds").glob("*.jsonl")} == set(SKILLS)


@pytest.mark.parametrize("name", SKILLS)
def test_a_seed_file_has_six_or_more_different_seeds_of_one_task(name: str) -> None:
    rows = seeds(name)
    assert len(rows) >= 6 and skill(rows) == SKILLS[name]
    assert len({row["task_description"] for row in rows}) == 1
    assert len({row["seed_question"] for row in rows}) == len(rows)
    assert len({row_key(row) for row in rows}) == len(rows)
    assert all(text == text.strip() for row in rows for text in row.values())
    assert all(set(row) <= set(COLUMNS) for row in rows)


@pytest.mark.parametrize("name", SKILLS)
def test_the_seeds_of_a_file_differ_in_length(name: str) -> None:
    source = "seed_context" if SKILLS[name] == "grounded" else "seed_question"
    for column in (source, "seed_response"):
        lengths = [len(row[column]) for row in seeds(name)]
        assert max(lengths) > 1.8 * min(lengths), column


def test_feedback_becomes_a_table_and_nothing_else() -> None:
    for row in seeds("feedback_to_table"):
        header, rule, *lines = row["seed_response"].split("\n")
        assert (header, rule) == ("| Feature | Feedback | Sentiment |", "|---|---|---|")
        cells = [re.fullmatch(r"\| (\S.*\S) \| (\S.*\.) \| (\w+) \|", line) for line in lines]
        assert cells and all(cells)
        features = [cell[1] for cell in cells if cell]
        assert len(features) == len(set(features)), "one row a feature"
        assert all(
            cell[3] in ("Positive", "Negative", "Mixed", "Neutral") for cell in cells if cell
        )
        assert all(len(re.findall(r"(?<!\\)\|", line)) == 4 for line in lines), (
            "a | inside a cell is escaped"
        )
        assert numbers(row["seed_response"]) <= numbers(row["seed_context"])
    used = {
        word
        for row in seeds("feedback_to_table")
        for word in re.findall(r"(\w+) \|\n", row["seed_response"] + "\n")
    }
    assert used >= {"Positive", "Negative", "Mixed", "Neutral"}


def test_an_email_has_the_house_style() -> None:
    for row in seeds("figures_to_email"):
        subject, greeting, lead, figures, outlook, sign_off = row["seed_response"].split("\n\n")
        match = re.fullmatch(r"Subject: (Q\d(?: (?:20|FY)\d\d(?:\d\d)?)?): (\S.*)", subject)
        assert match
        quarter, headline = match.groups()
        assert greeting == "Dear colleagues,"
        assert re.fullmatch(r"In the (first|second|third|fourth) quarter(?: of \w+)?, .*\.", lead)
        assert int(quarter[1]) == 1 + ["first", "second", "third", "fourth"].index(lead.split()[2])
        assert numbers(headline) <= numbers(lead)
        assert all(
            re.fullmatch(r"- \S[^:]*: [^()]+ \([^()]+\)", line) for line in figures.split("\n")
        )
        assert re.fullmatch(r"Outlook: [^\n]+\.", outlook)
        assert sign_off == "Best regards,\nFinance Communications"


def test_the_figures_of_an_email_are_those_of_its_context() -> None:
    for row in seeds("figures_to_email"):
        given = numbers(row["seed_context"])
        response = re.sub(
            r"\b(up|down|rose by|fell by) [\d.]+(%| points)", "", row["seed_response"]
        )
        response = re.sub(r"\bQ\d|\bFY\d\d", "", response)
        assert numbers(response) <= given, numbers(response) - given


def test_the_changes_in_an_email_are_computed_correctly() -> None:
    amount = r"-?(?:[€$£]|CHF )?([\d,]+(?:\.\d+)?)(%)?(?: \w+)?"
    checked = 0
    for row in seeds("figures_to_email"):
        for line in row["seed_response"].split("\n"):
            match = re.fullmatch(
                rf"- [^:]+: {amount} \((up|down) ([\d.]+)(%| points) from {amount}\)", line
            )
            assert match or " from " not in line, line
            if match:
                now, unit, way, change, kind, before, _ = match.groups()
                new, old = Decimal(now.replace(",", "")), Decimal(before.replace(",", ""))
                assert (kind == " points") == (unit == "%"), line
                wanted = new - old if unit else rounded((new - old) / old * 100)
                assert Decimal(change) == abs(wanted) and (way == "up") == (wanted > 0), line
                checked += 1
    assert checked >= 18


def test_the_headline_change_of_an_email_is_in_its_list() -> None:
    for row in seeds("figures_to_email"):
        subject, _, lead, figures, *_ = row["seed_response"].split("\n\n")
        match = re.search(r"(up|down) [\d.]+%", subject)
        assert match
        change = match[0]
        assert f"({change}" in figures
        assert change.replace("up", "rose by").replace("down", "fell by") in lead


def test_totals_in_the_context_of_an_email_add_up() -> None:
    (table,) = [
        row["seed_context"]
        for row in seeds("figures_to_email")
        if "Shops North" in row["seed_context"]
    ]
    columns = [
        [int(n.replace(",", "")) for n in re.findall(r"\d,\d{3}", line)]
        for line in table.split("\n")
    ]
    *shops, total = [pair for pair in columns if pair]
    assert [sum(values) for values in zip(*shops, strict=True)] == total


def test_a_ticket_has_its_nine_lines() -> None:
    labels = ["Titel", "Anlage", "Ort", "Beginn", "Störung", "Auswirkung"]
    labels += ["Bereits versucht", "Priorität", "Rückfragen an"]
    derived = {
        Decimal("10"),
        Decimal("2"),
        Decimal("3"),
    }  # spelt out in the context: zwanzig nach zwei, drei
    priorities = set()
    for row in seeds("stoerung_zu_ticket"):
        for ticket in row["seed_response"].split("\n\n"):
            parts = [line.partition(": ") for line in ticket.split("\n")]
            assert [label for label, _, _ in parts] == labels
            assert all(value.strip() for _, _, value in parts)
            priorities.add({label: value for label, _, value in parts}["Priorität"])
        assert numbers(row["seed_response"]) <= numbers(row["seed_context"]) | derived
    assert priorities == {"hoch", "mittel", "niedrig"}


def test_a_commit_message_is_a_conventional_commit() -> None:
    types = "feat|fix|docs|refactor|perf|test|build|ci|revert"
    seen = set()
    for row in seeds("commit_messages"):
        header, *body = row["seed_response"].split("\n")
        match = re.fullmatch(rf"({types})(\([a-z-]+\))?(!)?: (\S.*[^.\s])", header)
        assert match and len(header) <= 72, header
        seen.add(match[1])
        assert all(len(line) <= 72 for line in body)
        assert not body or body[0] == ""
        assert bool(match[3]) == ("BREAKING CHANGE: " in row["seed_response"])
        assert numbers(row["seed_response"]) <= numbers(row["seed_question"])
        assert re.findall(r"#\d+", row["seed_response"]) == re.findall(
            r"#\d+", row["seed_question"]
        )
    assert len(seen) >= 6
