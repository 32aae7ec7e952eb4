"""`sdgkit calibrate` and `evaluate`: can the judge be believed, and did the training help?"""

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from sdgkit.cli.options import Judge, Manners, Place, RunFolder, option, takes
from sdgkit.cli.runs import run_in
from sdgkit.cli.terminal import say
from sdgkit.errors import SettingsError

if TYPE_CHECKING:
    from sdgkit.teachers import Teacher

REHEARSED = "This is a rehearsal: rules answered or judged here, not a model."


@takes(place=Place, judge=Judge, manners=Manners)
def evaluate(
    run: RunFolder,
    against: Annotated[str | None, option("a second model's server, such as the untuned one's", "URL")] = None,
    against_model: Annotated[
        str | None, option("the second model, on that server or the first one's own", "NAME")
    ] = None,
    test_share: Annotated[float, option("as in the export that the model was trained on (default 0.1)", "SHARE")] = 0.1,
    limit: Annotated[int | None, option("questions at most", "N", min=1)] = None,
    *,
    place: Place,
    judge: Judge,
    manners: Manners,
) -> int:
    """Did it help? Have a judge compare a tuned model's answers with others.

    --base-url is the tuned model's server. It is asked the questions that were kept apart. Its answers are compared
    with those of --against, or with the run's own samples, each pair in both orders. Train on `sdgkit export RUN
    --test-share 0.1`, or on the train split of `--format datasets`: what was trained on tells nothing.

    Example:
      sdgkit evaluate runs/seeds --base-url http://localhost:8001/v1 --against http://localhost:8000/v1
    """
    from sdgkit.teachers import connect
    from sdgkit.trials.evaluation import FOLDER, page_name
    from sdgkit.trials.evaluation import evaluate as evaluate_run

    opened = run_in(run)
    with ExitStack() as stack:

        def connected(told: dict[str, Any]) -> "Teacher":
            teacher = connect(**told, **manners.given())
            stack.callback(teacher.close)
            return teacher

        student = connected(place.told())
        other = None
        if against or against_model:
            where = {"base_url": against} if against else place.told()
            other = connected(where | ({"model": against_model} if against_model else {}))
        referee = connected(_judge_told(run, judge))
        say(evaluate_run(opened, student, judge=referee, against=other, test_share=test_share, limit=limit))
        say(f"Side by side: {run / FOLDER / page_name(student.model)}")
        if any(one is not None and one.is_rehearsal for one in (student, other, referee)):
            say(REHEARSED)
    return 0


@takes(judge=Judge, manners=Manners)
def calibrate(run: RunFolder, *, judge: Judge, manners: Manners) -> int:
    """Can the judge be believed? It is asked about the run's seeds, which are good, and about the same seeds spoilt.

    The run's report then shows beside its yield how many good answers the judge keeps and how many bad ones it lets
    through.

    Example:
      sdgkit calibrate runs/seeds
    """
    from sdgkit.teachers import connect
    from sdgkit.trials.calibration import calibrate as calibrate_judge

    opened = run_in(run)
    with connect(**_judge_told(run, judge), **manners.given()) as referee:
        say(calibrate_judge(referee, opened))
        if referee.is_rehearsal:
            say(REHEARSED)
    return 0


def _judge_told(folder: Path, judge: Judge) -> dict[str, Any]:
    """The run's own judge, at the address that is said (no folder holds one), or another that is."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config.get("teacher") == "rehearsal" and not judge.given():
        return {"kind": "rehearsal"}
    told = {"model": config.get("judge") or config.get("model")} | judge.told({})
    if not (judge.judge_base_url or os.environ.get("SDGKIT_BASE_URL") or Path("sdgkit.toml").exists()):
        raise SettingsError(f"Say where the judge is ({told['model']}): --judge-base-url URL, or SDGKIT_BASE_URL.")
    return told
