"""The whole method in one call."""

from contextlib import ExitStack
from pathlib import Path
from typing import Unpack

from sdgkit.errors import show_in_notebook
from sdgkit.keywords import as_path, known_keywords
from sdgkit.method.options import PlanOptions
from sdgkit.method.planning import plan
from sdgkit.method.sources import PlanSource, default_folder
from sdgkit.run import Run
from sdgkit.run.elsewhere import Cluster, TeacherLimits
from sdgkit.run.progress import ProgressLine
from sdgkit.teachers.source import TeacherSource

NOTHING_KEPT = "Interrupted. Pass a folder, out=, to keep the samples and resume the run next time."


@known_keywords
def generate(
    seeds: PlanSource,
    *,
    teacher: TeacherSource | None = None,
    out: str | Path | None = None,
    reuse: bool = False,
    cluster: Cluster | None = None,
    **options: Unpack[PlanOptions],
) -> Run:
    """Turn seeds into samples with the whole method, or resume an earlier run in the same folder.

    One line shows the progress. After Ctrl-C, the run can be resumed.

    Args:
        seeds: Anything that `load_seeds` accepts; or the folder of a skill, or of a run to repeat,
            with the options given here in place of its own.
        teacher: The teacher that the stages ask; none where the workers of a cluster start theirs.
        out: The run's folder (default: `runs/NAME` for a seed file NAME; otherwise everything is
            kept in memory).
        reuse: Continue in the folder of another job and reuse its recorded replies where they fit.
        cluster: A cluster that works on the run, `sk.RayCluster(…)` (default: this machine alone).
        judge: Another teacher for the judging (default: the teacher judges its own work).
        pipeline: The stages (default: `GROUNDED` or `FREEFORM`, as the seeds require).
        prompts: Prompts by stage name, or a folder of YAML files named after the stages (default:
            the shipped ones).
        num_contexts: Contexts for each seed (default 10).
        num_questions: Questions for each context (default 3), or for each seed of a freeform skill
            (default 30).
        contexts: Your own contexts in place of `gen_contexts`: a folder or a pattern of `.txt` and
            `.md` files, a table, or rows with a column `context`. If they have a column `question`
            as well, those questions are used.
        questions: "seed" asks the seed's own question about every context instead of new ones.
        vary: Lists from which a value is drawn for each context:
            `{"audience": ["children", "experts"]}`.
        profile: The profile of the skill, or its file; False to run without one (default: the one
            in the run's folder, or the one that the teacher writes first by studying the seeds).
        target: Continue in rounds until this many samples are kept (default: one pass over the
            seeds). The rounds end early when ten in a row bring nothing new.
        max_requests: The most requests that the rounds of a target may take, including recorded
            ones; retries of malformed replies may add a few (default: no limit).
        min_samples: How many samples a run has to keep; with fewer, it has finished short
            (`Run.shortfall`, exit status 3).
        checks: Checks from `sdgkit.checks`, or Python functions of a row; each follows the stage
            that writes its column.
        near_duplicates: At the end, drop each sample that is at least this similar to an earlier
            one or to a seed, such as 0.9: above 0 and at most 1 (default: drop none).
        twins: "drop" keeps only the first of the samples that give the same answer to the same
            context, in whatever words (default "keep": they are only counted).
        responses: Responses to each question, of which the best is kept: the highest score, then
            the lowest ordinal (default 1). `export("preference", …)` pairs them.
        repair: Revise once each response that did not get the highest score, with the judge's
            comments; judge it again, and keep the better version (default False).
        keep_reasoning: Keep the teacher's reasoning before each response, in the column
            `reasoning`.
        min_score: The lowest score from the last judge with which a sample is kept (default 2, on
            a scale from 1 to 3). Changing it in a run's folder repeats no request.
        sampling: Sampling settings by stage name, over those of the prompts.
        max_tokens: The longest reply, in tokens (default: as each prompt says).
        extra_tries: Extra contexts (in a freeform skill, questions) to request for a seed, one
            for each duplicate or malformed one (default 10).
        system: Your own system message, for training files.
        structure: When the server enforces the form of a reply, if it can: "auto" (default) where a
            malformed reply is requested again, "always" from the first request on, or "never".
        encoding: The encoding of a seed file that is not UTF-8, such as "cp1252".
        task: The task description of all seeds, in place of what the seed file says.
        columns: Columns of the seed file, or of your contexts, that have other names:
            `{"seed_response": "answer"}`.
        split_contexts: How text files are split into contexts: "whole" (default), "heading", or a
            number of words.

    Returns:
        The finished run.

    Raises:
        SdgkitError: The run cannot start, or stopped.

    Example:
        >>> import sdgkit as sk
        >>> seed = {"task_description": "Add.", "seed_question": "1 + 1?", "seed_response": "2"}
        >>> with sk.connect("rehearsal") as teacher:
        ...     run = sk.generate([seed], teacher=teacher, num_questions=4, profile=False)
        >>> run.state
        'done'
    """
    folder = _folder(seeds, out)
    planned = plan(seeds, teacher=teacher, **options)
    with ExitStack() as connections:
        elsewhere = None
        if cluster is not None:
            elsewhere = connections.enter_context(cluster.join())
            planned = elsewhere.prepared(planned, folder, TeacherLimits())
        return _finish(Run(planned, folder, reuse=reuse, elsewhere=elsewhere))


def _folder(seeds: PlanSource, out: str | Path | None) -> Path | None:
    folder = as_path("out", out)
    if folder is not None:
        return Path(folder)
    return default_folder(seeds)


def _finish(run: Run) -> Run:
    """Start a run and wait for it, with its progress in a line."""
    run.start()
    name = run.plan.name if run.plan is not None else ""
    try:
        with ProgressLine(name) as progress:
            return run.wait(progress=progress)
    except KeyboardInterrupt as interrupt:
        if run.out is None:
            show_in_notebook(interrupt, NOTHING_KEPT)
        raise
