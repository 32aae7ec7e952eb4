"""The studio: one page for one skill, with all panels as tabs that work together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdgkit.errors import RunError, SdgkitError, SettingsError
from sdgkit.files import shipped
from sdgkit.formatting import pluralize
from sdgkit.journal import JOURNAL_FILE
from sdgkit.keywords import known_keywords, known_keywords_throughout
from sdgkit.panels.export import ExportPanel
from sdgkit.panels.frame import Action, Panel, error_sentence
from sdgkit.panels.profile import ProfilePanel
from sdgkit.panels.prompt import PromptPanel
from sdgkit.panels.review import ReviewPanel
from sdgkit.panels.run import RunPanel
from sdgkit.panels.seeds import SeedPanel
from sdgkit.panels.state import Choice, PanelState
from sdgkit.panels.studio_code import StudioJob, code_of
from sdgkit.panels.studio_steps import NextStep, next_step
from sdgkit.panels.teacher import TeacherPanel
from sdgkit.profile import PROFILE_FILE
from sdgkit.seeds import seed_file_in, skill
from sdgkit.seeds.skill_files import SKILL_SEEDS
from sdgkit.skill_folder import PROMPTS_FOLDER
from sdgkit.teachers.source import TeacherSource
from sdgkit.teachers.teacher import Teacher

TABS = {
    "teacher": "Teacher",
    "seeds": "Seeds",
    "profile": "Profile",
    "prompts": "Prompts",
    "run": "Run",
    "review": "Review",
    "export": "Export",
}
RUNS_FOLDER = "runs"
FIRST_CONTEXTS = 2  # for each seed: a first run is for looking at


@dataclass(frozen=True, kw_only=True)
class StudioState(PanelState):
    """What the studio shows.

    Attributes:
        tabs: The tabs.
        tab: The one that is open.
        kind: The kind of its panel.
        panel: What that panel shows; None if it cannot be shown.
        obstacle: Why it cannot, and what to do.
        next: The next step.
        code: A few lines of Python that do the same.
        contexts: How many contexts a run makes for each seed, as text; "" for the skill's own.
    """

    tabs: tuple[Choice, ...]
    tab: str
    kind: str
    panel: dict[str, Any] | None
    obstacle: str
    next: NextStep
    code: str
    contexts: str


@known_keywords_throughout
class StudioPanel(Panel):
    """One page for a skill: Teacher, Seeds, Profile, Prompts, Run, Review, Export.

    The tabs are the panels, and they work together: all of them use the teacher that you choose,
    and a sample that you make a seed appears among the seeds. Your changes are saved in the skill's
    folder when you open another tab.

    Args:
        skill: The skill's folder, which need not exist yet.
        teacher: The teacher, or a TeacherPanel; by default the one that `connect` uses.

    Attributes:
        path: The skill's folder.
        teacher: The panel of the teacher.
        seeds: The panel of the seeds.

    Raises:
        SdgkitError: The folder cannot be used.
    """

    kind = "studio"

    def __init__(self, skill: str | Path, *, teacher: TeacherSource | None = None) -> None:
        super().__init__()
        self.path = Path(skill)
        if self.path.exists() and not self.path.is_dir():
            raise SettingsError(f"{skill} is a file. Give the folder of a skill.", setting="skill")
        self.teacher = _teacher_panel(teacher)
        self.seeds = SeedPanel(self._seed_file(), teacher=self.teacher)
        self._panels: dict[str, Panel] = {"teacher": self.teacher, "seeds": self.seeds}
        for panel in self._panels.values():
            panel.host = self
        self._obstacles: dict[str, str] = {}
        self._tab = "teacher"
        self._num_contexts: int | None = FIRST_CONTEXTS
        self._run_inputs: object = None

    # The skill's folder ---------------------------------------------------------------------------

    def _seed_file(self) -> Path:
        """The skill's seed file, or where it will be."""
        seed_file = None
        if self.path.is_dir():
            seed_file = seed_file_in(self.path)
        return seed_file or self.path / SKILL_SEEDS

    @property
    def run_folder(self) -> Path:
        """The folder of the skill's run, which need not exist yet."""
        return self.path / RUNS_FOLDER / self.path.resolve().name

    @property
    def _has_run(self) -> bool:
        return (self.run_folder / JOURNAL_FILE).exists()

    @property
    def _profile_file(self) -> Path:
        return self.path / PROFILE_FILE

    @property
    def _prompts_folder(self) -> Path:
        return self.path / PROMPTS_FOLDER

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {"open": self.open, "in": self.act_in, "contexts": self.set_contexts}

    def open(self, tab: str) -> None:
        """Open a tab; what you changed in the one before is saved."""
        if tab not in TABS:
            raise SettingsError(
                f"The studio has no tab {tab!r}. It has {', '.join(TABS)}.",
                setting="tab",
                choices=list(TABS),
            )
        problem = self._save_what_is_left(self._tab)
        self._tab = tab
        self._prepare(tab)
        if problem and not self._obstacles.get(tab):
            self.notice = problem

    def act_in(self, tab: str, action: str, values: Mapping[str, Any]) -> None:
        """Do what a click in a tab does."""
        if tab in TABS and tab not in self._panels:
            self._prepare(tab)  # in a new kernel, a text may come before its tab is opened
        panel = self._panels.get(tab)
        if panel is None:
            raise SettingsError(f"{TABS.get(tab, tab)} is not open. Open its tab first.")
        if isinstance(panel, ReviewPanel) and action == "seed":
            self._make_room_for_seeds()
        panel.act(action, **values)

    def note_late_text(self, arguments: Mapping[str, Any]) -> None:
        """Say it in the tab that the text belongs to."""
        panel = self._panels.get(str(arguments.get("tab")))
        if panel is not None:
            panel.note_late_text(arguments.get("values", {}))

    def _make_room_for_seeds(self) -> None:
        """Save seeds of another format as JSON lines, to which a sample can be added."""
        draft = self.seeds.draft
        if draft.path is not None and draft.path.exists() and draft.path != draft.file_to_offer:
            self.seeds.act("save")

    def set_contexts(self, number: str) -> None:
        """Change how many contexts a run makes for each seed; "" for the skill's own number."""
        text = number.strip()
        if text and not (text.isdigit() and int(text) > 0):
            raise SettingsError(
                f"Contexts for each seed: write a number of at least 1, not {text!r}."
            )
        self._num_contexts = None
        if text:
            self._num_contexts = int(text)
        self._prepare(self._tab)

    def _save_what_is_left(self, tab: str) -> str:
        """Save the tab that is left, so that the others see it.

        Returns:
            Why that is not possible, or "".
        """
        panel = self._panels.get(tab)
        if isinstance(panel, SeedPanel | ProfilePanel) and panel.draft.changed:
            panel.act("save")
            if panel.last_error is not None or panel.conflict is not None:
                reason = error_sentence(panel.last_error) or str(panel.conflict)
                return f"{TABS[tab]}: not saved yet. {reason}"
        return ""

    # Opening --------------------------------------------------------------------------------------

    def panel(self, tab: str) -> Panel:
        """The panel of a tab.

        Raises:
            SdgkitError: It cannot be shown yet.
        """
        self._prepare(tab)
        self.wait()
        if tab not in self._panels:
            raise SettingsError(self._obstacles.get(tab, f"{TABS[tab]} cannot be shown yet."))
        return self._panels[tab]

    def _prepare(self, tab: str) -> None:
        """Make the panel of a tab, or bring it up to date with the others."""
        preparations: dict[str, Callable[[], None]] = {
            "teacher": _change_nothing,
            "seeds": self.seeds.follow_file,
            "profile": self._prepare_profile,
            "prompts": self._prepare_prompts,
            "run": self._prepare_run,
            "review": self._prepare_review,
            "export": self._prepare_export,
        }
        self._obstacles.pop(tab, None)
        try:
            preparations[tab]()
        except SdgkitError as error:
            self._panels.pop(tab, None)
            self._obstacles[tab] = str(error)

    def _show(self, tab: str, panel: Panel) -> None:
        panel.host = self
        self._panels[tab] = panel

    def _prepare_profile(self) -> None:
        panel = self._panels.get("profile")
        if isinstance(panel, ProfilePanel):
            panel.follow_file()
            return
        panel = ProfilePanel(
            self.seeds, teacher=self.teacher, profile=self._profile_file, prompts=self._own_prompts
        )
        self._show("profile", panel)

    @property
    def _own_prompts(self) -> Path | None:
        if self._prompts_folder.is_dir():
            return self._prompts_folder
        return None

    def _prepare_prompts(self) -> None:
        kind_of_skill = skill(self.seeds.seeds)
        panel = self._panels.get("prompts")
        if isinstance(panel, PromptPanel) and panel.kind_of_skill == kind_of_skill:
            panel.use_run(self.run_folder if self._has_run else None)
            return
        panel = PromptPanel(
            self._prompts_folder,
            self.seeds,
            teacher=self.teacher,
            run=self.run_folder if self._has_run else None,
        )
        self._show("prompts", panel)

    def _prepare_run(self) -> None:
        """Plan the run again if something that it depends on has changed."""
        panel = self._panels.get("run")
        if isinstance(panel, RunPanel) and panel.latest.is_running:
            return
        inputs = self._inputs_of_run()
        if panel is not None and inputs == self._run_inputs:
            return
        self._panels.pop("run", None)
        if not self.busy:  # otherwise it is being planned, which sees the change
            self.work("Connecting to the teacher.", self._plan_run)

    def _inputs_of_run(self) -> tuple[object, ...]:
        """What a run depends on. Raises SeedError if a seed is half written."""
        return (
            self.seeds.seeds,
            self.teacher.connection,
            self._num_contexts,
            self._profile_file.exists(),
            self._own_prompts,
        )

    def _plan_run(self) -> None:
        """Plan the run again until nothing has changed in the meantime."""
        while True:
            try:
                inputs = self._inputs_of_run()
                planned = RunPanel(
                    self.path,
                    teacher=self.teacher,
                    out=self.run_folder,
                    num_contexts=self._num_contexts,
                )
            except SdgkitError as error:
                self._obstacles["run"] = str(error)
                if self._has_run:
                    self._show("run", RunPanel(self.run_folder))
                return
            with self._acting:
                if inputs == self._inputs_of_run():
                    self._run_inputs = inputs
                    self._show("run", planned)
                    self.busy = ""
                    return

    def _prepare_review(self) -> None:
        self._require_run()
        panel = self._panels.get("review")
        if isinstance(panel, ReviewPanel):
            panel.review.read()
            panel.filter()
            return
        self._show("review", ReviewPanel(self.run_folder, seed_file=self.path / SKILL_SEEDS))

    def _prepare_export(self) -> None:
        self._require_run()
        panel = self._panels.get("export")
        if isinstance(panel, ExportPanel):
            panel.review.read()
            return
        self._show("export", ExportPanel(self.run_folder, folder=self.path))

    def _require_run(self) -> None:
        if not self._has_run:
            raise RunError("There are no samples yet: start a run first.")

    # Showing --------------------------------------------------------------------------------------

    def part_changed(self, part: Panel) -> None:
        """Draw again after the panel of the open tab has changed."""
        if self._panels.get(self._tab) is part:
            self.refresh()

    def state(self) -> StudioState:
        """What the studio shows now."""
        panel = self._panels.get(self._tab)
        obstacle = self._obstacles.get(self._tab, "")
        contexts = ""
        if self._num_contexts is not None:
            contexts = str(self._num_contexts)
        return StudioState(
            sign="none",
            status=self._status(),
            folder=str(self.path) if self.path.name else self.path.resolve().name,
            tabs=tuple(Choice(name, label) for name, label in TABS.items()),
            tab=self._tab,
            kind=panel.kind if panel is not None else "",
            panel=panel.drawn() if panel is not None else None,
            obstacle=obstacle,
            next=next_step(self._tab, panel, self.seeds, is_blocked=bool(obstacle)),
            code=code_of(self._tab, self._job()),
            contexts=contexts,
        )

    def _status(self) -> str:
        """What there is, in one line."""
        parts = [pluralize(len(self.seeds.draft.rows), "seed")]
        if self._profile_file.exists():
            parts.append("a profile")
        run = self._panels.get("run")
        if isinstance(run, RunPanel):
            parts.append(pluralize(run.latest.snapshot().samples, "sample"))
        elif self._has_run:
            parts.append("a run")
        return " \u00b7 ".join(parts)

    def _job(self) -> StudioJob:
        """What the lines of Python need to know."""
        prompts = self._panels.get("prompts")
        prompt_file = shipped("prompts") / "grounded" / "gen_contexts.yaml"
        if isinstance(prompts, PromptPanel):
            prompt_file = prompts.draft.file
        format_name = "messages"
        export_file = self.path / "train_messages.jsonl"
        export = self._panels.get("export")
        if isinstance(export, ExportPanel):
            format_name = export.format
            export_file = export.path
        return StudioJob(
            skill=self.path,
            seeds=self.seeds.draft.path or self._seed_file(),
            profile=self._profile_file,
            prompt=prompt_file,
            run=self.run_folder,
            teacher=self.teacher.connection,
            num_contexts=self._num_contexts,
            format=format_name,
            export=export_file,
        )


@known_keywords
def studio(skill: str | Path, *, teacher: TeacherSource | None = None) -> StudioPanel:
    """Open the studio for a skill: one page, from the first seed to the training file.

    Args:
        skill: The skill's folder, which need not exist yet.
        teacher: The teacher, or a TeacherPanel; by default the one that `connect` uses.

    Returns:
        The panel; make it the last line of a notebook's cell.

    Raises:
        SdgkitError: The folder cannot be used.

    Example:
        >>> print(studio("my_skill").state().next.sentence)
        Press Test: it sends one message, and you see what comes back.
    """
    return StudioPanel(skill, teacher=teacher)


def _teacher_panel(teacher: TeacherSource | None) -> TeacherPanel:
    """The panel of a teacher, which may be one already. Raises SettingsError."""
    if isinstance(teacher, TeacherPanel):
        return teacher
    if isinstance(teacher, Teacher):
        return TeacherPanel.of(teacher)
    if teacher is None:
        return TeacherPanel()
    return TeacherPanel.of(teacher.teacher)


def _change_nothing() -> None:
    """Nothing has to be brought up to date."""
