"""`sdgkit calibrate` and `evaluate`: can the judge be believed, and did the training help?"""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdgkit.cli.options import Judge, Manners, Place, takes
from sdgkit.cli.runs import RunFolder, named, run_in
from sdgkit.cli.terminal import say
from sdgkit.errors import SettingsError

if TYPE_CHECKING:
    from sdgkit.teachers import Teacher

REHEARSED = "This is a rehearsal: rules answered or judged here, not a model."


@takes(place=Place, judge=Judge, manners=Manners)
def evaluate(
    run: RunFolder = None,
    against: Annotated[
        str | None, typer.Option(metavar="URL", help="a second model's server, such as the untuned one's")
    ] = None,
    against_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="the second model, on that server or the first one's own")
    ] = None,
    test_share: Annotated[
        float, typer.Option(metavar="SHARE", help="as in the export that the model was trained on (default 0.1)")
    ] = 0.1,
    limit: Annotated[int | None, typer.Option(metavar="N", help="questions at most", min=1)] = None,
    *,
    place: Place,
    judge: Judge,
    manners: Manners,
) -> Callable[[], int]:
    """Did it help? A tuned model answers the questions that were kept apart; the run's judge compares its answers.

    --base-url is the tuned model's server. Its answers are compared with those of --against, or with the run's own
    samples, each pair in both orders. Train on `sdgkit export RUN --test-share 0.1`, or on the train split of
    `--format datasets`: what was trained on tells nothing.

    Example:
      sdgkit evaluate runs/seeds --base-url http://localhost:8001/v1 --against http://localhost:8000/v1
    """
    folder = named(run, "evaluate RUN --base-url URL")

    def compare() -> int:
        from sdgkit.evaluation import FOLDER, page_name
        from sdgkit.evaluation import evaluate as evaluate_run
        from sdgkit.teachers import connect

        opened = run_in(folder)
        with ExitStack() as stack:
            student = connect(**place.as_told(), **manners.given())
            stack.callback(student.close)
            other = None
            if against or against_model:
                where = {"base_url": against} if against else place.as_told()
                other = connect(**{**where, **({"model": against_model} if against_model else {})}, **manners.given())
                stack.callback(other.close)
            referee = _judge_of(folder, judge, manners)
            stack.callback(referee.close)
            say(evaluate_run(opened, student, judge=referee, against=other, test_share=test_share, limit=limit))
            say(f"Side by side: {folder / FOLDER / page_name(student.model)}")
            if any(one is not None and one.is_rehearsal for one in (student, other, referee)):
                say(REHEARSED)
        return 0

    return compare


@takes(judge=Judge, manners=Manners)
def calibrate(run: RunFolder = None, *, judge: Judge, manners: Manners) -> Callable[[], int]:
    """Can the judge be believed? It is asked about the run's seeds, which are good, and about the same seeds spoilt.

    The run's report then shows beside its yield how many good answers the judge keeps and how many bad ones it lets
    through.

    Example:
      sdgkit calibrate runs/seeds
    """
    folder = named(run, "calibrate RUN")

    def ask() -> int:
        from sdgkit.calibration import calibrate as calibrate_judge

        opened = run_in(folder)
        with closing(_judge_of(folder, judge, manners)) as referee:
            say(calibrate_judge(referee, opened))
            if referee.is_rehearsal:
                say(REHEARSED)
        return 0

    return ask


def _judge_of(folder: Path, judge: Judge, manners: Manners) -> "Teacher":
    """The run's own judge, at the address that is said (no folder holds one), or another that is."""
    from sdgkit.teachers import connect

    config = json.loads((folder / "config.json").read_text("utf-8"))
    model = judge.judge_model or config.get("judge") or config.get("model")
    if judge.judge_base_url:
        key = os.environ.get("SDGKIT_JUDGE_API_KEY")
        return connect(base_url=judge.judge_base_url, model=model, api_key=key, **manners.given())
    if config.get("teacher") == "rehearsal" and not judge.judge_model:
        return connect("rehearsal", **manners.given())
    if not os.environ.get("SDGKIT_BASE_URL") and not Path("sdgkit.toml").exists():
        raise SettingsError(f"Say where the judge is ({model}): --judge-base-url URL, or SDGKIT_BASE_URL.")
    return connect(model=model, **manners.given())
