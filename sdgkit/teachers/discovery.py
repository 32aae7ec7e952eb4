"""Find a server's API and the model to ask, before the first request."""

import asyncio
import contextlib
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sdgkit.errors import SettingsError, TeacherUnreachable
from sdgkit.teachers import llama_stack
from sdgkit.teachers.adapters import Adapter, OpenAICompatible
from sdgkit.teachers.diagnosis import Cause, Trouble, explain
from sdgkit.teachers.replicas import Replicas
from sdgkit.teachers.server import Server, enumerate_models
from sdgkit.teachers.settings import REHEARSAL, Settings

# How often a server that breaks off, or is just starting, is asked for its models.
TRIES = 3

# Listing models sends no row and names no model: what is refused then is the path.
_WRONG_PLACE = (Cause.WRONG_PATH, Cause.BAD_REQUEST, Cause.WRONG_MODEL)
_JUST_STARTING = (Cause.LOST, Cause.SERVER_ERROR, Cause.BUSY)


async def find_servers(adapters: Sequence[OpenAICompatible], settings: Settings) -> Adapter:
    """The server, or several as one, with the model to ask.

    Of several servers, one that answers is enough; the others are left out until they do.

    Raises:
        SettingsError: The model is not clear, or the server is not of the kind asked for.
        TeacherError: No server answers, or one is refused for good.
    """
    async with contextlib.AsyncExitStack() as opened:
        for adapter in adapters:
            opened.push_async_callback(adapter.close)
        absent = await _find_all(adapters)
        present = [adapter for adapter in adapters if adapter not in absent]
        for adapter, trouble in absent.items():
            error = explain(trouble, adapter.server)
            if not present or not trouble.cause.is_transient:
                raise error from trouble
            adapter.server.notes.append(
                f"{error} Until it answers, requests are sent to the other servers only."
            )
        model = choose_model(present[0].server, settings)
        for adapter in present:
            adapter.server = replace(adapter.server, model=model)
            if model not in adapter.server.models:
                raise explain(Trouble(Cause.WRONG_MODEL), adapter.server)
        for adapter in absent:
            # It could not be asked for its path, so it gets the same as the others.
            base_url = _with_path_of(present[0].server.base_url, adapter.server.base_url)
            adapter.server = replace(adapter.server, model=model, base_url=base_url)
        opened.pop_all()
    if len(adapters) == 1:
        return adapters[0]
    return Replicas(adapters, absent)


def choose_model(server: Server, settings: Settings) -> str:
    """The model to ask.

    Raises:
        SettingsError: There are several and none is named, or this is not a rehearsal teacher.
        TeacherRefused: The server does not have the one that is named.
        TeacherUnreachable: It has none yet.
    """
    models = list(server.models)
    if settings.kind == REHEARSAL and models != [REHEARSAL]:
        raise SettingsError(
            f"The server at {server.base_url} is not a rehearsal teacher. "
            "Choose the kind vllm for it.",
            setting="kind",
        )
    if not models:
        raise TeacherUnreachable(
            f"The server at {server.base_url} has no model yet. Wait until it has loaded one."
        )
    if settings.model is None:
        if len(models) > 1:
            raise SettingsError(
                f"{server.base_url} has several models. Choose one with --model or model=: "
                f"{enumerate_models(server.models)}.",
                setting="model",
                choices=models,
            )
        return models[0]
    if settings.model in models:
        return settings.model
    # Llama Stack's names begin with the provider's, "vllm/"; its older servers take the rest alone,
    # newer ones do not.
    for name in models:
        if name.endswith(f"/{settings.model}"):
            return name
    raise explain(Trouble(Cause.WRONG_MODEL), replace(server, model=settings.model))


def language_models(entries: Iterable[Mapping[str, Any]]) -> dict[str, int | None]:
    """The language models in a list, with the number of tokens each can hold, where it says so.

    OpenAI's entries have an `id`; Llama Stack's may say of which type they are.
    """
    models: dict[str, int | None] = {}
    for entry in entries:
        name = entry.get("id") or entry.get("identifier")
        is_language_model = _model_type(entry) in (None, "llm")
        if is_language_model and isinstance(name, str) and name.isprintable():
            length = entry.get("max_model_len")
            models[name] = length if isinstance(length, int) else None
    return models


def _model_type(entry: Mapping[str, Any]) -> object:
    model_type = entry.get("model_type") or None
    metadata = entry.get("custom_metadata")
    if model_type is None and isinstance(metadata, dict):
        return metadata.get("model_type")
    return model_type


def _with_path_of(known_url: str, url: str) -> str:
    """The address with the path that the API of another server has."""
    path = known_url.removeprefix(llama_stack.root_of(known_url))
    return llama_stack.root_of(url) + path


async def _find_all(
    adapters: Sequence[OpenAICompatible],
) -> dict[OpenAICompatible, Trouble]:
    """Look for the API of each server. Returns those that do not answer, and why."""
    troubles = await asyncio.gather(*map(_find_api, adapters))
    absent = {}
    for adapter, trouble in zip(adapters, troubles, strict=True):
        if trouble is not None:
            absent[adapter] = trouble
    return absent


async def _find_api(adapter: OpenAICompatible) -> Trouble | None:
    """Settle on the first base URL that lists models, or return what went wrong."""
    candidates = _candidate_urls(adapter.server)
    trouble = await _try_urls(adapter, candidates)
    for retry in range(1, TRIES):
        if trouble is None or trouble.cause not in _JUST_STARTING:
            break
        await asyncio.sleep(0.3 * retry)
        trouble = await _try_urls(adapter, candidates)
    if trouble is None:
        return None
    adapter.server = replace(adapter.server, base_url=candidates[0])
    if trouble.cause in _WRONG_PLACE:
        return replace(trouble, cause=Cause.WRONG_PATH)
    return trouble


async def _try_urls(adapter: OpenAICompatible, candidates: Sequence[str]) -> Trouble | None:
    """Take the first base URL that lists models, or return the last trouble."""
    for base_url in candidates:
        try:
            entries = await adapter.list_models(base_url)
        except Trouble as failure:
            trouble = failure
            if trouble.cause not in _WRONG_PLACE:
                break
        else:
            server = replace(adapter.server, base_url=base_url)
            models: dict[str, int | None] = {}
            if server.kind == "llama-stack":
                models = language_models(await llama_stack.list_models(server))
            offered = models or language_models(entries)
            known = server.credentials.known
            named = {name: length for name, length in offered.items() if not known.are_in(name)}
            adapter.server = replace(server, models=named)
            return None
    return trouble


def _candidate_urls(server: Server) -> list[str]:
    """Where a server may have its API, the likeliest first: most base URLs end in /v1."""
    url = server.base_url
    if server.kind == "llama-stack":
        root = llama_stack.root_of(url)
        return [root + path for path in llama_stack.PATHS]
    if url.endswith("/v1"):
        return [url]
    if urllib.parse.urlsplit(url).path:
        return [url, f"{url}/v1"]
    return [f"{url}/v1", url]
