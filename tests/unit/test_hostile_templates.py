"""Templates of somebody who means harm: each is refused, or does what it says in a moment."""

import json
import resource
import time
from typing import Any

import pytest

from sdgkit.errors import PromptError
from sdgkit.prompts import Prompt

ROW: dict[str, Any] = {
    "task_description": "Sort the mail.",
    "seed_context": "c" * 2_000,
    "seed_question": "Which folder?",
    "seed_response": "r" * 500,
    "context": "x y " * 750,
    "grid": [["cell"] * 100] * 100,
    "vary": {"tone": "calm", "words": ["one", "two"]},
}

REACHING = [
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ context.__init__.__globals__ }}",
    "{{ context|attr('__class__') }}",
    "{{ context['__class__'] }}",
    "{{ vary['__class__'] }}",
    "{{ context.encode() }}",
    "{{ context.format }}",
    "{{ '{0.__class__.__mro__}'.format(context) }}",
    "{{ '%r' % context.__class__ }}",
    "{{ self.__dict__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ joiner.__init__ }}",
    "{{ namespace }}",
    "{{ get_flashed_messages }}",
    "{{ ''.__cla\u017fs__ }}",
    "{{ ''.\uff3f\uff3fclass\uff3f\uff3f }}",
    "{% include '/etc/hostname' %}",
    "{% import '/etc/hostname' as host %}{{ host }}",
    "{% extends 'base' %}",
    "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    "{% set x = context.__class__ %}{{ x }}",
    "{% call(x) context() %}{% endcall %}",
    "{% for key in vary.keys() %}{{ key }}{% endfor %}",
    "{{ [].append(1) }}",
    "{{ vary.update({'tone': 'angry'}) }}",
    "{{ grid|map('__class__')|list }}",
    "{{ grid|groupby('__class__') }}",
    "{{ context is callable }}",
]
WORKING = [
    "{{ 'ab' * 500000000 }}",
    "{{ 7 ** 7 ** 7 ** 7 }}",
    "{{ [0] * 900000000 }}",
    "{% for n in range(1000000000) %}x{% endfor %}",
    "{% for a in grid %}{% for b in a %}{{ seed_context }}{% endfor %}{% endfor %}",
    "{% for a in grid %}{% for b in a %}{% for c in grid %}c" + "{% endfor %}" * 3,
    "{% for a in grid recursive %}{{ loop(grid) }}{% endfor %}",
    "{{ grid|join(grid|join(context)) }}",
    "{{ 'x'|center(900000000) }}",
    "{{ 'x'|indent(900000000) }}",
    "{{ context|wordwrap(1) }}",
    "{{ context|replace('x', context)|replace('y', context) }}",
    "{{ context" + "|title" * 4_000 + " }}",
    "{{ context" + "|tojson" * 80 + " }}",
    "{{ " + " ~ ".join(["context"] * 8_000) + " }}",
    "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
    "{{ " + "-" * 50_000 + "1 }}",
    "{{ " + "not " * 30_000 + "context }}",
    "{{ " + "[" * 20_000 + "]" * 20_000 + " }}",
    "{{ " + "1 if context else " * 8_000 + "2 }}",
    "{{ " + " == ".join(["1"] * 30_000) + " }}",
    "{% if context %}" * 5_000 + "{% endif %}" * 5_000,
    "{% if 0 %}" + "{% elif 0 %}" * 8_000 + "{% endif %}",
    "{{ " + "8" * 200_000 + " }}",
    "{{ context" + "[1:]" * 8_000 + " }}",
    "{{ context|default(" * 3_000 + "1" + ")" * 3_000 + " }}",
    "{{ 1.5|round(400) }}{{ 1e400 }}",
    "{{ context[::0] }}",
    "{{ context[:99999999999999999999999] }}",
    "{{ 5 // 0 }}{{ 5 % 0 }}",
    "{" * 150_000,
    "{{" * 60_000,
    "{%" * 60_000,
    "{#" * 60_000,
    "{{ '" + "\\" * 80_000 + "' }}",
    "{{" + " " * 150_000 + "1 }}",
    "{{ 1" + "_1" * 60_000 + " }}",
    "{% raw %}" * 20_000,
    "{% raw" + " " * 150_000 + "%}",
]
LEAKS = ("<class", "<function", "0x7", "<module", "uid=", "__")


@pytest.mark.parametrize("template", [*REACHING, *WORKING], ids=lambda text: repr(text[:40]))
def test_a_hostile_template_is_refused_or_harmless(template: str) -> None:
    began = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = ""
    try:
        # JSON is YAML, whatever the template holds.
        prompt = Prompt.from_yaml(json.dumps({"generation": template}), "hostile")
        text = prompt.render(ROW)[-1]["content"]
    except PromptError as error:
        assert len(str(error)) < 2_000
    if template in REACHING:
        assert not [leak for leak in LEAKS if leak in text]
    assert len(text) < 10_000_000
    assert time.process_time() - began < 6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 500_000  # kB
    assert ROW["vary"]["tone"] == "calm"
