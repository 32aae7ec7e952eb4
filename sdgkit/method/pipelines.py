"""The two pipelines of the method, as LAB describes them (arXiv 2403.01081, section 3)."""

from sdgkit.pipeline import Pipeline
from sdgkit.stages import FAULTS, VERDICT, Combine, Generate, GenerateMany, Judge, Keep

QUESTIONS_TOGETHER = 6
"""Questions of a freeform skill that one request asks for: in a long list, the last resemble the
first, and a reply that is cut off costs more."""

GROUNDED = Pipeline(
    "grounded",
    (
        # Write ten different contexts for each seed, one request each.
        GenerateMany(
            name="gen_contexts",
            columns=("context",),
            letter="c",
            per_row=10,
            extra_tries=10,
        ),
        # Ask three different questions about each context, in one request.
        GenerateMany(
            name="gen_grounded_questions",
            columns=("question",),
            letter="q",
            per_row=3,
            together=True,
        ),
        # Judge each question, 0 or 1, and keep those with a 1.
        Judge(name="eval_grounded_questions", scale=(0.0, 1.0)),
        Keep(name="filter_grounded_questions", equals=1.0, remove=(*VERDICT, FAULTS)),
        # Answer each question in the style of the seed's response.
        Generate(name="gen_grounded_responses", columns=("response",)),
        # Judge each question with its response, 1 to 3, and keep those with a 2 or a 3.
        Judge(name="evaluate_grounded_qa_pair", scale=(1.0, 2.0, 3.0)),
        Keep(name="filter_grounded_qa_pair", at_least=2.0),
        # Put the context above its question.
        Combine(
            name="combine_question_and_context",
            column="question",
            parts=("context", "question"),
        ),
    ),
)

FREEFORM = Pipeline(
    "freeform",
    (
        # Write thirty different questions for each seed, six in a request.
        GenerateMany(
            name="gen_questions",
            columns=("question",),
            letter="q",
            per_row=30,
            together=True,
            most_together=QUESTIONS_TOGETHER,
            extra_tries=10,
        ),
        # Judge each question, 0 or 1, and keep those with a 1.
        Judge(name="eval_questions", scale=(0.0, 1.0)),
        Keep(name="filter_questions", equals=1.0, remove=(*VERDICT, FAULTS)),
        # Answer each question in the style of the seed's response.
        Generate(name="gen_responses", columns=("response",)),
        # Judge each question with its response, 1 to 3, and keep those with a 2 or a 3.
        Judge(name="evaluate_qa_pair", scale=(1.0, 2.0, 3.0)),
        Keep(name="filter_qa_pair", at_least=2.0),
    ),
)

METHODS = {pipeline.name: pipeline for pipeline in (GROUNDED, FREEFORM)}
"""The two pipelines, by name."""


def questions_together(pipeline: Pipeline) -> int | None:
    """How many questions of a freeform skill one request asks for; None for all of them."""
    if "gen_questions" not in pipeline.names:
        return None
    return pipeline.stage("gen_questions").most_together


def with_questions_in_one_request(pipeline: Pipeline) -> Pipeline:
    """The pipeline of a folder in which one request asked for all questions of a seed."""
    if questions_together(pipeline) is None:
        return pipeline
    return pipeline.change("gen_questions", most_together=None, extra_tries=0)
