"""The shipped prompts: all parts and tags, the seed first, no language and no length named."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdgkit.files import shipped
from sdgkit.prompts import PARTS, load_prompt
from sdgkit.prompts.faults import FAULT_KINDS

TAGS = {
    "grounded/gen_contexts": ["Context"],
    "grounded/gen_grounded_questions": ["Question"],
    "grounded/eval_grounded_questions": ["Evaluation", "Score"],
    "grounded/gen_grounded_responses": ["Response"],
    "grounded/evaluate_grounded_qa_pair": ["Evaluation", "Faults", "Score"],
    "grounded/revise_grounded_responses": ["Response"],
    "freeform/gen_questions": ["Question"],
    "freeform/eval_questions": ["Evaluation", "Score"],
    "freeform/gen_responses": ["Response"],
    "freeform/evaluate_qa_pair": ["Evaluation", "Faults", "Score"],
    "freeform/revise_responses": ["Response"],
}
# What is asked once, before the stages of a run.
STUDY = {
    "study/write_profile": ["Criteria", "Kinds", "Cases", "Settings", "Sizes", "Steering"],
    "study/test_criteria": ["Findings"],
}
JUDGES = {
    name: (1, 2, 3) if "pair" in name else (0, 1) for name in TAGS if TAGS[name][-1] == "Score"
}
SEED = {
    "task_description": "<the task>",
    "seed_context": "<seed context>",
    "seed_question": "<seed question>",
    "seed_response": "<seed response>",
}
# What a stage puts into its prompt beside the seed.
GIVEN: dict[str, dict[str, Any]] = {
    "gen_contexts": {},
    "gen_grounded_questions": {"context": "<context>", "num_samples": 3},
    "eval_grounded_questions": {"context": "<context>", "question": "<question>"},
    "gen_grounded_responses": {"context": "<context>", "question": "<question>"},
    "evaluate_grounded_qa_pair": {
        "context": "<context>",
        "question": "<question>",
        "response": "<response>",
    },
    "gen_questions": {"num_samples": 3},
    "eval_questions": {"question": "<question>"},
    "gen_responses": {"question": "<question>"},
    "evaluate_qa_pair": {"question": "<question>", "response": "<response>"},
    "revise_grounded_responses": {
        "context": "<context>",
        "question": "<question>",
        "response": "<response>",
        "evaluation": "<evaluation>",
    },
    "revise_responses": {
        "question": "<question>",
        "response": "<response>",
        "evaluation": "<evaluation>",
    },
}
GIVEN_TO_ALL = {"context", "question", "response", "evaluation", "num_samples"}
SOMETIMES = {  # variables that a run may have
    "vary",
    "criteria",
    "other_seeds",
    "already_written",
}
LANGUAGES = (
    "English|German|French|Spanish|Italian|Portuguese|Dutch|Chinese|Mandarin|Japanese|Korean|"
    "Russian|Arabic|Hindi|Turkish|Polish|Czech|Swedish|Danish|Norwegian|Finnish|Greek|Hebrew|"
    "Ukrainian|Thai|Latin|Python|Java"
)
WORDS_IN_A_MINUTE = 260
"""About as many words of English as a person reads in a minute, at most."""

LENGTHS = (
    r"sentences?|paragraphs?|words? (?:long|or)|characters|bullet points|lines? long|concise|"
    r"detailed|short"
)


def path(name: str) -> Path:
    return shipped("prompts") / f"{name}.yaml"


def row(name: str, **more: object) -> dict[str, object]:
    """Only what the stage has: an unknown variable is an error."""
    method, stage = name.split("/")
    seed = {k: v for k, v in SEED.items() if method == "grounded" or k != "seed_context"}
    return {**seed, **GIVEN[stage], **more}


def rendered(name: str, **more: object) -> str:
    return load_prompt(path(name)).render(row(name, **more))[-1]["content"]


def test_every_shipped_prompt_is_tested_here() -> None:
    folder = shipped("prompts")
    assert {str(file.relative_to(folder).with_suffix("")) for file in folder.rglob("*.yaml")} == {
        *TAGS,
        *STUDY,
    }


@pytest.mark.parametrize("name", TAGS)
def test_a_prompt_has_all_parts_and_a_pair_of_tags_for_each_column(name: str) -> None:
    parts = yaml.safe_load(path(name).read_text(encoding="utf-8"))
    assert list(parts) == [*PARTS, "start_tags", "end_tags", "sampling"]
    assert all(parts[part].strip() for part in PARTS)
    assert parts["start_tags"] == [f"[Start of {tag}]" for tag in TAGS[name]]
    assert parts["end_tags"] == [f"[End of {tag}]" for tag in TAGS[name]]
    generates_freely = name.split("/")[1] in (
        "gen_contexts",
        "gen_grounded_questions",
        "gen_questions",
    )
    assert parts["sampling"] == {"temperature": 0.7 if generates_freely else 0, "max_tokens": 2048}


@pytest.mark.parametrize("name", TAGS)
def test_a_prompt_names_its_variables_in_the_comment_on_top(name: str) -> None:
    text = path(name).read_text(encoding="utf-8")
    comment = " ".join(line.lstrip("# ") for line in text.split("\n\n")[0].split("\n"))
    assert comment.startswith(f"{name.split('/')[1]}: ")
    variables = re.search(r"Variables: (.*?)\. Keep what", comment)
    assert variables
    listed = {*re.findall(r"\w+", re.sub(r"\(.*?\)| and ", " ", variables[1]))}
    used = set(re.findall(r"\w+", " ".join(re.findall(r"\{[{%].*?[%}]\}", text))))
    assert listed == used & {*SEED, *GIVEN_TO_ALL, *SOMETIMES}
    assert listed - SOMETIMES == set(row(name))


@pytest.mark.parametrize("name", TAGS)
def test_a_prompt_ends_with_the_form_of_the_reply(name: str) -> None:
    text = rendered(name)
    tags = [f"[{end} of {tag}]" for tag in TAGS[name] for end in ("Start", "End")]
    form = text[text.index("exactly in this form") :]
    assert re.findall(r"\[\w+ of \w+\]", form)[: len(tags)] == tags
    assert text.endswith(tags[-1])
    assert "\n\n\n" not in text


@pytest.mark.parametrize("name", TAGS)
def test_a_prompt_shows_the_seed_between_its_tags(name: str) -> None:
    text = rendered(name)
    for column in ("context", "question", "response"):
        if f"seed_{column}" in row(name):
            tag = column.capitalize()
            assert f"[Start of {tag}]\n<seed {column}>\n[End of {tag}]" in text
    assert "The task is:\n\n<the task>\n" in text


@pytest.mark.parametrize("name", TAGS)
def test_what_differs_within_a_seed_comes_after_everything_that_is_equal(name: str) -> None:
    """Servers reuse the common beginning of requests, so it must be as long as it can be."""
    other = {
        k: "another" if isinstance(v, str) else v + 1 for k, v in GIVEN[name.split("/")[1]].items()
    }
    first, second = rendered(name), rendered(name, **other)
    common = next(
        (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first)
    )
    assert common > first.index("[End of Response]") > first.index("<seed response>")


@pytest.mark.parametrize("name", TAGS)
def test_a_prompt_names_no_language_no_sentence_count_and_no_length(name: str) -> None:
    text = path(name).read_text(encoding="utf-8").split("\n\n", 1)[1]  # without the comment
    assert not re.findall(rf"\b(?:{LANGUAGES})\b", text)
    assert not re.findall(rf"\b(?:{LENGTHS})\b", text, re.IGNORECASE)
    prose = re.sub(
        r"\{[{%].*?[%}]\}|^  [0-3]: |\([01], [12] or 3\)|\(0 or 1\)|^sampling:.*",
        "",
        text,
        flags=re.M | re.S,
    )
    assert name in JUDGES or not re.findall(r"\d", prose)
    assert "language" in text.lower()


@pytest.mark.parametrize("name", JUDGES)
def test_a_judge_explains_every_value_of_its_scale(name: str) -> None:
    text = rendered(name)
    assert [int(n) for n in re.findall(r"^(\d): ", text, re.M)] == sorted(
        JUDGES[name], reverse=True
    )
    choices = re.search(r"\[Start of Score\]\n\((.*)\)\n\[End of Score\]$", text)
    assert choices and choices[1] in ("0 or 1", "1, 2 or 3")
    assert "by definition" not in text  # a rule of the task counts more than a faulty example
    assert len(re.findall(r"For example[,:]", text)) == 2  # of a low score, and of a high one
    if 3 in JUDGES[name]:
        assert "as brief as the example's is perfect" in text


@pytest.mark.parametrize("name", [name for name in TAGS if "Faults" in TAGS[name]])
def test_a_judge_explains_every_kind_of_fault_and_offers_it_in_the_form(name: str) -> None:
    text = rendered(name)
    assert re.findall(r"^\* (\w+): ", text, re.M) == list(FAULT_KINDS)
    form = re.search(r"\[Start of Faults\]\n\((.*)\)", text)
    assert form and f"those of {', '.join(FAULT_KINDS)} " in form[1] and "none" in form[1]


@pytest.mark.parametrize("name", [name for name in TAGS if "Faults" in TAGS[name]])
def test_a_judge_answers_the_criteria_one_by_one_if_there_are_any(name: str) -> None:
    criteria = ["Is every row {{ about }} a feature?", "Does it end without a greeting?"]
    text = rendered(name, criteria=criteria)
    assert f"\n1) {criteria[0]}\n2) {criteria[1]}\n\nThe score:" in text
    assert text.index(criteria[1]) < text.index("<seed response>")  # equal for the whole run
    assert rendered(name) == rendered(name, criteria=[])
    assert "one by one" not in rendered(name)


@pytest.mark.parametrize("name", ["grounded/gen_contexts", "freeform/gen_questions"])
def test_vary_lists_come_after_the_seed(name: str) -> None:
    text = rendered(name, vary={"audience": "nurses", "mood": "angry {{ x }}"})
    assert "\n- audience: nurses\n- mood: angry {{ x }}\n\n" in text
    assert text.index("- audience") > text.index("<seed response>")
    assert "characteristics" not in rendered(name)


@pytest.mark.parametrize("name", ["grounded/gen_grounded_questions", "freeform/gen_questions"])
def test_the_number_of_questions_is_asked_for_in_plain_words(name: str) -> None:
    three, one = rendered(name, num_samples=3), rendered(name, num_samples=1)
    assert "Now write 3 new questions" in three and "3 in all" in three
    assert "Now write one new question for" in one
    form = "exactly in this form"
    assert one.split(form)[1].count("[Start of Question]") == 1
    assert three.split(form)[1].count("[Start of Question]") == 2


@pytest.mark.parametrize("name", [*TAGS, *STUDY])
def test_what_a_prompt_says_is_read_in_about_a_minute(name: str) -> None:
    given: dict[str, Any] = {**dict.fromkeys(SEED, ""), **dict.fromkeys(GIVEN_TO_ALL, "")}
    seed = dict.fromkeys(SEED, "")
    given |= {"num_samples": 3, "criteria": [], "seeds": [{**seed, "seed_context": "..."}]}
    messages = load_prompt(path(name)).render(given)
    text = "\n".join(message["content"] for message in messages)
    what_it_says = text[: text.index("exactly in this form")]
    words = re.findall(r"\w[\w'-]*", re.sub(r"\[\w+ of \w+\]", "", what_it_says))
    assert 100 < len(words) <= WORDS_IN_A_MINUTE


@pytest.mark.parametrize("name", STUDY)
@pytest.mark.parametrize("method", ["grounded", "freeform"])
def test_a_prompt_of_the_study_shows_its_seeds_and_names_no_language_and_no_length(
    name: str, method: str
) -> None:
    seed = {k: v for k, v in SEED.items() if method == "grounded" or k != "seed_context"}
    given: dict[str, Any] = {"task_description": "<the task>"}
    if name == "study/write_profile":
        other = {column: f"{text} 2" for column, text in seed.items()}
        given["seeds"] = [{"seed_context": "", **one} for one in (seed, other)]
    else:
        given |= {**seed, "criteria": ["It is so.", "It is also so."]}
    prompt = load_prompt(path(name))
    text = prompt.render(given)[-1]["content"]
    assert "[Start of Task]\n<the task>\n[End of Task]" in text
    assert "[Start of Response]\n<seed response>\n[End of Response]" in text
    assert ("[Start of Context]" in text) == (method == "grounded")
    assert ("<seed response> 2" in text) == (name == "study/write_profile")
    assert text.endswith(f"[End of {STUDY[name][-1]}]")
    assert list(prompt.start_tags) == [f"[Start of {tag}]" for tag in STUDY[name]]
    assert list(prompt.end_tags) == [f"[End of {tag}]" for tag in STUDY[name]]
    assert "\n\n\n" not in text
    source = path(name).read_text(encoding="utf-8").split("\n\n", 1)[1]
    assert not re.findall(rf"\b(?:{LANGUAGES})\b", source)
    assert not re.findall(rf"\b(?:{LENGTHS})\b", source, re.IGNORECASE)
