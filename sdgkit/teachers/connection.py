"""`connect`: find the teacher's server, see that it answers, choose the model."""

import asyncio
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sdgkit.errors import SdgkitError, SettingsError, TeacherUnreachable
from sdgkit.teachers import background
from sdgkit.teachers.diagnosis import Address, Cause, Trouble, diagnose, explain, listed
from sdgkit.teachers.llama_stack import open_stack
from sdgkit.teachers.openai_compatible import OpenAICompatible, split_credentials
from sdgkit.teachers.settings import Settings, key_for, settle
from sdgkit.teachers.teacher import Teacher

# The rehearsal teacher's only model, whatever the address it is found at.
REHEARSAL = "rehearsal"

# How often a server that breaks off or is just starting is asked for its models.
_TRIES = 3


def connect(
    kind: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
    api_key: str | None = None,
    concurrency: int = 16,
    timeout: float = 600.0,
    patience: float = 1800.0,
    **rehearsal_options: Any,
) -> Teacher:
    """Connect to a teacher, having seen that it is there.

    kind: "vllm" (any OpenAI-compatible server), "openai", "llama-stack" or "rehearsal". base_url: its
    address, with or without the closing `/v1`. model: may be left out where the server has only one. What is
    left out comes from SDGKIT_TEACHER, SDGKIT_BASE_URL and SDGKIT_MODEL, then from `sdgkit.toml` in the
    working folder; an address without a kind means "vllm", nothing at all means "rehearsal". api_key: else
    SDGKIT_API_KEY, and for the kind "openai" OPENAI_API_KEY. concurrency: requests that may be with the
    teacher at once (16: a polite guest). timeout: seconds for one request. patience: seconds to wait for a
    teacher that has gone away in the middle. rehearsal_options: for a rehearsal teacher started here:
    mean_latency_ms, slots, error_rate, rate_limit, ...

    Raises SettingsError, TeacherUnreachable and TeacherRefused.
    """
    if concurrency < 1:
        raise SettingsError(f"The concurrency must be 1 or more, not {concurrency}.")
    wanted = settle(Settings(kind, base_url, model))
    on_close: Callable[[], None] | None = None
    if wanted.base_url is None:
        wanted, on_close = _start_rehearsal(wanted, rehearsal_options)
    elif rehearsal_options:
        raise SettingsError(f"Only a rehearsal teacher started here takes {', '.join(sorted(rehearsal_options))}.")
    try:
        found = background.wait(_open(wanted, key_for(wanted.kind or "", api_key), timeout))
        chosen = _choose(found, wanted)
    except BaseException:
        if on_close is not None:
            on_close()
        raise
    return Teacher(
        found.adapter,
        chosen,
        concurrency=concurrency,
        patience=patience,
        is_rehearsal=chosen == REHEARSAL,
        notes=found.notes,
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

    return replace(wanted, base_url=process.base_url), process.close


async def _open(wanted: Settings, key: str | None, timeout: float) -> _Found:
    """Find the path that lists models, asking again where the trouble may pass."""
    url, headers = split_credentials(wanted.base_url or "")
    kind = wanted.kind or ""
    for attempt in range(_TRIES):
        await asyncio.sleep(0.3 * attempt)
        try:
            if kind == "llama-stack":
                return _Found(*await open_stack(url, api_key=key, headers=headers, timeout=timeout))
            return await _open_openai(url, kind, key, headers, timeout)
        except SdgkitError:
            raise
        except Exception as error:
            cause, last = error, attempt == _TRIES - 1
            address = Address(url, kind, secrets=tuple(s for s in (key, *headers.values()) if s))
            trouble = diagnose(error, address)
            if last or trouble.cause not in (Cause.LOST, Cause.SERVER_ERROR, Cause.BUSY):
                if trouble.cause in (Cause.BAD_REQUEST, Cause.WRONG_MODEL):
                    # No row's request was sent, and no model named: what is refused here is the path.
                    trouble = replace(trouble, cause=Cause.WRONG_PATH)
                raise explain(trouble, address) from cause
    raise AssertionError("the last try returns or raises")


async def _open_openai(url: str, kind: str, key: str | None, headers: Mapping[str, str], timeout: float) -> _Found:
    has_path = urllib.parse.urlsplit(url).path != ""
    places = [url] if url.endswith("/v1") else [url, url + "/v1"] if has_path else [url + "/v1", url]
    first: Exception | None = None
    for place in places:
        adapter = OpenAICompatible(Address(place, kind), api_key=key, headers=headers, timeout=timeout)
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
    """The model to use. Raises SettingsError, TeacherRefused or TeacherUnreachable, with the connections
    closed.
    """
    address, models, model = found.adapter.address, found.models, wanted.model
    try:
        if wanted.kind == REHEARSAL and models != [REHEARSAL]:
            raise SettingsError(
                f"The server at {address.base_url} is no rehearsal teacher; choose the kind vllm for it."
            )
        if not models:
            raise TeacherUnreachable(
                f"The server at {address.base_url} has no model yet. Wait until it has loaded one."
            )
        # Llama Stack also takes the part of a model's name after the provider's.
        if model is not None and not any(model == name or name.endswith("/" + model) for name in models):
            raise explain(Trouble(Cause.WRONG_MODEL), replace(address, model=model), models)
        if model is None and len(models) > 1:
            raise SettingsError(
                f"{address.base_url} has several models; choose with --model or model=: {listed(models)}."
            )
        return model or models[0]
    except SdgkitError:
        background.wait(found.adapter.close())
        raise
