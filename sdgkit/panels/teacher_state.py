"""What the panel of a teacher shows."""

from dataclasses import dataclass

from sdgkit.evaluation.abilities import Ability
from sdgkit.formatting import format_number
from sdgkit.panels.state import PanelState
from sdgkit.teachers.endings import Ending
from sdgkit.teachers.exchange import Reply
from sdgkit.teachers.local_servers import FoundServer
from sdgkit.teachers.settings import Settings, resolve_settings


@dataclass(frozen=True)
class Connection:
    """What the fields of the panel hold.

    Attributes:
        kind: The kind of server, one of `KINDS`.
        base_url: Its address; several, replicas of one model, are separated by commas.
        model: The model's name, or "" for the only one of the server.
    """

    kind: str
    base_url: str
    model: str = ""

    @classmethod
    def of(
        cls, kind: str | None, base_url: str | None = None, model: str | None = None
    ) -> "Connection":
        """These values, completed from the environment, `sdgkit.toml` and the defaults."""
        settings = resolve_settings(Settings.parse(kind, base_url, model))
        return cls(
            settings.kind or "rehearsal", ", ".join(settings.base_urls), settings.model or ""
        )


@dataclass(frozen=True)
class ReplyState:
    """A teacher's reply, and what it thought before it, if it shows that."""

    text: str
    reasoning: str

    @classmethod
    def of(cls, reply: Reply) -> "ReplyState":
        """What is shown of this reply."""
        return cls(reply.text, reply.reasoning)


@dataclass(frozen=True)
class FoundState:
    """A server that was found on this machine.

    Attributes:
        label: Its name, address and models, in words.
        kind: Its kind.
        base_url: Its address.
        model: Its only model, or "".
    """

    label: str
    kind: str
    base_url: str
    model: str

    @classmethod
    def of(cls, server: FoundServer) -> "FoundState":
        """What is shown of this server."""
        model = ""
        if len(server.models) == 1:
            model = server.models[0]
        return cls(str(server), server.kind, server.base_url, model)


@dataclass(frozen=True, kw_only=True)
class TeacherState(PanelState):
    """What the panel of a teacher shows.

    Attributes:
        kinds: The kinds of server to choose from.
        connection: What the fields hold.
        has_key: Whether a key was typed or passed; the key itself is never shown.
        models: The models that the server offers, once it was asked.
        message: The message that *Test* sends.
        reply: What came back.
        abilities: What the server can do, each with the answer.
        notes: What sdgkit noticed about this teacher.
        found: The servers that *Find* saw on this machine.
        wants_key: Whether the server refused because of the key.
        wants_model: Whether a model has to be chosen.
        can_save: Whether *Save as default* can be pressed.
    """

    kinds: tuple[str, ...]
    connection: Connection
    has_key: bool
    models: list[str]
    message: str
    reply: ReplyState | None
    abilities: list[Ability]
    notes: list[str]
    found: list[FoundState]
    wants_key: bool
    wants_model: bool
    can_save: bool


def facts_of(reply: Reply) -> tuple[tuple[str, str], ...]:
    """What is known about a reply."""
    ending = reply.finish_reason
    if reply.ending is Ending.TRUNCATED:
        ending = "max_tokens (cut off)"
    return (
        ("time", f"{reply.seconds * 1000:,.0f} ms"),
        ("tokens read", format_number(reply.prompt_tokens)),
        ("tokens written", format_number(reply.completion_tokens)),
        ("ended by", ending),
    )
