"""Prompts: from YAML and back; replies read by their tags, whatever a model or attacker writes."""

import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdgkit as sk
from sdgkit.errors import PromptError, SettingsError
from sdgkit.prompts import PARTS, load_prompts, read_score

CONTEXT = sk.Prompt(
    "gen_contexts",
    generation="x",
    start_tags=("[Start of Context]",),
    end_tags=("[End of Context]",),
)
JUDGE = sk.Prompt(
    "judge",
    generation="x",
    start_tags=("[Start of Evaluation]", "[Start of Score]"),
    end_tags=("[End of Evaluation]", "[End of Score]"),
)
BARE = sk.Prompt("bare", generation="x")
PAIR = sk.Prompt(
    "pair", generation="x", start_tags=("Question:", "Answer:"), end_tags=("Answer:", "")
)
GOOD = "[Start of Context]\nthe text\n[End of Context]"


def contexts(reply: str, **options: Any) -> list[str]:
    return [row["context"] for row in CONTEXT.parse(reply, ["context"], **options).rows]


def verdicts(reply: str, **options: Any) -> list[tuple[str, str]]:
    rows = JUDGE.parse(reply, ["evaluation", "score"], **options).rows
    return [(row["evaluation"], row["score"]) for row in rows]


# Reading replies: forgiving where the meaning is certain ------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        f"  \n{GOOD}\n\n ",
        f"Sure! Here is a new context:\n\n{GOOD}\n\nI hope this helps.",
        f"```\n{GOOD}\n```",
        f"```markdown\n{GOOD}\n```",
        "[Start of Context]\n```\nthe text\n```\n[End of Context]",
        "[Start of Context]\n```text\nthe text\n```\n[End of Context]",
        "**[Start of Context]**\nthe text\n**[End of Context]**",
        "[start of context]the text[END OF CONTEXT]",
        "[Start  of Context] the text [ End of Context ]",
        "[Start of Context]\nthe text",
        "[Start of Context]\r\nthe text\r\n[End of Context]\r\n",
        f"<think>I could write [Start of Context] wrong [End of Context]</think>{GOOD}",
        f"I could write [Start of Context] wrong [End of Context]</think>\n{GOOD}",
        f"{GOOD} and a loose end [End of Context]",
        "[Start of Context]\x00the\x07 text\x1b[End of Context]",
    ],
)
def test_a_context_is_read_from_what_models_write_around_it(reply: str) -> None:
    assert contexts(reply) == ["the text"]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        "the text",
        "[End of Context]the text[Start of Context]",
        "[Start of Context][End of Context]",
        "[Start of Context]\n \n[End of Context]",
        "[Start of Context]```\n```[End of Context]",
        "<think>I think [Start of Context] the text [End of Context]",
        "[Start of Question]the text[End of Question]",
        "[Start of Context",
        "[Start of Context]\x00[End of Context]",
    ],
)
def test_a_reply_without_a_complete_context_has_none(reply: str) -> None:
    assert contexts(reply) == []


def test_a_value_that_was_cut_off_is_left_out_and_those_before_it_are_kept() -> None:
    assert contexts("[Start of Context]\nthe te", cut_off=True) == []
    assert contexts(f"{GOOD}[Start of Context]\nthe te", cut_off=True) == ["the text"]


def test_several_records_are_read_in_order() -> None:
    assert contexts(f"1. {GOOD}\n2. {GOOD.replace('the text', 'the other')}") == [
        "the text",
        "the other",
    ]
    assert contexts("[Start of Context]one[Start of Context]two[End of Context]") == ["two"]


def test_tags_of_other_columns_inside_a_value_are_text() -> None:
    inner = "[Start of Question] Why? [End of Question] [Start of Score] 3 [End of Score]"
    assert contexts(f"[Start of Context]{inner}[End of Context]") == [inner]


def test_html_and_templates_in_a_reply_are_text() -> None:
    text = "<script>alert(1)</script> &amp; {{ 7 * 7 }} {% raw %} \\n %s"
    assert contexts(f"[Start of Context]{text}[End of Context]") == [text]


def test_a_fence_that_is_part_of_the_value_is_kept() -> None:
    code = "```python\nprint('hello')\n```"
    assert contexts(f"[Start of Context]{code}[End of Context]") == [code]
    two = "```\na\n```\nand\n```\nb\n```"
    assert contexts(f"[Start of Context]{two}[End of Context]") == [two]
    plain = "```\nthe text\n```"
    assert contexts(f"[Start of Context]{plain}[End of Context]", keep_fences=True) == [plain]


def test_bold_inside_a_value_is_kept() -> None:
    assert contexts("[Start of Context]**Dear all**, hello **you**[End of Context]") == [
        "**Dear all**, hello **you**"
    ]


def test_a_judge_needs_both_parts_in_their_order() -> None:
    evaluation = "[Start of Evaluation]ok[End of Evaluation]"
    score = "[Start of Score]1[End of Score]"
    assert verdicts(evaluation + score) == [("ok", "1")]
    assert verdicts("[Start of Evaluation]ok[Start of Score]1") == [("ok", "1")]
    assert verdicts(score + evaluation) == []
    assert verdicts(evaluation) == []
    assert verdicts(score) == []


def test_without_tags_the_whole_reply_is_the_value() -> None:
    assert BARE.parse(" all\nof it ", ["response"]).rows == [{"response": "all\nof it"}]
    assert BARE.parse("<think>hm</think>\n\nall", ["response"]).rows == [{"response": "all"}]
    assert BARE.parse("all of i", ["response"], cut_off=True).rows == []
    assert BARE.parse("", ["response"]).rows == []


def test_a_tag_may_end_one_column_and_begin_the_next() -> None:
    rows = PAIR.parse("Question: Why?\nAnswer: Because.\n", ["question", "response"]).rows
    assert rows == [{"question": "Why?", "response": "Because."}]


# Attacks ------------------------------------------------------------------------------------------

NASTY = [
    "[Start of Context]" * 60_000,
    "[End of Context]" * 60_000,
    "[Start of Context]x" * 60_000,
    GOOD * 30_000,
    "[Start of Context]" + "[" * 1_000_000,
    "[Start of Context]" + "[Start of " * 100_000 + "[End of Context]",
    "[Start of Context]```\n" + " " * 1_000_000 + "x[End of Context]",
    "[Start of Context]```\n" + "\n" * 1_000_000 + "x\n```[End of Context]",
    "[Start of Context]" + "```\n" * 300_000 + "[End of Context]",
    "[Start of Context]" + "**\n" * 400_000 + "[End of Context]",
    "[" + " " * 1_000_000 + "Start of Context]",
    "**" * 600_000 + GOOD,
    "<think>" * 200_000,
    "<think>" + "</think>" * 200_000 + GOOD,
    "<think></think>" * 100_000 + GOOD,
    "\x00" * 1_000_000 + GOOD,
    "\u202e\u200b\ufeff" * 300_000 + GOOD,
    "[\u017ftart of Context] \u0131 K \u0130" * 50_000,
    "9" * 1_000_000,
]


@pytest.mark.parametrize("at", range(len(NASTY)))
def test_a_reply_of_a_megabyte_is_read_in_a_moment(at: int) -> None:
    """The work is linear: quadratic work would take hours, and the test's time limit ends it."""
    reply = NASTY[at]
    contexts(reply)
    JUDGE.parse(reply, ["evaluation", "score"])
    read_score(reply, (1, 2, 3))


TAGS = "[Start of Evaluation]|[End of Evaluation]|[Start of Score]|[End of Score]".split("|")
FRAGMENTS = "[Start of|of Score]|<think>|</think>|```|```text\n|**|\n| |\x00|3|-1|/3|ok|{{|\ud800|É"
PIECES = [*TAGS, *FRAGMENTS.split("|")]
REPLIES = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))


@given(REPLIES, st.booleans(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_reading_never_raises_and_gives_whole_records_only(
    reply: str, cut_off: bool, keep_fences: bool
) -> None:
    for prompt, columns in (
        (JUDGE, ["evaluation", "score"]),
        (CONTEXT, ["context"]),
        (BARE, ["x"]),
        (PAIR, ["q", "a"]),
    ):
        for row in prompt.parse(reply, columns, cut_off=cut_off, keep_fences=keep_fences).rows:
            assert list(row) == columns
            assert all(text and text == text.strip() for text in row.values())


def is_plain(text: str) -> bool:
    """Whether a text has no signs that the parser looks for or removes."""
    trimmed = text.strip(string.whitespace + "*")
    return text != "" and text == trimmed and text.isprintable() and not {*"[`"} & {*text}


@given(st.lists(st.text(alphabet=string.printable, min_size=1).filter(is_plain), max_size=5))
@settings(max_examples=100, deadline=None)
def test_what_is_put_between_tags_is_read_between_them(texts: list[str]) -> None:
    reply = "so: ".join(f"[Start of Context]{text}[End of Context]" for text in texts)
    assert contexts(reply) == texts


# Scores -------------------------------------------------------------------------------------------

ONE_TO_THREE = (1.0, 2.0, 3.0)
ZERO_ONE = (0.0, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        "3",
        " 3 \n",
        "3.0",
        "3,0",
        "**3**",
        "`3`",
        "Score: 3",
        "Score: 3/3",
        "3 out of 3",
        "3 von 3",
        "__3__",
        "(3)",
        "3.",
        "\uff13",
    ],
)
def test_a_score_of_three_is_read_however_it_is_written(text: str) -> None:
    assert read_score(text, ONE_TO_THREE) == 3.0


@pytest.mark.parametrize(
    "text",
    [
        *"|three|4|0|-3|2.5|2 or 3|2-3|2\u20133|1, 2 or 3|3/5|3 of 10|33|3x|v3".split("|"),
        *"3 because of 2 faults|NaN|inf|1e0".split("|"),
        "9" * 3_000,
        "3" + " " * 3_000,
    ],
)
def test_a_score_that_is_not_certain_or_off_the_scale_is_none(text: str) -> None:
    assert read_score(text, ONE_TO_THREE) is None


def test_zero_and_one_are_scores_too() -> None:
    assert read_score("0", ZERO_ONE) == 0.0
    assert read_score("Score: 1/1", ZERO_ONE) == 1.0
    assert read_score("0/1", ZERO_ONE) == 0.0
    assert read_score("2", ZERO_ONE) is None


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_a_score_is_on_the_scale_or_none(text: str) -> None:
    assert read_score(text, ONE_TO_THREE) in (None, *ONE_TO_THREE)


# YAML ---------------------------------------------------------------------------------------------

YAML = """\
system: You are kind.
introduction: |
  Do {{ task_description }}.
principles: ""
examples: |
  {% if seed_samples is defined %}{% for s in seed_samples %}{{ s.question }}{% endfor %}{% endif %}
generation: |
  Now write.
  {{ question }}
start_tags: ["[Start of Response]"]
end_tags: ["[End of Response]"]
sampling: {temperature: 0.7, max_tokens: 100, extra_body: {top_k: 5}}
"""


def test_a_prompt_becomes_a_system_message_and_a_user_message() -> None:
    prompt = sk.Prompt.from_yaml(YAML, "mine")
    messages = prompt.render({"task_description": "this", "question": "Why?"})
    assert messages == [
        {"role": "system", "content": "You are kind."},
        {"role": "user", "content": "Do this.\n\nNow write.\nWhy?"},
    ]


def test_optional_parts_of_existing_files_work_with_and_without_their_variables() -> None:
    prompt = sk.Prompt.from_yaml(YAML, "mine")
    row = {"task_description": "this", "question": "Why?", "seed_samples": [{"question": "Old?"}]}
    assert "Old?" in prompt.render(row)[1]["content"]


def test_an_existing_file_with_empty_parts_and_tags_loads() -> None:
    """As sdg_hub writes them: null parts, empty tags for "the whole reply"."""
    text = 'system: null\nintroduction: |\n  Say {{ x }}\nprinciples:\nexamples: ""\ngeneration:\n'
    prompt = sk.Prompt.from_yaml(text + 'start_tags: [""]\nend_tags: [""]\n', "mine")
    assert prompt.render({"x": 1}) == [{"role": "user", "content": "Say 1"}]
    assert prompt.parse("all", ["y"]).rows == [{"y": "all"}]


@pytest.mark.parametrize("method", ["grounded", "freeform"])
def test_shipped_prompts_survive_being_saved_and_loaded(method: str) -> None:
    names = [path.stem for path in sorted((sk.shipped("prompts") / method).glob("*.yaml"))]
    for name, prompt in load_prompts(names, method).items():
        assert sk.Prompt.from_yaml(prompt.to_yaml(), name) == prompt


TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="{}#%"), max_size=25
)
TAG = TEXT.map(str.strip).filter(bool)


@given(
    parts=st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT.filter(bool)),
    tags=st.lists(st.tuples(TAG, TAG), min_size=1, max_size=3),
)
@settings(max_examples=100, deadline=None)
def test_any_prompt_survives_being_saved_and_loaded(
    parts: tuple[str, ...], tags: list[tuple[str, str]]
) -> None:
    starts, ends = zip(*tags, strict=True)
    texts: dict[str, Any] = dict(zip(PARTS, parts, strict=True))
    prompt = sk.Prompt(
        "mine", **texts, start_tags=starts, end_tags=ends, sampling={"temperature": 0.5}
    )
    assert sk.Prompt.from_yaml(prompt.to_yaml(), "mine") == prompt


def test_variables_in_the_single_braces_of_older_files_are_filled(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        'generation: |\n  Like {seed_context}, as JSON {"a": 1} of {{ context }}', "utf-8"
    )
    [message] = sk.load_prompt(file).render({"seed_context": "this", "context": "that"})
    assert message["content"] == 'Like this, as JSON {"a": 1} of that'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it must be a mapping"),
        ("- a\n- b", "it must be a mapping"),
        ("just text", "it must be a mapping"),
        ("system: a", "the prompt is empty"),
        ("system: a\ngeneration: [1, 2]", "line 2: generation must be text"),
        ("system: a\nprompt: b", "line 2: unknown part 'prompt'"),
        (
            "generation: a\ngeneration: b",
            "line 2: not valid YAML (the key generation appears twice",
        ),
        ("generation: a\nstart_tags: x", "start_tags must be a list"),
        ("generation: a\nstart_tags: [x, y]\nend_tags: [z]", "2 start_tags and 1 end_tags"),
        (
            "generation: a\nstart_tags: [x, '']\nend_tags: [y, z]",
            "Only the first start tag may be empty",
        ),
        ("generation: 'a\n", "not valid YAML"),
        ("generation: a: b", "line 1: not valid YAML"),
        ("generation: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("generation: \x07", "not valid YAML"),
        ("generation: !!int", "not valid YAML"),
        ("generation: !!timestamp x", "not valid YAML"),
        ("{" * 5_000, "not valid YAML"),
        ("? [a]\n: b", "not valid YAML"),
        (
            "generation: a\nsampling: {temperature: hot}",
            "temperature must be a number from 0 to 2, not 'hot'",
        ),
        (
            "generation: a\nsampling: {temperature: .nan}",
            "temperature must be a number from 0 to 2, not nan",
        ),
        (
            "generation: a\nsampling: {temperature: 3}",
            "temperature must be a number from 0 to 2, not 3",
        ),
        ("generation: a\nsampling: {top_p: 1.5}", "top_p must be a number from 0 to 1, not 1.5"),
        (
            "generation: a\nsampling: {max_tokens: 1.5}",
            "max_tokens must be a whole number of at least 1, not 1.5",
        ),
        (
            "generation: a\nsampling: {max_tokens: true}",
            "max_tokens must be a whole number of at least 1, not True",
        ),
        (
            "generation: a\nsampling: {n: 3}",
            "there is no sampling setting 'n'. Choose from temperature",
        ),
        ("generation: a\nsampling: [1]", "sampling must be a mapping"),
        (
            "generation: a\nsampling: {extra_body: 1}",
            "extra_body must be a mapping of JSON values, not 1",
        ),
        (
            "generation: a\nsampling: {extra_body: {day: 2024-01-01}}",
            "extra_body must be a mapping of JSON values",
        ),
        ("generation: a\nsampling: {extra_body: &a {b: *a}}", "aliases are not supported"),
        ("generation: |\n  one\n  {{ range(9) }}", "mine.yaml (generation), line 3"),
        ("system: a\nintroduction: |\n\n  b\n  {% for x in y %}\n", "mine.yaml (introduction)"),
    ],
)
def test_a_file_that_is_not_a_prompt_is_refused_with_its_name(text: str, message: str) -> None:
    with pytest.raises((PromptError, SettingsError)) as refused:
        sk.Prompt.from_yaml(text, "mine")
    assert message in str(refused.value)
    assert str(refused.value).startswith("mine.yaml")


def test_aliases_that_stand_for_billions_of_values_are_refused_at_once() -> None:
    lines = ["a: &a0 [x, x]", *(f"k{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    laughs = "\n".join(f"    {line}" for line in lines)
    with pytest.raises(PromptError, match="aliases are not supported"):
        sk.Prompt.from_yaml(f"generation: a\nsampling:\n  extra_body:\n{laughs}\n", "mine")


def test_the_line_of_a_mistake_is_counted_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "gen_contexts.yaml"
    path.write_text(YAML.replace("{{ question }}", "{{ question }} {{ nope }}"))
    prompt = sk.load_prompt(path)
    with pytest.raises(
        PromptError, match=r"gen_contexts\.yaml \(generation\), line 9: 'nope' is undefined"
    ):
        prompt.render({"task_description": "", "question": ""})


# Saving keeps what the user wrote around the parts ------------------------------------------------

COMMENTED = """\
# My prompt.
# Variables: question

system: You are kind.  # as a rule
introduction: >  # folded
  Some words
  on two lines.

# The rules follow.
principles: |
  * Be brief.

  * Be right.

generation: '{{ question }}'
start_tags:
    # one for each column
    - "[A]"  # the first
    - "[B]"
# and their ends
end_tags: ["[/A]", "[/B]"]
sampling: {temperature: 0.7, extra_body: {top_k: 5}}  # warm
# The end.
"""
COMMENTS = [
    *("# My prompt.", "# Variables: question", "# as a rule", "# folded", "# The rules follow."),
    *("# and their ends", "# warm", "# The end."),
]


def updated(text: str = COMMENTED, **changes: Any) -> str:
    """The text after this was changed in its prompt; it must read back as that prompt."""
    prompt = replace(sk.Prompt.from_yaml(text, "mine"), **changes)
    result = prompt.update_yaml(text)
    assert sk.Prompt.from_yaml(result, "mine") == prompt
    return result


def test_a_prompt_that_did_not_change_leaves_its_file_as_it_is() -> None:
    assert updated() == COMMENTED


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({"system": "You are strict."}, "system: You are kind.", "system: You are strict."),
        ({"system": "a\nb\n"}, "You are kind.  # as a rule", "|  # as a rule\n  a\n  b"),
        ({"system": ""}, "system: You are kind.", "system:"),
        (
            {"introduction": "Hello"},
            ">  # folded\n  Some words\n  on two lines.",
            "Hello  # folded",
        ),
        ({"principles": "* Be brief.\n"}, "\n\n  * Be right.\n", "\n"),
        ({"generation": "{{ question }}!"}, "'{{ question }}'", "'{{ question }}!'"),
        ({"start_tags": ("[A]", "[C]")}, '"[B]"', '"[C]"'),
        ({"end_tags": ("[/A]", "")}, '"[/B]"', '""'),
        (
            {"sampling": {"temperature": 0.7, "extra_body": {"top_k": 9}}},
            "top_k: 5",
            "top_k: 9",
        ),
        (
            {"sampling": {"temperature": 0.5, "extra_body": {"top_k": 5}}},
            "temperature: 0.7",
            "temperature: 0.5",
        ),
        ({"sampling": {}}, "{temperature: 0.7, extra_body: {top_k: 5}}", "{}"),
    ],
)
def test_only_the_value_that_differs_is_rewritten(
    changes: dict[str, Any], old: str, new: str
) -> None:
    assert COMMENTED.count(old) == 1
    assert updated(**changes) == COMMENTED.replace(old, new)


def test_parts_that_the_file_lacks_are_added_at_its_end() -> None:
    text = "# mine\ngeneration: x  # all of it"
    assert updated(text, system="Hello.") == f"{text}\nsystem: Hello.\n"


@given(
    parts=st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT.filter(bool)),
    tags=st.lists(st.tuples(TAG, TAG), min_size=1, max_size=3),
    sampling=st.sampled_from([{}, {"top_p": 0.1}, {"temperature": 0.2, "extra_body": {"a": [1]}}]),
)
@settings(max_examples=200, deadline=None)
def test_whatever_changes_comes_back_with_all_comments_outside_of_it(
    parts: tuple[str, ...], tags: list[tuple[str, str]], sampling: dict[str, Any]
) -> None:
    starts, ends = zip(*tags, strict=True)
    changes = dict(zip(PARTS, parts, strict=True))
    result = updated(**changes, start_tags=starts, end_tags=ends, sampling=sampling)
    assert "# My prompt.\n# Variables: question\n" in result


@given(st.sampled_from(["introduction", "principles", "generation"]), st.integers(0, 3))
def test_a_block_of_text_may_change_in_length_without_losing_a_comment(
    part: str, lines: int
) -> None:
    text = "".join(f"line {number}\n" for number in range(lines)) or "x"
    result = updated(**{part: text})
    assert [comment for comment in COMMENTS if comment not in result] == []


@pytest.mark.parametrize(
    "text",
    [
        "# top\n{generation: x, system: y}\n",
        "# top\n---\ngeneration: x\n...\n",
        '# top\n"generation" : x\n',
        "# top\n? generation\n: x\n",
        "# top\ngeneration: x\nsystem:\n",
        "# top\ngeneration: |+\n  x\n\n\nsystem: a\n",
        "# top\ngeneration: !!str x\n",
        "# top\ngeneration: x\nsampling: {}\nstart_tags: []\n",
    ],
)
def test_a_file_of_unusual_layout_is_saved_with_the_comment_at_its_top(text: str) -> None:
    result = updated(
        text,
        generation="new\nand long\n",
        principles="More.",
        start_tags=("a", "b"),
        end_tags=("c", "d"),
        sampling={"temperature": 1},
    )
    assert result.startswith("# top\n")


def test_saving_keeps_the_comments_of_the_file_and_takes_over_those_of_another(
    tmp_path: Path,
) -> None:
    prompt = replace(sk.Prompt.from_yaml(COMMENTED, "mine"), system="You are strict.")
    expected = COMMENTED.replace("kind", "strict")
    path = prompt.save(tmp_path / "new" / "mine.yaml", layout=COMMENTED)
    assert path.read_text("utf-8") == expected
    assert prompt.save(path).read_text("utf-8") == expected
    path.write_text("broken: [", "utf-8")
    assert sk.load_prompt(prompt.save(path)) == prompt
    with pytest.raises(PromptError):
        replace(prompt, generation="{{ x", principles="").save(path)
    assert sk.load_prompt(path) == prompt


# Files --------------------------------------------------------------------------------------------


def test_files_missing_from_the_users_folder_are_taken_from_the_shipped_ones(
    tmp_path: Path,
) -> None:
    (tmp_path / "gen_contexts.yaml").write_text("generation: mine\n")
    names = ["gen_contexts", "gen_grounded_questions"]
    prompts = load_prompts(names, "grounded", tmp_path)
    assert prompts["gen_contexts"].generation == "mine"
    shipped = load_prompts(names, "grounded")
    assert prompts["gen_grounded_questions"] == shipped["gen_grounded_questions"]


def test_a_folder_that_holds_the_methods_folders_serves_as_well(tmp_path: Path) -> None:
    (tmp_path / "grounded").mkdir()
    (tmp_path / "grounded" / "gen_contexts.yaml").write_text("generation: mine\n")
    assert load_prompts(["gen_contexts"], "grounded", tmp_path)["gen_contexts"].generation == "mine"


@pytest.mark.parametrize("name", ["gen_context.yaml", "gen_contexts.yml", "notes.yaml"])
def test_a_prompt_file_that_would_never_be_used_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("generation: mine\n")
    with pytest.raises(PromptError, match="not named after a stage"):
        load_prompts(["gen_contexts"], "grounded", tmp_path)


def test_a_folder_or_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="no folder of prompts"):
        load_prompts(["gen_contexts"], "grounded", tmp_path / "nowhere")
    with pytest.raises(PromptError, match="Cannot read the prompt"):
        sk.load_prompt(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes("generation: f\u00fcr".encode("latin-1"))
    with pytest.raises(PromptError, match="not UTF-8"):
        sk.load_prompt(tmp_path / "latin.yaml")
    # A stage without a prompt is refused by the plan of the run.
    assert load_prompts(["own_stage"], "grounded") == {}


def test_a_byte_order_mark_is_not_part_of_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfgeneration: hello\n")
    assert sk.load_prompt(tmp_path / "x.yaml").generation == "hello"


def test_a_prompt_must_have_a_pair_of_tags_for_each_column() -> None:
    for prompt in (CONTEXT, sk.Prompt("x", generation="x", start_tags=("a", "b"), end_tags=("c",))):
        with pytest.raises(PromptError, match=r"2 column\(s\): evaluation, score"):
            prompt.check(["evaluation", "score"])


def test_sampling_settings_replace_the_prompts_own() -> None:
    prompt = sk.Prompt.from_yaml(YAML, "mine").with_sampling(temperature=0.1)
    assert prompt.sampling == {"temperature": 0.1, "max_tokens": 100, "extra_body": {"top_k": 5}}
    with pytest.raises(SettingsError):
        prompt.with_sampling(temperature=9)


# What an error carries ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("system: a\ngeneration: [1]", 2, "generation"),
        ("system: a\nprompt: b", 2, "prompt"),
        ("generation: a\n\nstart_tags: x", 3, "start_tags"),
        ("generation: |\n  one\n  {{ range(9) }}", 3, "generation"),
        ("generation: a: b", 1, None),
        ("system: a", None, None),
        ("generation: a\nstart_tags: [x, y]\nend_tags: [z]", None, "start_tags"),
    ],
)
def test_a_prompt_error_knows_its_file_line_and_part(
    text: str, line: int | None, part: str | None
) -> None:
    with pytest.raises(PromptError) as refused:
        sk.Prompt.from_yaml(text, "mine")
    error = refused.value
    assert (error.file, error.line, error.part) == ("mine.yaml", line, part)
    assert error.problem and "mine.yaml" not in error.problem
    assert str(error).endswith(error.problem)


def test_a_misspelt_sampling_setting_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"Did you mean '?max_tokens") as refused:
        CONTEXT.with_sampling(max_token=1)  # type: ignore[call-arg]
    assert refused.value.setting == "max_token"
    assert refused.value.choices == ("temperature", "top_p", "max_tokens", "extra_body")


@pytest.mark.parametrize(
    ("tags", "part", "shown"),
    [
        ("start_tags: [[Question]]\nend_tags: [done]", "start_tags", r"'\[Question\]'"),
        ("start_tags: [go]\nend_tags:\n  - [End of Question]", "end_tags", "End of Question"),
        ("start_tags: [1]\nend_tags: [done]", "start_tags", "'1'"),
        ("start_tags: [{Start}]\nend_tags: [done]", "start_tags", "Start"),
        ("start_tags: [No]\nend_tags: [done]", "start_tags", "'No'"),
    ],
)
def test_a_tag_without_quotes_that_yaml_reads_as_something_else_is_refused_with_its_line(
    tags: str, part: str, shown: str
) -> None:
    with pytest.raises(PromptError, match=f"put each into quotes: .*{shown}") as refused:
        sk.Prompt.from_yaml(f"generation: Write.\n{tags}\n", "mine")
    assert refused.value.part == part
    assert refused.value.line == (4 if part == "end_tags" else 2)
