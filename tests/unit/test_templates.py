"""What a template can do, and what it cannot: reach into Python, or work without bounds."""

from typing import Any

import pytest

from sdgkit.errors import PromptError
from sdgkit.prompts.sandbox import MAX_RENDERED
from sdgkit.prompts.template import Template

ROW = {
    "question": "Why?",
    "empty": "",
    "big": "x" * 900_000,
    "samples": [{"q": "one", "a": "eins"}, {"q": "two", "a": "zwei"}],
    "names": ["b", "a", "b"],
    "vary": {"mood": "glad"},
}


def render(source: str, **row: Any) -> str:
    return Template(source, file="mine.yaml", line=10).render({**ROW, **row})


def refusal(source: str) -> str:
    with pytest.raises(PromptError) as refused:
        render(source)
    return str(refused.value)


# What works ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ question }}", "Why?"),
        (
            "{{ vary.mood }}{{ vary['mood'] }}{% for name in vary %}{{ name }}{% endfor %}",
            "gladgladmood",
        ),
        (
            "{% for s in samples %}{{ loop.index }}{{ s.q }}={{ s['a'] }} {% endfor %}",
            "1one=eins 2two=zwei ",
        ),
        ("{% for s in samples %}{% for n in names %}{{ n }}{% endfor %}{% endfor %}", "babbab"),
        ("{% for s in samples if s.q == 'two' %}{{ s.a }}{% else %}none{% endfor %}", "zwei"),
        ("{% if seed_samples is defined %}never{% else %}absent{% endif %}", "absent"),
        ("{% if empty %}a{% elif question == 'Why?' %}b{% else %}c{% endif %}", "b"),
        ("{{ nothing|default('x') }}{{ empty|default('y', true) }}", "xy"),
        ("{{ names|join(', ') }} {{ names|join }} {{ names|last }}", "b, a, b bab b"),
        (
            "{{ question|upper }}{{ question|length }}{{ ' x '|trim }}{{ question|lower|title }}",
            "WHY?4xWhy?",
        ),
        (
            "{{ question + '!' }}{{ 1 + 2 }}{{ names[0] }}{{ names|first }}{{ question[:2] }}",
            "Why?!3bbWh",
        ),
        ("{{ samples|tojson }}", '[{"a": "eins", "q": "one"}, {"a": "zwei", "q": "two"}]'),
        ("{{ 'yes' if 'W' in question and not empty else 'no' }}", "yes"),
        ("{# a remark #}{% raw %}{{ as it is }}{% endraw %}", "{{ as it is }}"),
    ],
)
def test_a_template_inserts_variables_and_uses_if_for_and_simple_filters(
    source: str, text: str
) -> None:
    assert render(source) == text


def test_what_a_row_holds_is_never_read_as_a_template() -> None:
    assert render("{{ question }}", question="{{ 7 }}{% for x in y %}") == "{{ 7 }}{% for x in y %}"


# Mistakes are reported with name, file and line --------------------------------------------------


@pytest.mark.parametrize(
    ("source", "line", "name"),
    [
        ("a\n{{ nope }}", 11, "'nope'"),
        ("{{ nope.further.more }}", 10, "'nope'"),
        ("\n\n{% for x in nope %}{% endfor %}", 12, "'nope'"),
        ("{% if question %}\n{{ vary.weather }}{% endif %}", 11, "'weather'"),
        ("{{ vary['weather'] }}", 10, "'weather'"),
        ("{% if nope is defined %}{% endif %}\n{{ question }}\n{{ nope|upper }}", 12, "'nope'"),
        ("\n{{ nope + question }}", 11, "'nope'"),
    ],
)
def test_an_unknown_variable_is_named_with_file_line_and_the_variables_there_are(
    source: str, line: int, name: str
) -> None:
    with pytest.raises(PromptError) as refused:
        render(source)
    message = str(refused.value)
    assert message.startswith(f"mine.yaml, line {line}: ")
    assert (refused.value.file, refused.value.line) == ("mine.yaml", line)
    assert name in message
    assert "You can use big, empty, names, question, samples, vary" in message


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\n{{ question", 11),
        ("{% if question %}", 10),
        ("\n\n{% nonsense %}", 12),
        ("{{ question | }}", 10),
        ("{{ 'x", 10),
        ("{% if question is defnied %}{% endif %}", 10),
        ("{% if question|attr('x') %}{% endif %}", 10),
    ],
)
def test_a_syntax_error_is_reported_with_file_and_line(source: str, line: int) -> None:
    assert f"mine.yaml, line {line}" in refusal(source)


def test_a_filter_that_does_not_fit_its_value_is_reported_with_the_line() -> None:
    assert "mine.yaml, line 11" in refusal("\n{{ samples|sort }}")


# Attacks: reaching Python -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "{{ question.__class__ }}",
        "{{ question['__class__'] }}",
        "{{ question['__cla' + 'ss__'] }}",
        "{{ question['__CLASS__'|lower] }}",
        "{{ question|attr('__class__') }}",
        "{{ samples|map(attribute='__class__') }}",
        "{{ samples|sort(attribute='__class__.__name__') }}",
        "{{ samples.append(1) }}",
        "{{ question.format }}",
        "{{ vary.items }}",
        "{{ vary.items() }}",
        "{{ question.format|upper }}",
        "{{ question['format'] }}",
        "{{ question|(pay) }}",
        "{{ self._TemplateReference__context }}",
        "{% for x in names %}{{ loop.cycle }}{% endfor %}",
        "{% for x in names %}{{ loop._iterable }}{% endfor %}",
        "{{ lipsum }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ namespace() }}",
        "{{ dict(a=1) }}",
        "{{ ''.join(names) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% set x = question %}",
        "{% with x = question %}{{ x }}{% endwith %}",
        "{% macro m() %}{% endmacro %}",
        "{% call m() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% autoescape true %}x{% endautoescape %}",
        "{{ '%s'|format(question) }}",
        "{{ {'a': 1} }}",
        "{{ question ~ question }}",
    ],
)
def test_a_template_that_reaches_for_python_is_refused(source: str) -> None:
    assert "mine.yaml" in refusal(source)


def test_rendered_text_never_shows_memory_addresses() -> None:
    for source in ("{{ self }}", "{% for x in names %}{{ loop }}{% endfor %}", "{{ samples }}"):
        assert " at 0x" not in render(source)


# Attacks: work without bounds ---------------------------------------------------------------------


def in_two_loops(body: str, values: str = "many") -> str:
    """A template that repeats a body in two nested loops."""
    loops = f"{{% for a in {values} %}}{{% for b in {values} %}}"
    return f"{loops}{body}{{% endfor %}}{{% endfor %}}"


LONG_LIST = f"[[{','.join('1' * 1_000)}]][0]"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ range(999999999)|list }}",
        "{{ 'x' * 300000000 }}",
        "{{ question * 300000000 }}",
        "{{ 9 ** 999999999 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ 7 // 0 }}",
        "{{ question|center(300000000) }}",
        "{{ question|indent(300000000) }}",
        "{{ question|truncate(300000000) }}",
        "{{ '%300000000s'|format(1) }}",
        "{{ [1]|tojson(300000000) }}",
        "{{ big + big }}",
        "{{ [big, big] }}",
        "{{ [big, [big, [big, big]]]|upper }}",
        "{{ [big, big]|tojson }}",
        "{{ [big, big]|join }}",
        "{{ names|join(big) }}{{ names|join(big) }}",
        "{{ big|replace('x', 'yyyy') }}",
        "{{ big|replace('', 'yyyy') }}",
        "{{ big|escape|replace('x', '&')|escape }}",
        "{{ big|trim(big) }}",
        f"{{{{ {'9' * 6_000} }}}}",
        f"{{{{ {'(' * 5_000}1{')' * 5_000} }}}}",
        f"{{{{ {'[' * 5_000}1{']' * 5_000} }}}}",
        f"{{{{ {'not ' * 5_000}big }}}}",
        f"{{{{ big{'.x' * 5_000} }}}}",
        f"{{{{ question{'|upper' * 5_000} }}}}",
        f"{{{{ question{' + question' * 5_000} }}}}",
        f"{'{% if big %}' * 99}{'{% endif %}' * 99}",
        "{% if big|upper|lower|title == big %}{% endif %}" * 2_000,
        "{{ '' if big|upper else '' }}" * 3_000,
        f"{{% for a in {LONG_LIST} %}}{{% if big|upper == big %}}{{% endif %}}{{% endfor %}}",
        in_two_loops("{% if big == a %}{% endif %}" * 99, LONG_LIST),
        in_two_loops("{{ big[0:b] if '' else '' }}"),
        in_two_loops("{% if needle in big %}{% endif %}"),
        "{% if needle in big %}{% endif %}" * 2_500,
        in_two_loops("{% if [1, [2]] %}{% endif %}" * 900),
        f"{{{{ uni{'|tojson' * 50} }}}}",
        "{{ many|join(big)|length }}",
        "{% for a in far_too_many %}{% endfor %}",
        "{% for a in question %}{% endfor %}",
        in_two_loops("{% for c in names %}{% endfor %}", "names"),
        "{% for a in names recursive %}{{ loop(names) }}{% endfor %}",
        "{% for a in names %}{{ big }}{% endfor %}",
        "x" * 200_000,
        "{{" * 50_000,
        "{% if " * 20_000,
        "{#" * 50_000,
    ],
)
def test_a_template_of_unbounded_work_is_refused_before_it_does_it(source: str) -> None:
    with pytest.raises(PromptError, match=r"mine\.yaml"):
        many, needle = list(range(1_000)), "x" * 450_000 + "y"
        render(
            source, many=many, needle=needle, uni="\\" * 1_000, far_too_many=list(range(300_001))
        )


def test_text_up_to_the_limit_is_rendered_whole_and_longer_text_is_refused() -> None:
    assert render("{{ text }}", text="x" * MAX_RENDERED) == "x" * MAX_RENDERED
    with pytest.raises(PromptError, match="1,000,000 characters"):
        render("{{ text }}y", text="x" * MAX_RENDERED)


def test_every_rendering_has_the_full_budget() -> None:
    template = Template("{% for s in samples %}{{ big|upper|length }}{% endfor %}")
    assert [template.render(ROW) for _ in range(30)] == ["900000900000"] * 30


# What is kept for the next rendering --------------------------------------------------------------


def test_a_template_says_what_its_values_say_now_whatever_it_has_said_before() -> None:
    template = Template("{{ question }}: {% for name in names %}{{ name }}{% endfor %}")
    names = ["a", "b"]
    assert template.render({"question": "Who", "names": names}) == "Who: ab"
    names.append("c")
    assert template.render({"question": "Who", "names": names}) == "Who: abc"
    assert template.render({"question": "What", "names": names, "other": "x"}) == "What: abc"
    assert template.render({"question": 1, "names": ("d",)}) == "1: d"
    with pytest.raises(PromptError, match="'names' is undefined"):
        template.render({"question": "Who"})
    for number in range(200):
        assert template.render({"question": str(number), "names": names}) == f"{number}: abc"
