"""`sdgkit check`: the seed check."""

from collections.abc import Callable
from typing import Annotated

import typer

from sdgkit.cli.options import Place, option, takes
from sdgkit.cli.terminal import say
from sdgkit.errors import SettingsError

PATIENCE_S = 15.0  # somebody sits there and waits


@takes(place=Place)
def check(
    seeds: Annotated[str | None, typer.Argument(metavar="SEEDS", show_default=False)] = None,
    with_teacher: Annotated[
        bool, typer.Option("--with-teacher", help="also have the teacher judge each seed, as a run judges its samples")
    ] = False,
    prompts: Annotated[str | None, option("Options", "judge prompts of your own, STAGE.yaml each", "FOLDER")] = None,
    *,
    place: Place,
) -> Callable[[], int]:
    """Look at seed examples: clear task, realistic input, complete output, no ambiguity, variety.

    SEEDS is a file as of `sdgkit generate`. The exit status is 1 if there are errors: what would teach something wrong.

    Examples:
      sdgkit check seeds.jsonl
      sdgkit check seeds.jsonl --with-teacher --base-url http://localhost:8000/v1
    """
    if seeds is None:
        raise SettingsError(
            "Say which seed examples: sdgkit check SEEDS (a jsonl, json, csv, parquet or qna.yaml file)."
        )
    if not with_teacher and (place.given() or prompts):
        raise SettingsError("A teacher and prompts are for the judge: add --with-teacher.")
    return lambda: _check(seeds, place if with_teacher else None, prompts)


def _check(seeds: str, place: Place | None, prompts: str | None) -> int:
    from sdgkit.seed_check import check_seeds

    if place is None:
        found = check_seeds(seeds)
    else:
        from sdgkit.teachers import connect

        teacher = connect(**place.as_told(), patience=PATIENCE_S)
        try:
            found = check_seeds(seeds, teacher, prompts=prompts)
        finally:
            teacher.close()
    say(found)
    return 1 if found.count("error") else 0
