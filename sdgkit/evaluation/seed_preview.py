"""What the method makes of one seed: a few samples, before a whole run is made."""

from dataclasses import dataclass

from sdgkit.errors import SeedError
from sdgkit.evaluation.quiet_runs import run_quietly
from sdgkit.evaluation.seed_rules import CONTEXT, QUESTION, RESPONSE, TASK
from sdgkit.journal import Journal
from sdgkit.method import PlanOptions, plan
from sdgkit.samples import own_question
from sdgkit.seeds import Seed
from sdgkit.teachers.source import TeacherSource

SAMPLES = 2


@dataclass(frozen=True)
class Preview:
    """A sample that was made of one seed.

    Attributes:
        id: Its lineage id.
        context: Its context, "" in a freeform skill.
        question: Its question.
        response: Its response, "" if it was dropped before it had one.
        verdict: What became of it, in words: its score, or why it was dropped.
    """

    id: str
    context: str
    question: str
    response: str
    verdict: str


def preview_seed(seed: Seed, *, teacher: TeacherSource, samples: int = SAMPLES) -> list[Preview]:
    """Make a few samples of one seed.

    Args:
        seed: The seed.
        teacher: The teacher that writes and judges.
        samples: How many to make.

    Returns:
        The samples, those that a stage dropped among them.

    Raises:
        SeedError: If the seed cannot be used.
        TeacherError: If the teacher cannot be asked.

    Example:
        >>> import sdgkit as sk
        >>> seed = sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")[0]
        >>> with sk.connect("rehearsal") as teacher:
        ...     [bool(sample.context) for sample in preview_seed(seed, teacher=teacher)]
        [True, True]
    """
    options: PlanOptions = {"profile": False, "num_questions": samples}
    if seed.get(CONTEXT):
        options = {"profile": False, "num_contexts": samples, "num_questions": 1}
    planned = plan([dict(seed)], teacher=teacher, **options)
    run = run_quietly(planned, Journal())
    previews = []
    for sample in run.samples():
        previews.append(_preview(sample, f"score {sample.get('score', '')}"))
    for drop in run.drops():
        if drop["reason"] != "duplicate":
            previews.append(_preview(drop, f"dropped by {drop['stage']}: {drop['message']}"))
    return sorted(previews, key=lambda preview: preview.id)[:samples]


def propose_seed(seed: Seed, *, teacher: TeacherSource) -> Seed:
    """Have the teacher write a further seed in the manner of one, as a draft to be edited.

    Args:
        seed: The seed that it begins from.
        teacher: The teacher.

    Raises:
        SeedError: If the seed cannot be used, or the teacher wrote nothing that can.
        TeacherError: If the teacher cannot be asked.

    Example:
        >>> import sdgkit as sk
        >>> seed = sk.load_seeds(sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl")[0]
        >>> with sk.connect("rehearsal") as teacher:
        ...     draft = propose_seed(seed, teacher=teacher)
        >>> draft["task_description"] == seed["task_description"]
        True
    """
    written = []
    for sample in preview_seed(seed, teacher=teacher):
        if sample.response:
            written.append(sample)
    if not written:
        raise SeedError("The teacher wrote no usable seed. Try again, starting from another seed.")
    first = written[0]
    return {
        TASK: seed[TASK],
        CONTEXT: first.context,
        QUESTION: first.question,
        RESPONSE: first.response,
    }


def _preview(row: dict[str, object], verdict: str) -> Preview:
    question = ""
    if row.get("question"):
        question = own_question(row)
    return Preview(
        id=str(row["id"]),
        context=str(row.get("context") or ""),
        question=question,
        response=str(row.get("response") or ""),
        verdict=verdict,
    )
