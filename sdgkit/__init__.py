"""sdgkit: five seed examples in, a fine-tuning set out that its owner has seen, understood and trusts.

`import sdgkit as sk`, then `sk.connect`, `sk.load_seeds`, the eight stages by their names, `sk.generate`,
`sk.open_run`. Everything is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_STAGES = (
    "gen_contexts gen_grounded_questions eval_grounded_questions filter_grounded_questions gen_grounded_responses "
    "evaluate_grounded_qa_pair filter_grounded_qa_pair combine_question_and_context gen_questions eval_questions "
    "filter_questions gen_responses evaluate_qa_pair filter_qa_pair"
)
_ROOMS = {
    "errors": "SdgkitError SettingsError SeedError PromptError TeacherError RunError",
    "prompts": "Prompt load_prompt shipped",
    "seeds": "load_seeds save_seeds",
    "teachers": "Teacher connect",
    "stages": "Stage Generate GenerateMany Judge Keep Check Combine Drop",
    "pipeline": "Pipeline",
    "quality": "diversity",
    "report.tables": "as_table beside_seeds",
    "run": "Run open_run",
    "publish": "merge push",
    "trials.estimates": "estimate",
    "trials.evaluation": "evaluate",
    "method": f"GROUNDED FREEFORM generate plan {_STAGES}",
    "review": "Review",
    "trials.trying": "compare try_on",
    "panels": "TeacherPanel SeedPanel PromptPanel ComparePanel RunPanel ReviewPanel",
    "panels.versions": "check_kernel",
    "trials.calibration": "calibrate",
    "trials.seed_check": "check_seeds",
}
_MODULES = ("checks",)  # rooms that are public as a whole
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}
__all__ = ["__version__", *_MODULES, *_HOME]

if TYPE_CHECKING:
    from sdgkit import checks
    from sdgkit.errors import PromptError, RunError, SdgkitError, SeedError, SettingsError, TeacherError
    from sdgkit.method import (
        FREEFORM,
        GROUNDED,
        combine_question_and_context,
        eval_grounded_questions,
        eval_questions,
        evaluate_grounded_qa_pair,
        evaluate_qa_pair,
        filter_grounded_qa_pair,
        filter_grounded_questions,
        filter_qa_pair,
        filter_questions,
        gen_contexts,
        gen_grounded_questions,
        gen_grounded_responses,
        gen_questions,
        gen_responses,
        generate,
        plan,
    )
    from sdgkit.panels import ComparePanel, PromptPanel, ReviewPanel, RunPanel, SeedPanel, TeacherPanel
    from sdgkit.panels.versions import check_kernel
    from sdgkit.pipeline import Pipeline
    from sdgkit.prompts import Prompt, load_prompt, shipped
    from sdgkit.publish import merge, push
    from sdgkit.quality import diversity
    from sdgkit.report.tables import as_table, beside_seeds
    from sdgkit.review import Review
    from sdgkit.run import Run, open_run
    from sdgkit.seeds import load_seeds, save_seeds
    from sdgkit.stages import Check, Combine, Drop, Generate, GenerateMany, Judge, Keep, Stage
    from sdgkit.teachers import Teacher, connect
    from sdgkit.trials.calibration import calibrate
    from sdgkit.trials.estimates import estimate
    from sdgkit.trials.evaluation import evaluate
    from sdgkit.trials.seed_check import check_seeds
    from sdgkit.trials.trying import compare, try_on


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"sdgkit.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'sdgkit' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"sdgkit.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
