"""The panel of a teacher: which kind, where, which model; is it there, how fast is it, what can it do."""

from collections.abc import Callable
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.evaluation.abilities import abilities
from sdgkit.formatting import format_number
from sdgkit.panels.frame import Panel
from sdgkit.teachers import connect
from sdgkit.teachers.settings import KINDS, Settings, resolve_settings
from sdgkit.teachers.teacher import Reply, Teacher


class TeacherPanel(Panel):
    """Connects a teacher; `teacher` is the one that it shows, connected when it is first asked for.

    kind, base_url, model and options: as for `connect`. A key (`api_key`) is kept in the kernel's memory alone: it is
    not part of what the panel shows, nor of the notebook.
    """

    kind = "teacher"

    def __init__(
        self,
        kind: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        settled = resolve_settings(Settings.parse(kind, base_url, model))
        self.chosen = {
            "kind": settled.kind or "rehearsal",
            "base_url": ", ".join(settled.base_urls),
        }
        self.chosen["model"] = settled.model or ""
        self._options = options
        self._teacher: Teacher | None = None
        self.models: list[str] = []
        self.message = "Write one sentence about the sea."
        self.reply: Reply | None = None
        self.able: list[tuple[str, str]] = []

    @property
    def teacher(self) -> Teacher:
        """The connected teacher. Raises what `connect` raises."""
        if self._teacher is not None:
            return self._teacher
        chosen = self.chosen
        try:
            teacher = connect(**chosen, **self._options)  # type: ignore[arg-type]
            models = teacher.models()
        except SettingsError as error:
            if self.chosen is chosen:
                self.models = list(error.choices) or self.models
            raise
        if self.chosen is chosen:
            self._teacher, self.models = teacher, models
        return teacher

    # Clicks -----------------------------------------------------------------------------------------------------------

    def on_choose(self, api_key: str = "", **chosen: str) -> None:
        """Take over kind, address, model or key from the fields; the next test connects anew."""
        if chosen.get("kind", self.chosen["kind"]) != self.chosen["kind"]:
            chosen |= {
                "base_url": ", ".join(resolve_settings(Settings.parse(chosen["kind"])).base_urls),
                "model": "",
            }
            self.models = []
        self.chosen = self.chosen | {name: value.strip() for name, value in chosen.items()}
        self._options = self._options | ({"api_key": api_key} if api_key else {})
        self._teacher, self.reply, self.able = None, None, []

    def on_test(self, message: str = "") -> None:
        """Connect, send one message, and show reply, time and tokens."""
        self.message, self.reply = message.strip() or self.message, None
        self._ask("Asking the teacher.", "reply", lambda teacher: teacher.ask(self.message))

    def on_abilities(self) -> None:
        """Find out what the server can do, by a few short requests."""
        self._ask("Finding out what the server can do.", "able", abilities)

    def _ask(self, words: str, shown: str, ask: Callable[[Teacher], Any]) -> None:
        """Ask in a thread. shown: what the answer is kept as, unless another teacher has been chosen meanwhile."""
        chosen = self.chosen

        def work() -> None:
            try:
                answer = ask(self.teacher)
            except Exception:
                if self.chosen is chosen:
                    raise
                return
            if self.chosen is chosen:
                setattr(self, shown, answer)

        self.work(words, work)

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        sign, words = self._where()
        reply, facts = self.reply, []
        if reply is not None:
            facts = [
                ("time", f"{reply.seconds * 1000:,.0f} ms"),
                ("tokens read", format_number(reply.prompt_tokens)),
            ]
            ended = (
                "max_tokens, cut off" if reply.finish_reason == "length" else reply.finish_reason
            )
            facts += [
                ("tokens written", format_number(reply.completion_tokens)),
                ("ended by", ended),
            ]
        return {
            "sign": sign,
            "words": words,
            "kinds": list(KINDS),
            "chosen": self.chosen,
            "has_key": bool(self._options.get("api_key")),
            "models": self.models,
            "message": self.message,
            "facts": facts,
            "reply": {"text": reply.text, "reasoning": reply.reasoning} if reply else None,
            "able": self.able,
            "notes": list(self._teacher.notes) if self._teacher else [],
        }

    def _where(self) -> tuple[str, str]:
        teacher = self._teacher
        if self.busy:
            return "busy", self.busy
        if self.last_error is not None:
            return "bad", "Not reachable" if teacher is None else "It did not answer"
        if teacher is None:
            return "none", "Not tried yet: Test sends it one message."
        rehearsal = "; rules answer here, no model does" if teacher.is_rehearsal else ""
        return "good", f"Reachable: {teacher.model} at {teacher.base_url}{rehearsal}"
