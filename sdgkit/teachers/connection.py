"""`connect`: find the teacher's server, see that it answers, choose the model."""

import asyncio
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdgkit.errors import SdgkitError, SettingsError, TeacherRefused, TeacherUnreachable
from sdgkit.teachers import background
from sdgkit.teachers.credentials import Credentials
from sdgkit.teachers.diagnosis import PASSING, Address, Cause, Trouble, diagnose, explain, listed
from sdgkit.teachers.llama_stack import open_stack
from sdgkit.teachers.openai_compatible import OpenAICompatible, split_credentials
from sdgkit.teachers.replicas import Replicas
from sdgkit.teachers.settings import Settings, credentials_for, settle
from sdgkit.teachers.teacher import Adapter, Teacher

# The rehearsal teacher's only model, whatever the address it is found at.
REHEARSAL = "rehearsal"

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
    on_close: Callable[[], None] | None = None
    if not wanted.base_urls:
        wanted, on_close = _start_rehearsal(wanted, rehearsal_options)
    elif rehearsal_options:
        raise SettingsError(f"Only a rehearsal teacher started here takes {', '.join(sorted(rehearsal_options))}.")
    try:
        adapter, chosen, notes = background.wait(_find(wanted, credentials, timeout))
    except BaseException:
        if on_close is not None:
            on_close()
        raise
    return Teacher(
        adapter,
        chosen,
        concurrency=concurrency,
        patience=patience,
        is_rehearsal=chosen == REHEARSAL,
        notes=notes,
        on_close=on_close,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    adapter: OpenAICompatible
    models: list[str]
    notes: list[str]


def _start_rehearsal(wanted: Settings, options: Mapping[str, Any]) -> tuple[Settings, Callable[[], None]]:
    from sdgkit.teachers.rehearsal import start

    try:
        process = start(**options)
    except TypeError as error:
        raise SettingsError(f"The rehearsal teacher cannot be started so: {error}.") from error
    import openai  # noqa: F401  (takes a second, in which the process gets ready)

    return replace(wanted, base_urls=(process.base_url,)), process.close


async def _find(wanted: Settings, credentials: Credentials, timeout: float) -> tuple[Adapter, str, list[str]]:
    """The server or servers, their model, and what the user should know. Of several, one that answers will do."""
    kind = wanted.kind or ""
    opening = (_open(url, kind, credentials, timeout) for url in wanted.base_urls)
    opened = await asyncio.gather(*opening, return_exceptions=True)
    there = [one for one in opened if isinstance(one, _Found)]
    try:
        for error in opened:
            if isinstance(error, BaseException) and not (there and _may_pass(error)):
                raise error
        model = _choose(there[0], wanted)
        for other in there[1:]:
            if not _offers(other, model):
                raise TeacherRefused(
                    "Several addresses must serve the same model, but "
                    f"{other.adapter.address.base_url} has no {model!r}; it has {listed(other.models) or 'none'}. "
                    "Choose with --model or model=."
                )
    except BaseException:
        for one in there:
            await one.adapter.close()
        raise
    notes = [note for one in there for note in one.notes]
    if len(opened) == 1:
        return there[0].adapter, model, notes
    path = urllib.parse.urlsplit(there[0].adapter.address.base_url).path
    adapters, away = [], {}
    for base_url, found in zip(wanted.base_urls, opened, strict=True):
        if isinstance(found, _Found):
            adapters.append(found.adapter)
        else:
            url, headers = split_credentials(base_url)
            place = Address(url if urllib.parse.urlsplit(url).path else url + path, kind, credentials=credentials)
            adapters.append(OpenAICompatible(place, headers=headers, timeout=timeout))
            away[place.base_url] = str(diagnose(found.__cause__ or found, place))
            notes.append(f"{found} Until then the others do the work.")
    return Replicas(adapters, away), model, notes


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TeacherUnreachable) and diagnose(error.__cause__ or error, Address("")).cause in PASSING


async def _open(base_url: str, kind: str, credentials: Credentials, timeout: float) -> _Found:
    """Find the path that lists models, asking again where the trouble may pass."""
    url, headers = split_credentials(base_url)
    for attempt in range(_TRIES):
        await asyncio.sleep(0.3 * attempt)
        try:
            if kind == "llama-stack":
                return _Found(*await open_stack(url, credentials=credentials, headers=headers, timeout=timeout))
            return await _open_openai(Address(url, kind, credentials=credentials), headers, timeout)
        except SdgkitError:
            raise
        except Exception as error:
            cause, last = error, attempt == _TRIES - 1
            address = Address(url, kind, credentials=credentials)
            trouble = diagnose(error, address)
            if last or trouble.cause not in (Cause.LOST, Cause.SERVER_ERROR, Cause.BUSY):
                if trouble.cause in (Cause.BAD_REQUEST, Cause.WRONG_MODEL):
                    # No row's request was sent, and no model named: what is refused here is the path.
                    trouble = replace(trouble, cause=Cause.WRONG_PATH)
                raise explain(trouble, address) from cause
    raise AssertionError("the last try returns or raises")


async def _open_openai(address: Address, headers: Mapping[str, str], timeout: float) -> _Found:
    url = address.base_url
    has_path = urllib.parse.urlsplit(url).path != ""
    places = [url] if url.endswith("/v1") else [url, url + "/v1"] if has_path else [url + "/v1", url]
    first: Exception | None = None
    for place in places:
        adapter = OpenAICompatible(replace(address, base_url=place), headers=headers, timeout=timeout)
        try:
            return _Found(adapter, await adapter.models(), [])
        except BaseException as error:
            await adapter.close()
            wrong_place = (Cause.WRONG_PATH, Cause.BAD_REQUEST, Cause.WRONG_MODEL)
            if not isinstance(error, Exception) or diagnose(error, adapter.address).cause not in wrong_place:
                raise
            first = first or error
    assert first is not None
    raise first


def _choose(found: _Found, wanted: Settings) -> str:
    """The model to use. Raises SettingsError, TeacherRefused or TeacherUnreachable."""
    address, models, model = found.adapter.address, found.models, wanted.model
    if wanted.kind == REHEARSAL and models != [REHEARSAL]:
        raise SettingsError(f"The server at {address.base_url} is no rehearsal teacher; choose the kind vllm for it.")
    if not models:
        raise TeacherUnreachable(f"The server at {address.base_url} has no model yet. Wait until it has loaded one.")
    if model is not None and not _offers(found, model):
        raise explain(Trouble(Cause.WRONG_MODEL), replace(address, model=model), models)
    if model is not None and model not in models:
        return next(name for name in models if name.endswith("/" + model))
    if model is None and len(models) > 1:
        error = SettingsError(
            f"{address.base_url} has several models; choose with --model or model=: {listed(models)}."
        )
        error.choices = tuple(models)
        raise error
    return model or models[0]


def _offers(found: _Found, model: str) -> bool:
    # Llama Stack's names begin with the provider's, "vllm/"; its older servers take the rest alone, newer ones do not.
    return any(model == name or name.endswith("/" + model) for name in found.models)
