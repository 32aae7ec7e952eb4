"""Variables of the whole run: every prompt may use them, and they decide what is asked again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import PROMPTS, ScriptedTeacher, seeds

import sdgkit as sk
from sdgkit.prompts import Prompt
from sdgkit.recorded import read_values
from sdgkit.run import Run
from sdgkit.run.edition import EditionConfig
from sdgkit.run.plan import Plan

JUDGE = "evaluate_grounded_qa_pair"
RULES = ["It names the date.", "It is one line."]


def with_rules(plan: Plan, **variables: Any) -> Plan:
    """The plan with a judge whose prompt lists `rules` where there are any."""
    judge = plan.prompts[JUDGE]
    listing = "{% if rules is defined %}Rules: {{ rules|join(' / ') }}\n{% endif %}"
    prompt: Prompt = replace(judge, system=listing)
    return replace(plan, prompts={**plan.prompts, JUDGE: prompt}, variables=variables)


def small_plan(script: ScriptedTeacher) -> Plan:
    return sk.plan(
        seeds(2),
        teacher=script.connect(),
        prompts=PROMPTS,
        profile=False,
        num_contexts=2,
        num_questions=1,
    )


def test_every_prompt_that_names_a_variable_of_the_run_is_rendered_with_it() -> None:
    with ScriptedTeacher() as script:
        run = Run(with_rules(small_plan(script), rules=RULES)).start().wait()
        sent = {
            exchange.stage: exchange.messages[0]["content"]
            for exchange in run.trace(run.dataset[0]["id"]).exchanges
        }
    assert sent[JUDGE] == "Rules: It names the date. / It is one line."
    assert "Rules" not in sent["gen_contexts"]


def test_another_value_of_a_variable_asks_only_the_stages_whose_prompts_use_it_again(
    tmp_path: Path,
) -> None:
    with ScriptedTeacher() as script:
        plan = small_plan(script)
        Run(with_rules(plan, rules=RULES), tmp_path / "run").start().wait()
        script.forget()
        again = Run(with_rules(plan, rules=RULES[:1]), tmp_path / "run").start().wait()
        asked_again = script.by_stage()
    assert asked_again.keys() == {JUDGE}
    assert any("changed since the last session: rules;" in note for note in again.notes)


def test_a_prompt_that_inserts_a_variable_which_the_run_lacks_is_refused() -> None:
    with ScriptedTeacher() as script:
        plan = small_plan(script)
        judge = replace(plan.prompts[JUDGE], system="{{ rules }}")
        with pytest.raises(sk.PromptError, match="'rules' is undefined"):
            replace(plan, prompts={**plan.prompts, JUDGE: judge})
        replace(plan, prompts={**plan.prompts, JUDGE: judge}, variables={"rules": RULES})


def test_a_column_of_the_row_comes_before_a_variable_of_the_run() -> None:
    rows = [{**row, "rules": "of the row"} for row in seeds(1)]
    with ScriptedTeacher() as script:
        plan = sk.plan(
            rows,
            teacher=script.connect(),
            prompts=PROMPTS,
            profile=False,
            num_contexts=1,
            num_questions=1,
        )
        prompts = {**plan.prompts, JUDGE: replace(plan.prompts[JUDGE], system="{{ rules }}")}
        run = Run(replace(plan, prompts=prompts, variables={"rules": "of the run"})).start().wait()
        trace = run.trace(run.dataset[0]["id"])
    assert trace.exchanges[-1].messages[0]["content"] == "of the row"


def test_a_run_without_variables_has_the_edition_that_it_had_before_there_were_any() -> None:
    with ScriptedTeacher() as script:
        values = small_plan(script).edition().as_json()
    assert "variables" not in values
    assert read_values(EditionConfig, values, "journal").variables == {}
