"""`connect`: find the teacher's server, see that it answers, choose the model."""

import asyncio
import contextlib
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import SdgkitError, SettingsError, TeacherUnreachable
from sdgkit.teachers import background
from sdgkit.teachers.credentials import Credentials
from sdgkit.teachers.diagnosis import PASSING, Address, Cause, Trouble, diagnose, explain, listed
from sdgkit.teachers.exchange import Adapter
from sdgkit.teachers.llama_stack import find_stack
from sdgkit.teachers.openai_compatible import NOT_HERE, OpenAICompatible, model_names, split_credentials
from sdgkit.teachers.replicas import Replicas
from sdgkit.teachers.settings import REHEARSAL, Settings, credentials_for, settle
from sdgkit.teachers.teacher import Teacher

# How often a server that breaks off or is just starting is asked for its models.
_TRIES = 3


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
    credentials = credentials_for(wanted, api_key)
    if wanted.base_urls and rehearsal_options:
        raise SettingsError(f"Only a rehearsal teacher started here takes {', '.join(sorted(rehearsal_options))}.")
    with contextlib.ExitStack() as started:
        if not wanted.base_urls:
            wanted = replace(wanted, base_urls=(_start_rehearsal(rehearsal_options, started),))
        found, chosen = background.wait(_find(wanted, credentials, timeout))
        return Teacher(
            found.adapter,
            chosen,
            concurrency=concurrency,
            patience=patience,
            context_length=found.context_lengths.get(chosen),
            notes=found.notes,
            on_close=started.pop_all().close,
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A server that answers. models: their names. context_lengths: in tokens, of those models of which it tells."""

    adapter: Adapter
    models: Sequence[str]
    notes: Sequence[str] = ()
    context_lengths: Mapping[str, int] = field(default_factory=dict)


def _start_rehearsal(options: Mapping[str, Any], started: contextlib.ExitStack) -> str:
    """Its base URL; `started` ends it."""
    from sdgkit.teachers.rehearsal import start

    process = started.enter_context(start(**options))
    import openai  # noqa: F401  (takes a second, in which the process gets ready)

    return process.base_url


async def _find(wanted: Settings, credentials: Credentials, timeout: float) -> tuple[_Found, str]:
    """The server, or several as one, and the model. Of several, one that answers will do."""
    adapters = []
    for base_url in wanted.base_urls:
        url, headers = split_credentials(base_url)
        address = Address(url, wanted.kind or "", credentials=credentials)
        adapters.append(OpenAICompatible(address, headers=headers, timeout=timeout))
    try:
        opened = await asyncio.gather(*map(_open, adapters), return_exceptions=True)
        there = [one for one in opened if isinstance(one, _Found)]
        for error in opened:
            if isinstance(error, BaseException) and not (there and _may_pass(error)):
                raise error
        model = _choose(there[0], wanted)
        for other in there[1:]:
            if model not in other.models:
                raise explain(Trouble(Cause.WRONG_MODEL), replace(other.adapter.address, model=model), other.models)
    except BaseException:
        for adapter in adapters:
            await adapter.close()
        raise
    if len(adapters) == 1:
        return there[0], model
    notes = [note for one in there for note in one.notes]
    path = urllib.parse.urlsplit(there[0].adapter.address.base_url).path
    away = {}
    for adapter, error in zip(adapters, opened, strict=True):
        if isinstance(error, BaseException):
            url = adapter.address.base_url
            adapter.address = replace(adapter.address, base_url=url if urllib.parse.urlsplit(url).path else url + path)
            away[adapter.address.base_url] = str(diagnose(error.__cause__ or error, adapter.address))
            notes.append(f"{error} Until then the others do the work.")
    return replace(there[0], adapter=Replicas(adapters, away), notes=notes), model


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TeacherUnreachable) and diagnose(error.__cause__ or error, Address("")).cause in PASSING


async def _open(adapter: OpenAICompatible) -> _Found:
    """Find the path that lists models, asking again where the trouble may pass."""
    address = adapter.address
    for attempt in range(_TRIES):
        await asyncio.sleep(0.3 * attempt)
        try:
            if address.kind == "llama-stack":
                return _Found(adapter, *await find_stack(adapter))
            rows = await adapter.find(_places(address.base_url))
            lengths = {row.get("id"): row.get("max_model_len") for row in rows}
            known = {str(name): length for name, length in lengths.items() if isinstance(length, int)}
            return _Found(adapter, model_names(rows), context_lengths=known)
        except SdgkitError:
            raise
        except Exception as error:
            adapter.address, cause, trouble = address, error, diagnose(error, address)
            if trouble.cause not in (Cause.LOST, Cause.SERVER_ERROR, Cause.BUSY):
                break
    if trouble.cause in NOT_HERE:
        trouble = replace(trouble, cause=Cause.WRONG_PATH)
    raise explain(trouble, address) from cause


def _places(url: str) -> list[str]:
    """Where a server may have its API, the likeliest first: most addresses end in /v1, given or not."""
    if url.endswith("/v1"):
        return [url]
    return [url, f"{url}/v1"] if urllib.parse.urlsplit(url).path else [f"{url}/v1", url]


def _choose(found: _Found, wanted: Settings) -> str:
    """The model to use. Raises SettingsError, TeacherRefused or TeacherUnreachable."""
    address, models, model = found.adapter.address, found.models, wanted.model
    if wanted.kind == REHEARSAL and models != [REHEARSAL]:
        raise SettingsError(f"The server at {address.base_url} is no rehearsal teacher; choose the kind vllm for it.")
    if not models:
        raise TeacherUnreachable(f"The server at {address.base_url} has no model yet. Wait until it has loaded one.")
    if model is not None:
        # Llama Stack's names begin with the provider's, "vllm/"; its older servers take the rest alone, newer ones not.
        named = [name for name in models if name == model] or [name for name in models if name.endswith(f"/{model}")]
        if not named:
            raise explain(Trouble(Cause.WRONG_MODEL), replace(address, model=model), models)
        return named[0]
    if len(models) > 1:
        error = SettingsError(
            f"{address.base_url} has several models; choose with --model or model=: {listed(models)}."
        )
        error.choices = tuple(models)
        raise error
    return models[0]
