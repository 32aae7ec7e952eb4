"""`sdgkit check`: the seed check."""

from contextlib import nullcontext
from typing import Annotated

import typer

from sdgkit.cli.options import Place, option, takes
from sdgkit.cli.terminal import say
from sdgkit.errors import SettingsError

PATIENCE_S = 15.0  # somebody sits there and waits


@takes(place=Place)
def check(
    seeds: Annotated[str, typer.Argument(metavar="SEEDS", help="a jsonl, json, csv, parquet or qna.yaml file")],
    with_teacher: Annotated[
        bool, option("also have the teacher judge each seed, as a run judges its samples", None, "--with-teacher")
    ] = False,
    prompts: Annotated[str | None, option("judge prompts of your own, STAGE.yaml each", "FOLDER")] = None,
    *,
    place: Place,
) -> int:
    """Look at seed examples before anything is paid for: is the task clear, do they vary?

    The exit status is 1 if there are errors: what would teach something wrong.

    Examples:
      sdgkit check seeds.jsonl
      sdgkit check seeds.jsonl --with-teacher --base-url http://localhost:8000/v1
    """
    from sdgkit.teachers import connect
    from sdgkit.trials.seed_check import check_seeds

    if not with_teacher and (place.given() or prompts):
        raise SettingsError("A teacher and prompts are for the judge: add --with-teacher.")
    with connect(**place.told(), patience=PATIENCE_S) if with_teacher else nullcontext() as teacher:
        found = check_seeds(seeds, teacher, prompts=prompts)
    say(found)
    return 1 if found.count("error") else 0
