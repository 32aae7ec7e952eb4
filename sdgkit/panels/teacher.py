"""The panel of a teacher: connect it, see whether it answers, and find out what it can do."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TypeVar, Unpack

from sdgkit.errors import SettingsError
from sdgkit.evaluation.abilities import Ability, abilities
from sdgkit.keywords import known_keywords_throughout
from sdgkit.panels.frame import Action, Cancel, Panel
from sdgkit.panels.teacher_state import Connection, FoundState, ReplyState, TeacherState, facts_of
from sdgkit.teachers import background, connect
from sdgkit.teachers.connect_options import ConnectOptions
from sdgkit.teachers.diagnosis import Trouble, TroubleCause
from sdgkit.teachers.exchange import Reply
from sdgkit.teachers.local_servers import USUAL_PORTS, FoundServer, find_servers
from sdgkit.teachers.settings import KINDS, Settings, resolve_settings
from sdgkit.teachers.settings_file import save_teacher
from sdgkit.teachers.source import TeacherHolder
from sdgkit.teachers.teacher import Teacher

Answer = TypeVar("Answer")

# What the sentences of `connect` name, and what it is called in the panel.
IN_FIELDS = {
    "with --base-url or base_url=": "in the address field",
    "in --base-url or base_url=": "in the address field",
    "with --model or model=": "in the model field",
    "with base_url=": "in the address field",
    "with model=": "in the model field",
    "--base-url or base_url=": "the address field",
    "--model or model=": "the model field",
    "SDGKIT_API_KEY or OPENAI_API_KEY": "the key field",
    "SDGKIT_API_KEY": "the key field",
    "run the same command again to resume": "press Test again",
}
KEY_CAUSES = (TroubleCause.WRONG_KEY, TroubleCause.EXPIRED_KEY)
FIRST_MESSAGE = "Write one sentence about the sea."


@known_keywords_throughout
class TeacherPanel(Panel, TeacherHolder):
    """Connect a teacher and see what it can do. Pass the panel wherever `teacher=` is expected.

    Args:
        kind: As for `connect`.
        base_url: As for `connect`.
        model: As for `connect`.
        **options: Further options of `connect`. A key (`api_key`) stays in the kernel's memory: it
            becomes part of neither the panel nor the notebook.

    Attributes:
        connection: What the fields hold.

    Raises:
        SettingsError: If these settings contradict each other.
    """

    kind = "teacher"

    def __init__(
        self,
        kind: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        **options: Unpack[ConnectOptions],
    ) -> None:
        super().__init__()
        self.connection = Connection.of(kind, base_url, model)
        self._options = options
        self._teacher: Teacher | None = None
        self._models: list[str] = []
        self._message = FIRST_MESSAGE
        self._reply: Reply | None = None
        self._abilities: list[Ability] = []
        self._found: list[FoundServer] = []
        self._asker: threading.Thread | None = None
        self._is_typed = False  # the address: then it is yours, whatever the folder says
        self._wants_key = False
        self._wants_model = False

    @classmethod
    def of(cls, teacher: Teacher) -> "TeacherPanel":
        """A panel of a teacher that is connected already."""
        base_url = None
        if not teacher.is_rehearsal:
            base_url = teacher.base_url
        panel = cls(teacher.kind, base_url, None if teacher.is_rehearsal else teacher.model)
        panel._teacher = teacher
        return panel

    @property
    def has_answered(self) -> bool:
        """Whether the teacher has answered *Test* as the fields are now."""
        return self._reply is not None

    @property
    def teacher(self) -> Teacher:
        """The teacher that the panel shows, connected when it is first asked for.

        Raises:
            SettingsError: If these settings contradict each other, or several models are offered.
            TeacherError: If the server does not answer.
        """
        if self._teacher is not None:
            return self._teacher
        connection = self.connection
        try:
            # An address that was not typed stays one of the folder's settings, which decide
            # nothing about keys.
            is_typed = self._is_typed or (
                connection.base_url != _address_from_folder(connection.kind)
            )
            base_url = None
            if is_typed:
                base_url = connection.base_url
            teacher = connect(connection.kind, base_url, connection.model, **self._options)
            models = teacher.models()
        except SettingsError as error:
            if error.choices and self.connection is connection:
                self._models = list(error.choices)
            raise
        if self.connection is connection:
            self._teacher = teacher
            self._models = models
        return teacher

    # Actions --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What clicks can do."""
        return {
            "choose": self.choose,
            "message": self.set_message,
            "test": self.test,
            "abilities": self.find_abilities,
            "find": self.find,
            "cancel": self.cancel,
            "save_default": self.save_as_default,
        }

    def choose(
        self,
        *,
        kind: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        api_key: str = "",
    ) -> None:
        """Change what the fields hold; the next test reconnects.

        Args:
            kind: Another kind of server, with the address that is usual for it.
            base_url: Another address.
            model: Another model.
            api_key: Another key.
        """
        current = self.connection
        if kind is not None and kind != current.kind:
            current = Connection.of(kind)
            self._models = []
        self.connection = Connection(
            kind=current.kind,
            base_url=current.base_url if base_url is None else base_url.strip(),
            model=current.model if model is None else model.strip(),
        )
        if base_url is not None:
            self._is_typed = True
        elif kind is not None:
            self._is_typed = False
        if model is None and (kind is not None or base_url is not None):
            self._models = []
        self._wants_key = False
        self._wants_model = False
        if api_key:
            self._options = {**self._options, "api_key": api_key}
        self._teacher = None
        self._reply = None
        self._abilities = []

    def connect(self) -> "TeacherPanel":
        """Connect, and show whether the server answers. No message is sent."""
        with self._catch_errors():
            self._teacher = self.teacher
        return self

    def set_message(self, text: str) -> None:
        """Replace the message that *Test* sends."""
        self._message = text.strip() or self._message

    def test(self, message: str = "") -> None:
        """Connect, send one message, and show the reply, its time and tokens.

        Args:
            message: What to send, by default the same as before.
        """
        self.set_message(message)
        self._reply = None

        def show(reply: Reply) -> None:
            self._reply = reply

        self._ask("Asking the teacher.", lambda teacher: teacher.ask(self._message), show)

    def find_abilities(self) -> None:
        """Find out what the server can do, with a few short requests."""

        def show(answers: list[Ability]) -> None:
            self._abilities = answers

        self._ask("Finding out what the server can do.", abilities, show)

    def _ask(
        self, activity: str, ask: Callable[[Teacher], Answer], show: Callable[[Answer], None]
    ) -> None:
        """Ask in the background; an answer is not shown once another teacher was chosen."""
        connection = self.connection

        def work() -> None:
            self._asker = threading.current_thread()
            try:
                answer = ask(self.teacher)
            except CancelledError:
                self.notice = "Cancelled."
            except Exception as error:
                if self.connection is connection:
                    self._take(error)
            else:
                if self.connection is connection:
                    self._wants_key = False
                    self._wants_model = False
                    show(answer)

        self.work(activity, work, self._begin_asking)

    def _begin_asking(self) -> Cancel:
        self._asker = None
        self._wants_key = False
        self._wants_model = False
        return self._cancel_asking

    def _cancel_asking(self) -> None:
        if self._asker is not None:
            background.cancel_wait(self._asker)

    def _take(self, error: Exception) -> None:
        """Note what an error asks of you; a choice of models is no error. Raises it otherwise."""
        if isinstance(error, SettingsError) and error.setting == "model" and error.choices:
            self._wants_model = True
            return
        cause = error.__cause__
        self._wants_key = isinstance(cause, Trouble) and cause.cause in KEY_CAUSES
        raise error

    def find(self) -> None:
        """Look for servers on this machine, at the ports where they usually listen."""

        def look() -> None:
            self._asker = threading.current_thread()
            try:
                self._found = find_servers()
            except CancelledError:
                self.notice = "Cancelled."
                return
            if not self._found:
                ports = ", ".join(f"{name} {port}" for port, name in USUAL_PORTS.items())
                self.notice = f"No server answers on the usual ports of this machine ({ports})."

        self.work("Looking for servers on this machine.", look, self._begin_asking)

    def save_as_default(self) -> None:
        """Write kind, address and model into `sdgkit.toml`, for everything in this folder."""
        connection = self.connection
        path = save_teacher(connection.kind, connection.base_url, connection.model)
        self._is_typed = True
        self.notice = f"Saved in {path}: connect() and the commands use it in this folder."
        if self._options.get("api_key"):
            self.notice += " The key is not saved: set SDGKIT_API_KEY."

    def sentence_of(self, error: BaseException | None) -> str:
        """An error in one sentence, which names the fields."""
        sentence = super().sentence_of(error)
        for option, field in IN_FIELDS.items():
            sentence = sentence.replace(option, field)
        return sentence

    # Showing --------------------------------------------------------------------------------------

    def state(self) -> TeacherState:
        """What the panel shows now."""
        sign, status = self._where()
        reply = self._reply
        teacher = self._teacher
        return TeacherState(
            sign=sign,
            status=status,
            facts=facts_of(reply) if reply else (),
            kinds=tuple(KINDS),
            connection=self.connection,
            has_key=bool(self._options.get("api_key")),
            models=self._models,
            message=self._message,
            reply=ReplyState.of(reply) if reply else None,
            abilities=self._abilities,
            notes=list(teacher.notes) if teacher else [],
            found=[FoundState.of(server) for server in self._found],
            wants_key=self._wants_key,
            wants_model=self._wants_model,
            can_save=self.last_error is None and not self.busy,
        )

    def _where(self) -> tuple[str, str]:
        """The sign and the status line."""
        teacher = self._teacher
        if self.busy:
            return "busy", self.busy
        if self._wants_key:
            return "warn", "The server requires a key: enter it in the key field."
        if self._wants_model:
            return "warn", f"The server has {len(self._models)} models: choose one."
        if self.last_error is not None:
            return "bad", "Not reachable" if teacher is None else "No answer"
        if teacher is None:
            return "none", "Not tried yet: Test sends one message."
        status = f"Reachable: {teacher.model} at {teacher.base_url}"
        if teacher.is_rehearsal:
            status += "; its answers come from rules, not from a model"
        return "good", status


def _address_from_folder(kind: str) -> str | None:
    """The address that `sdgkit.toml` decides for this kind in a folder that is not trusted."""
    settings = resolve_settings(Settings.parse(kind))
    if "base_urls" not in settings.from_folder:
        return None
    return ", ".join(settings.base_urls)
