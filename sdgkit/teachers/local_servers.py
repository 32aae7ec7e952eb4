"""Looks for teachers on this machine, at the ports where they usually listen."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sdgkit.keywords import known_keywords
from sdgkit.teachers import background
from sdgkit.teachers.http_client import OK, HttpClient
from sdgkit.teachers.model_lists import entries_of, language_models
from sdgkit.teachers.settings import REHEARSAL

# The defaults of these servers' own documentation.
USUAL_PORTS: dict[int, str] = {
    8000: "vLLM",
    8321: "Llama Stack",
    11434: "Ollama",
    1234: "LM Studio",
    8080: "llama.cpp",
}
# What a list of models says about who serves it (`owned_by`), for servers at a port not theirs.
_OWNERS = {
    "vllm": "vLLM",
    "library": "Ollama",
    "llamacpp": "llama.cpp",
    "organization_owner": "LM Studio",
    REHEARSAL: "rehearsal teacher",
}
SECONDS = 3.0
_NEEDS_KEY = (401, 403)


@dataclass(frozen=True)
class FoundServer:
    """A server that answers on this machine.

    Attributes:
        name: What serves there, such as "vLLM": what it says, otherwise what the port is usual for.
        kind: Its kind for `connect`.
        base_url: Its address for `connect`.
        models: The models that it lists; empty if it lists none, or none without a key.
        needs_key: Whether it answers nothing without a key.

    Example:
        >>> server = FoundServer("Ollama", "vllm", "http://127.0.0.1:11434/v1", ("llama3.3",))
        >>> print(server)
        Ollama at http://127.0.0.1:11434/v1: llama3.3
    """

    name: str
    kind: str
    base_url: str
    models: tuple[str, ...] = ()
    needs_key: bool = False

    def __str__(self) -> str:
        offer = ", ".join(self.models) or "no model yet"
        if self.needs_key:
            offer = "requires a key"
        return f"{self.name} at {self.base_url}: {offer}"


@known_keywords
def find_servers(ports: Iterable[int] | None = None) -> list[FoundServer]:
    """Look for teachers on this machine.

    Only a request for the list of models is sent, over loopback, without any key.

    Args:
        ports: The ports to look at; by default those of `USUAL_PORTS`.

    Returns:
        Those that answer as an OpenAI-compatible server does, in the order of the ports.

    Example:
        >>> find_servers(ports=[])
        []
    """
    looked_at = list(USUAL_PORTS) if ports is None else list(ports)
    return background.wait(_look_at_all(looked_at))


async def _look_at_all(ports: Iterable[int]) -> list[FoundServer]:
    client = HttpClient()
    try:
        servers = await asyncio.gather(*(_look_at(client, port) for port in ports))
    finally:
        await client.close()
    answering = []
    for server in servers:
        if server is not None:
            answering.append(server)
    return answering


async def _look_at(client: HttpClient, port: int) -> FoundServer | None:
    """The server at a port; None where nothing answers, or something else does."""
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        response = await client.request("GET", f"{base_url}/models", SECONDS)
        body = json.loads(response.body)
    except Exception:  # whatever listens there, if anything, is not a teacher
        return None
    name = USUAL_PORTS.get(port, "server")
    kind = "llama-stack" if name == "Llama Stack" else "vllm"
    if response.status in _NEEDS_KEY:
        return FoundServer(name, kind, base_url, needs_key=True)
    entries = entries_of(body)
    if response.status != OK or entries is None:
        return None
    return FoundServer(
        name=_serving_software(entries, name),
        kind=kind,
        base_url=base_url,
        models=tuple(language_models(entries)),
    )


def _serving_software(entries: Iterable[Mapping[str, object]], usual: str) -> str:
    """What serves these models, by what the list says."""
    for entry in entries:
        name = _OWNERS.get(str(entry.get("owned_by", "")).lower())
        if name is not None:
            return name
        if entry.get("id") == REHEARSAL:
            return _OWNERS[REHEARSAL]
    return usual
