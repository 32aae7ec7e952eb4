"""Find a server's API and the model to ask, before the first request."""

import asyncio
import contextlib
import urllib.parse
from collections.abc import Sequence
from dataclasses import replace

from sdgkit.errors import SettingsError, TeacherUnreachable
from sdgkit.teachers import llama_stack
from sdgkit.teachers.adapters import MODELS_SECONDS, Adapter, OpenAICompatible, probe_body
from sdgkit.teachers.address import deployment_in
from sdgkit.teachers.diagnosis import Trouble, TroubleCause, explain
from sdgkit.teachers.model_lists import language_models
from sdgkit.teachers.replicas import Replicas
from sdgkit.teachers.server import Server, enumerate_models
from sdgkit.teachers.settings import REHEARSAL, Settings

# How often a server that breaks off, or is just starting, is asked for its models.
TRIES = 3

# Listing models sends no row and names no model: what is refused then is the path.
_WRONG_PLACE = (TroubleCause.WRONG_PATH, TroubleCause.BAD_REQUEST, TroubleCause.WRONG_MODEL)
_JUST_STARTING = (TroubleCause.LOST, TroubleCause.SERVER_ERROR, TroubleCause.BUSY)
# Without these, there is no server that could answer anything.
_NOBODY_THERE = (
    TroubleCause.PROXY,
    TroubleCause.REFUSED,
    TroubleCause.UNKNOWN_HOST,
    TroubleCause.CERTIFICATE,
)
# What a tiny chat request may end in where key, path and model are right.
_IS_THERE = (
    TroubleCause.NO_REPLY,
    TroubleCause.BROKEN_OFF,
    TroubleCause.WITHHELD,
    TroubleCause.BAD_REQUEST,
    TroubleCause.BUSY,
)


async def open_servers(adapters: Sequence[OpenAICompatible], settings: Settings) -> Adapter:
    """The server, or several as one, with the model to ask.

    Of several servers, one that answers is enough; the others are left out until they do.

    Raises:
        SettingsError: The model is not clear, or the server is not of the kind asked for.
        TeacherError: No server answers, or one is refused for good.
    """
    async with contextlib.AsyncExitStack() as opened:
        for adapter in adapters:
            opened.push_async_callback(adapter.close)
        absent = await _find_all(adapters, settings)
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
            await _check_unlisted(adapter)
        for adapter in absent:
            # It could not be asked for its path, so it gets the same as the others.
            base_url = _with_path_of(present[0].server.base_url, adapter.server.base_url)
            adapter.server = replace(adapter.server, model=model, base_url=base_url)
        opened.pop_all()
    if len(adapters) == 1:
        return adapters[0]
    return Replicas(adapters, absent)


def choose_model(server: Server, settings: Settings) -> str:
    """The model to ask. One that is named and not listed is returned all the same.

    Raises:
        SettingsError: There are several and none is named, or the name fits several, or this is not
            a rehearsal teacher.
        TeacherUnreachable: The server lists none, and none is named.
    """
    models = list(server.models)
    if settings.kind == REHEARSAL and models != [REHEARSAL]:
        raise SettingsError(
            f"The server at {server.base_url} is not a rehearsal teacher. "
            "Choose the kind vllm for it.",
            setting="kind",
        )
    named = settings.model or deployment_in(server.base_url)
    if named is None:
        return _only_model(server)
    if named in models:
        return named
    # Llama Stack's names begin with the provider's, "vllm/"; its older servers take the rest alone,
    # newer ones do not.
    candidates = []
    for name in models:
        if name.endswith(f"/{named}"):
            candidates.append(name)
    if len(candidates) > 1:
        raise SettingsError(
            f"{named!r} could be any of these models at {server.base_url}: "
            f"{enumerate_models(dict.fromkeys(candidates))}. Give the full name.",
            setting="model",
            choices=candidates,
        )
    if not candidates:
        return named
    return candidates[0]


def _only_model(server: Server) -> str:
    """The model of a server where none is named."""
    models = list(server.models)
    if len(models) > 1:
        raise SettingsError(
            f"{server.base_url} has several models. Choose one with --model or model=: "
            f"{enumerate_models(server.models)}.",
            setting="model",
            choices=models,
        )
    if models:
        return models[0]
    raise TeacherUnreachable(
        f"The server at {server.base_url} lists no model. If it is still loading one, wait; "
        "otherwise name the model with --model or model=."
    )


async def _check_unlisted(adapter: OpenAICompatible) -> None:
    """Ask for a model that the server does not list.

    Raises:
        TeacherError: It does not answer for it.
    """
    server = adapter.server
    if server.model in server.models or not server.models:
        # One that lists none has been asked already.
        return
    trouble = await _ask_for_model(adapter)
    if trouble is not None and trouble.cause is TroubleCause.WRONG_PATH:
        trouble = replace(
            trouble, cause=TroubleCause.WRONG_MODEL
        )  # at this path models were listed
    if trouble is not None:
        raise explain(trouble, server) from trouble
    server.note(
        f"The server at {server.base_url} does not list {server.model} (it lists "
        f"{enumerate_models(server.models)}), but answers to that name."
    )


async def _ask_for_model(adapter: OpenAICompatible) -> Trouble | None:
    """Send a tiny request to the model; why it cannot be asked, or None if it can."""
    try:
        await adapter.exchange(probe_body(adapter.server.model), MODELS_SECONDS)
    except Trouble as failure:
        if failure.cause in _IS_THERE:
            return None
        return failure
    return None


def _with_path_of(known_url: str, url: str) -> str:
    """The address with the path that the API of another server has."""
    path = known_url.removeprefix(llama_stack.root_of(known_url))
    return llama_stack.root_of(url) + path


async def _find_all(
    adapters: Sequence[OpenAICompatible], settings: Settings
) -> dict[OpenAICompatible, Trouble]:
    """Look for the API of each server. Returns those that do not answer, and why."""
    searches = [_find_api(adapter, settings) for adapter in adapters]
    troubles = await asyncio.gather(*searches)
    absent = {}
    for adapter, trouble in zip(adapters, troubles, strict=True):
        if trouble is not None:
            absent[adapter] = trouble
    return absent


async def _find_api(adapter: OpenAICompatible, settings: Settings) -> Trouble | None:
    """Settle on the first base URL that lists models, or that answers for the one that is named.

    Returns:
        What went wrong, if anything.
    """
    candidates = _candidate_urls(adapter.server)
    model = settings.model or deployment_in(adapter.server.base_url)
    trouble = await _try_urls(adapter, candidates)
    for retry in range(1, TRIES):
        if trouble is None or trouble.cause not in _JUST_STARTING:
            break
        await asyncio.sleep(0.3 * retry)
        trouble = await _try_urls(adapter, candidates)
    if trouble is None and (model is None or adapter.server.models):
        return None
    can_be_asked = trouble is None or trouble.cause not in _NOBODY_THERE
    if model is not None and can_be_asked and settings.kind != REHEARSAL:
        trouble = await _try_model(adapter, candidates, model, trouble)
    if trouble is None:
        return None
    adapter.server = replace(adapter.server, base_url=candidates[0])
    if trouble.cause in (TroubleCause.WRONG_PATH, TroubleCause.BAD_REQUEST):
        return replace(trouble, cause=TroubleCause.WRONG_PATH)
    return trouble


async def _try_urls(adapter: OpenAICompatible, candidates: Sequence[str]) -> Trouble | None:
    """Take the first base URL that lists models, or return the last trouble."""
    for base_url in candidates:
        try:
            entries = await adapter.list_models(base_url)
        except Trouble as failure:
            trouble = failure
            if trouble.cause in _WRONG_PLACE:
                trouble = replace(trouble, cause=TroubleCause.WRONG_PATH)
                continue
            break
        server = replace(adapter.server, base_url=base_url)
        models: dict[str, int | None] = {}
        if server.kind == "llama-stack":
            models = language_models(await llama_stack.list_models(server))
        offered = models or language_models(entries)
        secrets = server.credentials.patterns
        named = {}
        for name, length in offered.items():
            if not secrets.are_in(name):
                named[name] = length
        adapter.server = replace(server, models=named)
        return None
    return trouble


async def _try_model(
    adapter: OpenAICompatible,
    candidates: Sequence[str],
    model: str,
    listing: Trouble | None,
) -> Trouble | None:
    """Take the first base URL at which a named model answers, or return the last trouble.

    Args:
        adapter: The way to the server.
        candidates: The base URLs to try.
        model: The model that is named.
        listing: Why the server lists no models; None if its list is empty.
    """
    for base_url in candidates:
        adapter.server = replace(adapter.server, base_url=base_url, model=model)
        trouble = await _ask_for_model(adapter)
        if trouble is None:
            reason = "its list is empty"
            if listing is not None:
                reason = str(listing)
            adapter.server.note(
                f"The server at {base_url} does not list its models ({reason}), but answers for "
                f"{model}."
            )
            return None
        if trouble.cause is not TroubleCause.WRONG_PATH:
            break
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
