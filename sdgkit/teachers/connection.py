"""`connect`: find the teacher's server, see that it answers, choose the model."""

import asyncio
import contextlib
import logging
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError, TeacherUnreachable
from sdgkit.teachers import background
from sdgkit.teachers.adapters import OpenAICompatible, Replicas, models_in, proxy_for, trust
from sdgkit.teachers.diagnosis import (
    PASSING,
    Cause,
    Server,
    Trouble,
    diagnose,
    explain,
    judged,
    listed,
)
from sdgkit.teachers.settings import REHEARSAL, Credentials, Settings, settle
from sdgkit.teachers.teacher import Teacher

# How often a server that breaks off or is just starting is asked for its models.
_TRIES = 3

# No row's request is sent and no model named when models are listed: what is refused then is the path.
_NOT_HERE = (Cause.WRONG_PATH, Cause.BAD_REQUEST, Cause.WRONG_MODEL)


def connect(
    kind: str | None = None,
    base_url: str | Sequence[str] | None = None,
    model: str | None = None,
    api_key: str | None = None,
    concurrency: int = 16,
    timeout: float = 600.0,
    patience: float = 1800.0,
    key_file: str | Path | None = None,
    headers: str | Sequence[str] | Mapping[str, str] | None = None,
    **rehearsal_options: Any,
) -> Teacher:
    """Connect to a teacher, having seen that it is there.

    kind: "vllm" (any OpenAI-compatible server), "openai", "llama-stack" or "rehearsal". base_url: its
    address, with or without the closing `/v1`; or several, of servers that serve the same model: each request
    goes to the least busy of those that answer. model: may be left out where the server has only one.
    api_key: else what is in key_file (read again whenever it changes), else SDGKIT_API_KEY, and for the kind
    "openai" OPENAI_API_KEY. headers: `{name: variable}`, or "NAME=VARIABLE": sent with the values that these
    environment variables have. What is left out of kind, base_url, model, key_file and headers comes from
    SDGKIT_TEACHER, SDGKIT_BASE_URL and so on, then from `sdgkit.toml` in the working folder; an address
    without a kind means "vllm", nothing at all means "rehearsal".

    concurrency: requests that may be with the teacher at once, with all its servers together (16: a polite
    guest). timeout: seconds for one request. patience: seconds to wait for a teacher that has gone away, or a
    key that has expired, in the middle. rehearsal_options: for a rehearsal teacher started here:
    mean_latency_ms, slots, error_rate, rate_limit, ...

    Raises SettingsError, TeacherUnreachable and TeacherRefused.
    """
    if concurrency < 1:
        raise SettingsError(f"The concurrency must be 1 or more, not {concurrency}.")
    wanted = settle(Settings.of(kind, base_url, model, key_file, headers))
    credentials = Credentials(wanted, api_key)
    if wanted.base_urls and rehearsal_options:
        raise SettingsError(
            f"Only a rehearsal teacher started here takes {', '.join(sorted(rehearsal_options))}."
        )
    with contextlib.ExitStack() as started:
        urls, notes = list(wanted.base_urls), list[str]()
        if not urls:
            from sdgkit.rehearsal import start

            process = started.enter_context(start(**rehearsal_options))
            import openai  # noqa: F401  (takes a second, in which the process gets ready)

            urls = [process.base_url]
        servers = [Server(_checked(url), wanted.kind or "", credentials, notes) for url in urls]
        adapter = background.wait(
            _find([OpenAICompatible(server, timeout) for server in servers], wanted)
        )
        return Teacher(adapter, concurrency, patience, started.pop_all().close)


def _checked(url: str) -> str:
    """An address that can be shown and written down. Raises SettingsError, which does not repeat it."""
    try:
        good = (
            re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", url)
            and urllib.parse.urlsplit(url).port != 0
        )
    except ValueError:  # a port that is no number, half of an IPv6 address
        good = False
    if not good:
        raise SettingsError(
            "The base URL must look like http://host:8000/v1: http or https, a host, no '?', no '#', and no '@': "
            "a password goes into a header, with --header or headers=."
        )
    return url.rstrip("/")


async def _find(
    adapters: Sequence[OpenAICompatible], wanted: Settings
) -> OpenAICompatible | Replicas:
    """The server, or several as one, with the model to ask. Of several servers, one that answers will do."""
    async with contextlib.AsyncExitStack() as opened:
        for adapter in adapters:
            opened.push_async_callback(adapter.close)
        troubles = await asyncio.gather(*map(_open, adapters))
        away = {
            adapter: trouble
            for adapter, trouble in zip(adapters, troubles, strict=True)
            if trouble is not None
        }
        there = [adapter.server for adapter in adapters if adapter not in away]
        for adapter, trouble in away.items():
            error = explain(trouble, adapter.server)
            if not there or trouble.cause not in PASSING:
                raise error from trouble
            adapter.server.notes.append(f"{error} Until then the others do the work.")
        model = _choose(there[0], wanted)
        for adapter in adapters:
            adapter.server.model = model
            if adapter in away:  # which could not be asked for its path
                path = there[0].base_url.removeprefix(_root(there[0].base_url))
                adapter.server.base_url = _root(adapter.server.base_url) + path
            elif model not in adapter.server.models:
                raise explain(Trouble(Cause.WRONG_MODEL), adapter.server)
        opened.pop_all()
    return Replicas(adapters, away) if len(adapters) > 1 else adapters[0]


async def _open(adapter: OpenAICompatible) -> Trouble | None:
    """Stay at the first place that lists models, asking again where the trouble may pass; else what the matter is."""
    server = adapter.server
    places = _places(server)
    for attempt in range(_TRIES):
        await asyncio.sleep(0.3 * attempt)
        for place in places:
            server.base_url = place
            try:
                rows = await adapter.rows()
            except Trouble as failure:
                trouble = failure
                if trouble.cause not in _NOT_HERE:
                    break
            else:
                told = await _asked_by_client(server) if server.kind == "llama-stack" else {}
                server.models = told or models_in(rows)
                return None
        if trouble.cause not in (Cause.LOST, Cause.SERVER_ERROR, Cause.BUSY):
            break
    server.base_url = places[0]
    return replace(trouble, cause=Cause.WRONG_PATH) if trouble.cause in _NOT_HERE else trouble


def _places(server: Server) -> list[str]:
    """Where a server may have its API, the likeliest first: most addresses end in /v1, given or not."""
    url = server.base_url
    if server.kind == "llama-stack":
        # 0.2 has it under the longer (under the other it lists models only), 0.7 under the shorter, 0.3 under both.
        return [f"{_root(url)}/v1/openai/v1", f"{_root(url)}/v1"]
    if url.endswith("/v1"):
        return [url]
    return [url, f"{url}/v1"] if urllib.parse.urlsplit(url).path else [f"{url}/v1", url]


def _root(url: str) -> str:
    return re.sub(r"/v1(/openai/v1)?$", "", url)


def _choose(server: Server, wanted: Settings) -> str:
    """The model to use. Raises SettingsError, TeacherRefused or TeacherUnreachable."""
    where, models, model = server.base_url, list(server.models), wanted.model
    if wanted.kind == REHEARSAL and models != [REHEARSAL]:
        raise SettingsError(
            f"The server at {where} is no rehearsal teacher; choose the kind vllm for it."
        )
    if not models:
        raise TeacherUnreachable(
            f"The server at {where} has no model yet. Wait until it has loaded one."
        )
    if model is None and len(models) > 1:
        error = SettingsError(
            f"{where} has several models; choose with --model or model=: {listed(models)}."
        )
        error.choices = tuple(models)
        raise error
    # Llama Stack's names begin with the provider's, "vllm/"; its older servers take the rest alone, newer ones not.
    named = [name for name in models if model is None or f"/{name}".endswith(f"/{model}")]
    if not named:
        raise explain(Trouble(Cause.WRONG_MODEL), replace(server, model=model or ""))
    return model if model in named else named[0]


async def _asked_by_client(server: Server) -> dict[str, int | None]:
    """The models as `llama-stack-client` lists them; where it cannot, none, and a note on what to do about it."""
    log, silence = logging.getLogger(), logging.NullHandler()
    log.addHandler(
        silence
    )  # or the import (0.7.5) makes every request of every library a line on stderr
    from llama_stack_client import AsyncLlamaStackClient, DefaultAsyncHttpxClient

    log.removeHandler(silence)
    root, credentials = _root(server.base_url), server.credentials
    client = AsyncLlamaStackClient(
        base_url=root,
        api_key=credentials.key or "none",  # or it would look for one in the environment
        default_headers=credentials.headers,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(
            trust_env=False, proxy=proxy_for(root), verify=trust(root)
        ),
    )
    try:
        async with client:
            return models_in([row.to_dict() for row in await client.models.list()])
    except Exception as error:
        # The plain list has just been read, so this is a matter of the client; a server of another version says so.
        body = getattr(error, "body", None)
        said = (judged(426, body, server) if body else diagnose(error, server)).words
        note = f"llama-stack-client cannot list the models ({said}). Generation works all the same"
        if version := re.search(r"server version v?(\d+\.(\d+))", said):
            python = "" if version[2] == "2" else " (needs Python 3.12)"  # as all after 0.2.12
            note += f"; for the client's own commands install 'llama-stack-client=={version[1]}.*'{python}"
        server.notes.append(f"{note}.")
        return {}
