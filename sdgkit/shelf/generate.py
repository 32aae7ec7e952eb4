"""Shelves from a tree of skills: plan, generate."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Unpack

from sdgkit.errors import (
    SdgkitError,
    SeedError,
    SettingsError,
)
from sdgkit.formatting import pluralize
from sdgkit.keywords import as_path, known_keywords
from sdgkit.method import PlanOptions, plan
from sdgkit.method.options import without_misfits
from sdgkit.method.pipelines import METHODS
from sdgkit.method.sources import RUNS_FOLDER
from sdgkit.run.elsewhere import Cluster
from sdgkit.run.plan import Plan
from sdgkit.seeds import read_seeds, skill
from sdgkit.shelf.record import ShelfSkill
from sdgkit.shelf.shelf import FAULTS_SHOWN, Shelf
from sdgkit.shelf.tree import Leaf, find_leaves
from sdgkit.skill_folder import SkillFolder
from sdgkit.teachers.source import TeacherSource, teacher_of


@known_keywords
def generate_shelf(
    tree: str | Path,
    *,
    teacher: TeacherSource,
    out: str | Path | None = None,
    only: str | Sequence[str] = (),
    reuse: bool = False,
    cluster: Cluster | None = None,
    **options: Unpack[PlanOptions],
) -> Shelf:
    """Generate for all skills in a tree: a folder of skills, or a taxonomy with `qna.yaml` leaves.

    Grounded and freeform skills can be mixed. Each runs in its own folder, named after its path in
    the tree, and all share the teacher's slots. Call it again to resume.

    The other options are those of `plan`: they apply to every skill, and override its folder's.

    Args:
        tree: The tree. A skill is a folder in it with seeds; see `generate`.
        teacher: The teacher that all of them ask.
        out: The shelf's folder (default: `runs/`, then the name of the tree).
        only: Patterns such as `writing/**`; with a leading `!`, what to leave out (default: all).
        reuse: Continue in folders of other jobs and reuse their replies where they fit.
        cluster: A cluster that works on the skills, one after the other (default: this machine).

    Returns:
        The finished shelf.

    Raises:
        SeedError: Skills in the tree cannot be used. All of them are named, and nothing was asked.
        SettingsError: An option cannot be used, or there is no skill.
        SdgkitError: Skills failed.
    """
    if isinstance(only, str):
        patterns = [only]
    else:
        patterns = list(only)
    folder = Path(as_path("out", out) or default_shelf_folder(tree))
    shelf = plan_shelf(tree, folder, teacher=teacher, only=patterns, reuse=reuse, **options)
    with ExitStack() as connections:
        if cluster is not None:
            shelf.work_on(connections.enter_context(cluster.join()))
        return shelf.start().wait()


def default_shelf_folder(tree: str | Path) -> Path:
    """Where a shelf goes by default: `runs/`, then the name of the tree."""
    return RUNS_FOLDER / Path(tree).resolve().name


def plan_shelf(
    tree: str | Path,
    out: Path,
    *,
    teacher: TeacherSource | None = None,
    only: Sequence[str] = (),
    reuse: bool = False,
    on_note: Callable[[str], None] | None = None,
    **options: Unpack[PlanOptions],
) -> Shelf:
    """A shelf that has yet to be started; see `generate_shelf`.

    Raises:
        SeedError: Skills in the tree cannot be used; the message names all of them.
        SettingsError: An option cannot be used, or there is no skill.
    """
    asked = teacher_of(teacher)
    plans: dict[str, Plan] = {}
    skills: list[ShelfSkill] = []
    faults: list[tuple[Leaf, SdgkitError]] = []
    leaves = find_leaves(tree, only)
    shared = _options_by_skill(leaves, options)
    for leaf in leaves:
        try:
            plans[leaf.name] = plan(leaf.folder, teacher=asked, **shared.get(leaf.name, options))
            skills.append(ShelfSkill(leaf.name, SkillFolder.open(leaf.folder).weight))
        except (SeedError, SettingsError) as error:
            faults.append((leaf, error))
    if faults:
        raise _faulty(tree, faults, whole=not plans)
    return Shelf(plans, out, skills, reuse=reuse, on_note=on_note)


def _options_by_skill(leaves: Sequence[Leaf], options: PlanOptions) -> dict[str, PlanOptions]:
    """The options that fit each skill: an option may be for the grounded ones alone.

    One that fits none of them stays, so that it is refused. A skill whose seeds cannot be read is
    left out.
    """
    fitting: dict[str, PlanOptions] = {}
    for leaf in leaves:
        with suppress(SeedError):
            pipeline = options.get("pipeline") or METHODS[skill(read_seeds(leaf.folder))]
            fitting[leaf.name] = without_misfits(options, pipeline)
    names = {name for of_skill in fitting.values() for name in of_skill}
    for misfit in set(options) - names:
        for of_skill in fitting.values():
            of_skill[misfit] = options[misfit]  # type: ignore[literal-required]
    return fitting


def _faulty(
    tree: str | Path, faults: Sequence[tuple[Leaf, SdgkitError]], *, whole: bool
) -> SdgkitError:
    first = faults[0][1]
    if len({str(error) for _, error in faults}) == 1 and (whole or len(faults) > 1):
        return first  # an option that fits none of them
    lines = [f"{leaf.name}: {error}" for leaf, error in faults[:FAULTS_SHOWN]]
    more = len(faults) - FAULTS_SHOWN
    if more > 0:
        lines.append(f"… and {more} more.")
    skills = pluralize(len(faults), "skill")
    excluded = " ".join(f"--only '!{leaf.name}'" for leaf, _ in faults[:3])
    return SeedError(
        f"{skills} in {tree} cannot be used. Correct them, or leave them out ({excluded}):\n"
        + "\n".join(lines),
        file=faults[0][0].folder,
    )
