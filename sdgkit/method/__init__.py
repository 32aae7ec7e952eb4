"""The grounded-skills method of LAB (arXiv 2403.01081): its pipelines, its stages, `generate`."""

from sdgkit.method.generate import generate
from sdgkit.method.notebook_settings import NotebookSettings, notebook_settings
from sdgkit.method.options import PlanOptions, Prompts, Sampling, StageOptions, Vary
from sdgkit.method.pipelines import FREEFORM, GROUNDED, METHODS
from sdgkit.method.planning import plan
from sdgkit.method.run_pipeline import run_pipeline
from sdgkit.method.sources import PlanSource, default_folder, run_folder, source_name
from sdgkit.method.stage_functions import (
    StageFunction,
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
)

__all__ = [
    "FREEFORM",
    "GROUNDED",
    "METHODS",
    "NotebookSettings",
    "PlanOptions",
    "PlanSource",
    "Prompts",
    "Sampling",
    "StageFunction",
    "StageOptions",
    "Vary",
    "combine_question_and_context",
    "default_folder",
    "eval_grounded_questions",
    "eval_questions",
    "evaluate_grounded_qa_pair",
    "evaluate_qa_pair",
    "filter_grounded_qa_pair",
    "filter_grounded_questions",
    "filter_qa_pair",
    "filter_questions",
    "gen_contexts",
    "gen_grounded_questions",
    "gen_grounded_responses",
    "gen_questions",
    "gen_responses",
    "generate",
    "notebook_settings",
    "plan",
    "run_folder",
    "run_pipeline",
    "source_name",
]
