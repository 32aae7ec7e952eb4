"""The rehearsal teacher reads prompts as a model would, and judges by what it reads."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

import sdgkit
from sdgkit.files import shipped
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.rehearsal import judging, rules
from sdgkit.rehearsal.reading import Assignment, read
from sdgkit.stages.asking import VERDICT_WITH_FAULTS

COLUMNS = {"contexts": ["context"], "questions": ["question"], "responses": ["response"]}
EXAMPLE = """Here is an example:
[Start of Context]
The hall was rented for 120 euros on Monday. Anna paid at once.
[End of Context]
[Start of Question]
Who paid?
[End of Question]
[Start of Response]
Anna, 120 euros.
[End of Response]
"""
GIVEN = """Now yours:
[Start of Context]
The boat was rented for 77 euros on Friday. Bo paid at once.
[End of Context]
"""


def assignment(prompt: str) -> Assignment:
    return read((("user", prompt),))


def reply(prompt: str, seed: int = 1, temperature: float = 0.7) -> str:
    messages = (("user", prompt),)
    return rules.to_text(rules.write(messages, rules.request_digest(messages, seed, temperature)))


def ask(prompt: Prompt, row: dict[str, Any], seed: int = 1) -> list[list[str]]:
    """The records in the reply to a shipped prompt."""
    messages = tuple((message["role"], message["content"]) for message in prompt.render(row))
    pieces = rules.write(
        messages, rules.request_digest(messages, seed, prompt.sampling["temperature"])
    )
    columns = next(
        (names for word, names in COLUMNS.items() if prompt.name.endswith(word)),
        ["evaluation", "score"],
    )
    if not prompt.name.startswith("gen"):
        columns = ["evaluation", "score"]
    if len(prompt.tags) == len(VERDICT_WITH_FAULTS):
        columns = ["evaluation", "faults", "score"]
    records = prompt.parse(rules.to_text(pieces), columns).rows
    return [[text for name, text in record.items() if name != "faults"] for record in records]


# --- reading ------------------------------------------------------------


def test_the_tags_asked_for_are_the_ones_at_the_end() -> None:
    read_one = assignment(
        EXAMPLE + GIVEN + "Write it between [Start of Question] and [End of Question]."
    )
    assert [tag.start for tag in read_one.tags] == ["[Start of Question]"]
    assert read_one.seed["context"].startswith("The hall")
    assert read_one.material["context"].startswith("The boat")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("<answer>", "</answer>"),
        ("[Start of Antwort]", "[End of Antwort]"),
        ("[Beginn der Antwort]", "[Ende der Antwort]"),
        ("[Début de la réponse]", "[Fin de la réponse]"),
        ("[ticket]", "[/ticket]"),
        ("<|poem|>", "<|/poem|>"),
        ("<start_of_mail>", "<end_of_mail>"),
        ("[START OF LIMERICK]", "[END OF LIMERICK]"),
    ],
)
@pytest.mark.parametrize(
    "form", ["Answer in {} and {} tags: how are you?", "Why?\n{}\n(your answer)\n{}"]
)
def test_any_tags_are_honoured(form: str, start: str, end: str) -> None:
    assert re.fullmatch(
        re.escape(start) + r"\n.+\n" + re.escape(end), reply(form.format(start, end)), re.DOTALL
    )


def test_two_tags_asked_for_come_in_order() -> None:
    text = reply("What is 2 + 2?\n<reason>...</reason>\n<answer>...</answer>")
    assert re.fullmatch(r"<reason>\n.+\n</reason>\n\n<answer>\n.+\n</answer>", text, re.DOTALL)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("3 questions", 3),
        ("five new questions", 5),
        ("exactly 7 such different questions", 7),
        ("one question", 1),
    ],
)
def test_as_many_are_written_as_are_asked_for(words: str, count: int) -> None:
    text = reply(
        EXAMPLE
        + GIVEN
        + f"Now write {words}, each like this:\n[Start of Question]\n...\n[End of Question]"
    )
    questions = re.findall(r"\[Start of Question\]\n(.+)\n\[End of Question\]", text)
    assert len(questions) == len(set(questions)) == count


@pytest.mark.parametrize(
    ("words", "scale"),
    [
        ("Rate it 0 or 1.", (0, 1)),
        ("Give a score from 1 to 3.", (1, 3)),
        ("The score is 1, 2 or 3.", (1, 3)),
        ("a rating between 0 and 10", (0, 10)),
        ("on a scale of 1-5", (1, 5)),
        ("Bewerte mit 1 bis 4 Punkten.", (1, 4)),
        ("The score:\n3: good\n2: fair\n1: bad", (1, 3)),
        ("Is it good?", (0, 1)),
    ],
)
def test_any_scale_is_read(words: str, scale: tuple[int, int]) -> None:
    prompt = EXAMPLE + GIVEN + f"{words}\n[Start of Score]\n[End of Score]"
    assert assignment(prompt).scale == scale
    digits = re.search(r"\d+", reply(prompt))
    assert digits
    score = int(digits[0])
    assert scale[0] <= score <= scale[1]


LIMERICK = """[Start of Question]
Write two lines about a cat that likes 3 fish.
[End of Question]
[Start of Response]
There once was a cat with 3 fish,
Who ate them all from a dish.
[End of Response]
"""
ASKED = LIMERICK.split("[Start of Response]")[0].replace("3", "7")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (
            "Come up with a set of 3 diverse questions - poems. Here is an example:\n"
            + LIMERICK.split("[Start of Response]")[0]
            + "Now generate 3 such questions. Return each between [Start of Question] and "
            "[End of Question] tags.",
            r"(\[Start of Question\]\nWrite two lines about a cat.+\n\[End of Question\]\s*){3}",
        ),
        (
            f"Here is an example:\n{LIMERICK}\nNow respond to this:\n{ASKED}\n"
            "Return the response between [Start of Response] and [End of Response] tags.",
            r"\[Start of Response\]\nThere once was a cat with 7 fish,\nWho ate .+ "
            r"dish\.\n\[End of Response\]",
        ),
        (
            f"Score it on a scale of 1 to 3. An example:\n{LIMERICK}\n"
            f"Evaluate this:\n{ASKED}\n[Start of Response]\n"
            "There once was a cat with 9 fish,\nWho ate them all from a dish.\n[End of Response]\n"
            "* Return the evaluation between [Start of Evaluation] and [End of Evaluation] tags.\n"
            "* Return the score between [Start of Score] and [End of Score] tags.",
            r"\[Start of Evaluation\]\n.*9 fish.*\n\[End of Evaluation\]\s+\[Start of "
            r"Score\]\n1\n\[End of Score\]",
        ),
    ],
    ids=["questions", "response", "evaluation"],
)
def test_prompts_in_the_style_of_instructlab_and_sdg_hub_are_understood(
    prompt: str, expected: str
) -> None:
    assert re.fullmatch(expected, reply(prompt, temperature=0))


def test_a_judge_without_an_example_finds_no_fault_with_any_form() -> None:
    response = "[Start of Response]\nBlue, green and red\n[End of Response]\n"
    assert (
        reply(f"Rate from 1 to 3.\n{response}[Start of Score]\n[End of Score]")
        == "[Start of Score]\n3\n[End of Score]"
    )


def test_a_message_without_tags_gets_a_plain_answer_that_says_who_answers() -> None:
    assert "rehears" in reply("Explain gravity to me.").lower()
    assert len(reply("write a haiku about language models").splitlines()) == 3


def test_tags_in_the_system_message_count_too() -> None:
    messages = (("system", "Answer in <out></out>."), ("user", "Who are you?"))
    text = rules.to_text(rules.write(messages, rules.request_digest(messages, 1, 0.7)))
    assert text.startswith("<out>\n") and text.endswith("\n</out>")


# --- any skill ----------------------------------------------------------

UNKNOWN_SKILLS = [
    (
        "Heat 250 g butter, stir in 3 eggs. Add 200 g flour.",
        "What do I buy?",
        "- 250 g butter\n- 3 eggs\n- 200 g flour",
    ),
    (
        "Der Hof hat 40 Kühe. Sie stehen auf der Weide.",
        "Fasse es zusammen.",
        "Auf der Weide des Hofs stehen 40 Kühe.",
    ),
    (
        "La salle est fermée le lundi. Elle ouvre à 9 heures.",
        "Résumez.",
        "Fermée le lundi, ouverte dès 9 heures.",
    ),
    ("会議は月曜日に行われた。", "要約してください。", "月曜日に会議。"),
    ("Great film, saw it twice.", "Positive or negative?", "Positive"),
    ("Name: Ada; born: 1815", "Give me JSON.", '{"name": "Ada", "born": 1815}'),
]


@pytest.mark.parametrize("skill", UNKNOWN_SKILLS, ids=lambda skill: skill[1])
def test_an_unknown_skill_is_recombined_from_the_seed_and_most_of_it_is_kept(
    skill: tuple[str, str, str],
) -> None:
    prompts = {
        path.stem: load_prompt(path) for path in (shipped("prompts") / "grounded").glob("*.yaml")
    }
    seed = dict(
        zip(("seed_context", "seed_question", "seed_response"), skill, strict=True),
        task_description="A task.",
    )
    contexts = [ask(prompts["gen_contexts"], seed, number)[0][0] for number in range(20)]
    assert len(set(contexts)) >= 17
    kept = 0
    for number, context in enumerate(contexts):
        row = {**seed, "context": context, "num_samples": 1}
        row["question"] = ask(prompts["gen_grounded_questions"], row, number)[0][0]
        row["response"] = ask(prompts["gen_grounded_responses"], row)[0][0]
        kept += ask(prompts["evaluate_grounded_qa_pair"], row)[0][1] in "23"
    assert kept >= 12


FOUR_COLUMNS = """| Feature | Who | Feedback | Sentiment |
|---|---|---|---|
| Search | Anna | It is fast since 2 May. | Positive |
| Export | Tom | It crashed 3 times. | Negative |"""


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        (FOUR_COLUMNS, r"\| Feature \| Who \| Feedback \| Sentiment \|\n\|---.+"),
        ("Test: positive since 2 May", "Test: positive since .+"),
        (
            "Subject: a parcel of 2 May\n\nDear Ann, it has come.",
            "Subject: .+\n\nDear Ann, it has come.",
        ),
    ],
    ids=["a table of other columns", "no commit message", "another mail"],
)
def test_a_skill_that_only_looks_like_a_tutorials_keeps_its_own_form(
    response: str, kept: str
) -> None:
    seed = {
        "task_description": "A task.",
        "seed_context": "Anna: fast since 2 May. Tom: the export crashed 3 times.",
        "seed_question": "Do the task.",
        "seed_response": response,
    }
    row = {
        **seed,
        "context": "Anna: fast since 9 May. Tom: the export crashed 8 times.",
        "question": "Do it, please.",
    }
    prompt = load_prompt(shipped("prompts") / "grounded" / "gen_grounded_responses.yaml")
    texts = [
        ask(prompt, {**row, "question": f"Do it, {name}."})[0][0]
        for name in ("Ada", "Bo", "Cy", "Di", "Ed")
    ]
    assert sum(re.fullmatch(kept, text, re.DOTALL) is not None for text in texts) >= 3


def test_what_differs_in_the_context_reaches_the_response() -> None:
    given = GIVEN + "[Start of Question]\nWho paid?\n[End of Question]\n"
    prompt = EXAMPLE + given + "Answer between [Start of Response] and [End of Response]."
    texts = [reply(prompt, seed) for seed in range(20)]
    assert texts.count("[Start of Response]\nBo, 77 euros.\n[End of Response]") >= 15


# --- the tutorials' skills ----------------------------------------------


def seeds(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


SEED_FILES = sorted((shipped("notebooks") / "seeds").glob("*.jsonl"))
GROUNDED = [path for path in SEED_FILES if "seed_context" in seeds(path)[0]]
FREEFORM = [path for path in SEED_FILES if path not in GROUNDED]


@pytest.mark.parametrize("path", GROUNDED, ids=lambda path: path.stem)
def test_a_tutorials_contexts_differ_and_its_judges_drop_a_reasonable_share(path: Path) -> None:
    prompts = {
        prompt.stem: load_prompt(prompt)
        for prompt in (shipped("prompts") / "grounded").glob("*.yaml")
    }
    good = asked = passed = kept = 0
    for seed in seeds(path):
        # So many, as few responses have a mistake that costs some of the score and not all of it.
        contexts = [ask(prompts["gen_contexts"], seed, number)[0][0] for number in range(20)]
        assert len(set(contexts)) >= 18
        for context in contexts:
            row = {**seed, "context": context, "num_samples": 3}
            questions = ask(prompts["gen_grounded_questions"], row)
            assert len(questions) == 3
            for (question,) in questions:
                asked += 1
                row["question"] = question
                if ask(prompts["eval_grounded_questions"], row)[0][1] != "1":
                    continue
                passed += 1
                row["response"] = ask(prompts["gen_grounded_responses"], row)[0][0]
                evaluation, score = ask(prompts["evaluate_grounded_qa_pair"], row)[0]
                assert len(evaluation) > 20
                kept += score in "23"
                good += score == "3"
    assert 0.75 <= passed / asked <= 0.97
    assert 0.80 <= kept / passed <= 0.99
    assert good < kept


@pytest.mark.parametrize("path", FREEFORM, ids=lambda path: path.stem)
def test_a_freeform_tutorials_questions_differ_and_its_judges_drop_a_reasonable_share(
    path: Path,
) -> None:
    prompts = {
        prompt.stem: load_prompt(prompt)
        for prompt in (shipped("prompts") / "freeform").glob("*.yaml")
    }
    asked = passed = kept = 0
    for seed in seeds(path):
        questions = [text for (text,) in ask(prompts["gen_questions"], {**seed, "num_samples": 30})]
        assert len(set(questions)) >= 24
        for question in questions:
            asked += 1
            row = {**seed, "question": question}
            if ask(prompts["eval_questions"], row)[0][1] != "1":
                continue
            passed += 1
            row["response"] = ask(prompts["gen_responses"], row)[0][0]
            kept += ask(prompts["evaluate_qa_pair"], row)[0][1] in "23"
    assert 0.75 <= passed / asked <= 0.97
    assert 0.80 <= kept / passed <= 0.99


def judge(skill: str, context: str, response: str) -> tuple[str, int]:
    """The verdict of the shipped judge prompt on a response, with the skill's first seed."""
    seed = next(seeds(path)[0] for path in SEED_FILES if path.stem == skill)
    prompt = load_prompt(shipped("prompts") / "grounded" / "evaluate_grounded_qa_pair.yaml")
    row = {**seed, "context": context, "question": seed["seed_question"], "response": response}
    evaluation, score = ask(prompt, row)[0]
    return evaluation, int(score)


def test_the_judge_of_tables_reads_the_table() -> None:
    context = "★★★★★ I love the search, it is fast.\n★☆☆☆☆ The export crashes every time."
    head = "| Feature | Feedback | Sentiment |\n|---|---|---|\n"
    search, export = "| Search | It is fast. | Positive |\n", "| Export | It crashes. | Negative |"
    assert judge("feedback_to_table", context, head + search + export)[1] == 3
    wrong = judge(
        "feedback_to_table", context, head + search.replace("Positive", "Negative") + export
    )
    assert wrong[1] == 1 and "Search" in wrong[0]
    missing = judge("feedback_to_table", context, head + search)
    assert missing[1] == 1 and "Export" in missing[0]
    assert judge("feedback_to_table", context, "- Search: fast\n- Export: crashes")[1] == 1
    assert judge("feedback_to_table", context, head + export + "\n" + search)[1] == 1


def test_of_two_responses_the_better_one_is_preferred_in_either_order() -> None:
    prompt = load_prompt(Path(sdgkit.__path__[0]) / "texts" / "compare_answers.yaml")
    context = "★★★★★ I love the search, it is fast.\n★☆☆☆☆ The export crashes every time."
    head = "| Feature | Feedback | Sentiment |\n|---|---|---|\n"
    right = head + "| Search | It is fast. | Positive |\n| Export | It crashes. | Negative |"
    wrong = right.replace("Positive", "Negative")
    seed = next(seeds(path)[0] for path in SEED_FILES if path.stem == "feedback_to_table")
    row = {**seed, "question": f"{context}\n\nA table of feature, feedback and sentiment, please."}
    scores = [
        int(ask(prompt, {**row, "first": first, "second": second})[0][1])
        for first, second in (
            (right, wrong),
            (wrong, right),
            (right, right.replace("fast", "very fast")),
        )
    ]
    assert scores == [1, 3, 2]


HOSTILE = [
    "",
    "\x00\ud800",
    "{0} {about} {lines}",
    "|" * 5000,
    "a: " * 5000,
    "1,2.3." * 5000,
    "- " * 5000,
    "the " * 9000,
]


@pytest.mark.parametrize("path", SEED_FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_handled_like_any_other(path: Path, text: str) -> None:
    prompts = [load_prompt(one) for one in (shipped("prompts")).glob("*/*.yaml")]
    hostile_seed = dict.fromkeys(("seed_context", "seed_question", "seed_response"), text)
    row = {
        **dict.fromkeys(("context", "question", "response", "evaluation", "seed_context"), text),
        **seeds(path)[0],
        "num_samples": 2,
        "criteria": [text, "Is it a table?"],
        "seeds": [hostile_seed, hostile_seed],
    }
    for prompt in prompts:
        messages = tuple((message["role"], message["content"]) for message in prompt.render(row))
        assert rules.to_text(rules.write(messages, rules.request_digest(messages, 1, 0.7)))


def test_the_judge_keeps_most_seeds_beside_others_and_finds_most_damage() -> None:
    teacher = sdgkit.connect("rehearsal")
    found = [sdgkit.calibrate(teacher, path) for path in SEED_FILES]
    teacher.close()
    assert all(one.good.kept >= one.good.asked - 1 for one in found)
    assert all(one.tells_apart for one in found)
    missed, asked = sum(one.bad.kept for one in found), sum(one.bad.asked for one in found)
    assert 0 < missed < asked * 0.4


def test_the_judge_answers_the_criteria_of_a_profile_before_its_verdict() -> None:
    prompt = load_prompt(shipped("prompts") / "grounded" / "evaluate_grounded_qa_pair.yaml")
    path = next(path for path in SEED_FILES if path.stem == "feedback_to_table")
    seed = seeds(path)[0]
    texts = {name.removeprefix("seed_"): seed[name] for name in seed if name.startswith("seed_")}
    row = {**seed, **texts, "criteria": ["Is there one row a feature?", "Is it a table?"]}
    messages = tuple((message["role"], message["content"]) for message in prompt.render(row))
    text = rules.to_text(rules.write(messages, rules.request_digest(messages, 1, 0)))
    assert text.startswith("1) yes\n2) yes\n\n[Start of Evaluation]")
    assert "[Start of Faults]\nnone\n[End of Faults]" in text


def test_the_judge_names_the_kind_of_the_fault_that_it_found() -> None:
    prompt = load_prompt(shipped("prompts") / "grounded" / "evaluate_grounded_qa_pair.yaml")
    path = next(path for path in SEED_FILES if path.stem == "feedback_to_table")
    seed = seeds(path)[0]
    texts = {name.removeprefix("seed_"): seed[name] for name in seed if name.startswith("seed_")}
    text = texts["response"].replace("| Positive |", "| Negative |", 1)
    row = {**seed, **texts, "response": text}
    messages = tuple((message["role"], message["content"]) for message in prompt.render(row))
    reply_text = rules.to_text(rules.write(messages, rules.request_digest(messages, 1, 0)))
    assert "[Start of Faults]\ntruth\n[End of Faults]" in reply_text


def test_the_judge_of_mails_recomputes_the_figures() -> None:
    context = (
        "|  | Q1 2025 | Q1 2024 |\n|---|---|---|\n"
        "| Revenue | €12.0m | €10.0m |\n| Stores | 40 | 50 |"
    )
    mail = (
        "Subject: Q1 2025: revenue up 20.0% to €12.0 million\n\nDear colleagues,\n\n"
        "In the first quarter of 2025, our revenue rose by 20.0% to €12.0 million.\n\n"
        "- Revenue: €12.0 million (up 20.0% from €10.0 million)\n"
        "- Stores: 40 (down 20.0% from 50)\n\n"
        "Outlook: no guidance has been given.\n\nBest regards,\nFinance Communications"
    )
    assert judge("figures_to_email", context, mail)[1] == 3
    wrong = judge("figures_to_email", context, mail.replace("down 20.0%", "down 25.0%"))
    assert wrong[1] == 1 and "Stores" in wrong[0]
    assert judge("figures_to_email", context, mail.replace("Dear colleagues,\n\n", ""))[1] == 1


def test_the_judge_of_tickets_knows_what_the_report_says() -> None:
    context = "Der Wasserhahn tropft. Das ist in der Kantine.\n\nViele Grüße\nKlara Vogt"
    ticket = (
        "Titel: Wasserhahn tropft\nAnlage: Wasserhahn\nOrt: Kantine\nBeginn: nicht angegeben\n"
        "Störung: Der Wasserhahn tropft.\nAuswirkung: nicht angegeben\n"
        "Bereits versucht: nicht angegeben\n"
        "Priorität: niedrig\nRückfragen an: Klara Vogt"
    )
    assert judge("stoerung_zu_ticket", context, ticket)[1] == 3
    assert judge("stoerung_zu_ticket", context, ticket.replace("niedrig", "hoch"))[1] == 1
    guess = judge(
        "stoerung_zu_ticket", context, ticket.replace("Beginn: nicht angegeben", "Beginn: gestern")
    )
    assert guess[1] == 1 and "Beginn" in guess[0]


@pytest.mark.parametrize("path", SEED_FILES, ids=lambda path: path.stem)
def test_texts_written_by_people_are_answered_too(path: Path) -> None:
    """Users' own contexts and the seeds' questions must work as well as generated ones."""
    prompt = load_prompt(shipped("prompts") / "grounded" / "gen_grounded_responses.yaml")
    for seed in seeds(path):
        row = {
            **seed,
            "seed_context": seed.get("seed_context", "none"),
            "question": seed["seed_question"],
        }
        response = ask(prompt, {**row, "context": seed.get("seed_context", seed["seed_question"])})[
            0
        ][0]
        assert len(response) > 10


MAIL = """Dear Ms Okafor,

the pump stops after ten minutes. We have sent a new seal on 4 May by post.

Kind regards"""


TABLE = """| Feature | Feedback |
|---|---|
| Pump | It stops after ten minutes of work. |
| Seal | A new one arrives on 4 May. |"""


@pytest.mark.parametrize("text", [MAIL, TABLE], ids=["mail", "table"])
def test_a_third_of_the_mistakes_costs_some_of_the_score_and_not_all_of_it(text: str) -> None:
    other = text.replace("4 May", "9 June").replace("pump", "lamp")
    flawed = [judging.with_mistake(text, other, random.Random(number)) for number in range(200)]
    slight = []
    for response in flawed:
        findings = judging.differences(text, response)
        slight.append(bool(findings) and all(finding.is_slight for finding in findings))
    assert 0.25 * len(flawed) <= sum(slight) <= 0.5 * len(flawed)


def test_a_text_without_a_sentence_gets_no_slight_mistake() -> None:
    table = "| Name | Number |\n|---|---|\n| Ada | 12 |\n| Bo | 34 |"
    for number in range(50):
        flawed = judging.with_mistake(table, table, random.Random(number))
        assert not any(finding.is_slight for finding in judging.differences(table, flawed))


@pytest.mark.parametrize(
    ("context", "score"),
    [
        ("la la", "0"),
        ("la la la", "0"),
        ("The boiler is loud since Monday.", "1"),
        ("洗衣机从星期一开始漏水", "1"),
    ],
)
def test_the_judge_of_questions_turns_down_a_context_with_nothing_to_work_on(
    context: str, score: str
) -> None:
    prompt = load_prompt(shipped("prompts") / "grounded" / "eval_grounded_questions.yaml")
    row = {**seeds(GROUNDED[0])[0], "context": context}
    row["question"] = row["seed_question"]
    assert ask(prompt, row)[0][1] == score
