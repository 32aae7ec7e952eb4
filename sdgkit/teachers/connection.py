"""`connect`: from settings to a teacher that is known to answer."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sdgkit.errors import SettingsError
from sdgkit.keywords import known_keywords
from sdgkit.log import quiet_http_libraries
from sdgkit.rehearsal.options import Options as RehearsalOptions
from sdgkit.teachers import background
from sdgkit.teachers.adapters import OpenAICompatible
from sdgkit.teachers.address import parse_address
from sdgkit.teachers.concurrency import Concurrency, default_concurrency, parse_concurrency
from sdgkit.teachers.credentials import Credentials
from sdgkit.teachers.discovery import open_servers
from sdgkit.teachers.introduction import Introduction
from sdgkit.teachers.server import Server
from sdgkit.teachers.settings import REHEARSAL, Settings, resolve_settings
from sdgkit.teachers.teacher import Teacher


@known_keywords
def connect(
    kind: str | None = None,
    base_url: str | Sequence[str] | None = None,
    model: str | None = None,
    api_key: str | None = None,
    concurrency: int | str | None = None,
    timeout: float = 600.0,
    patience: float = 1800.0,
    key_file: str | Path | None = None,
    headers: str | Sequence[str] | Mapping[str, str] | None = None,
    *,
    port: int = 0,
    mean_latency_ms: float = 0.0,
    sigma: float = 0.8,
    slots: int = 64,
    error_rate: float = 0.0,
    rate_limit: float = 0.0,
    retry_after: float = 0.0,
    drop_rate: float = 0.0,
    hang_rate: float = 0.0,
    malformed_rate: float = 0.0,
    truncate_rate: float = 0.0,
    context_length: int = 32768,
) -> Teacher:
    """Connect to a teacher, after checking that it answers and has the model.

    If you leave out `kind`, `base_url`, `model`, `key_file` or `headers`, it comes from the
    environment (SDGKIT_TEACHER, SDGKIT_BASE_URL, SDGKIT_MODEL, SDGKIT_KEY_FILE, SDGKIT_HEADERS),
    then from `sdgkit.toml` in the working folder. An address without a kind means "vllm"; without
    any setting, a rehearsal teacher is started on this machine. The arguments from `port` on apply
    only to such a teacher.

    Args:
        kind: "vllm" (any OpenAI-compatible server), "openai", "llama-stack" or "rehearsal".
        base_url: The server's address, with or without the final `/v1`; a pasted
            `…/chat/completions` and Azure's `?api-version=…` are accepted. Several, in a list or
            separated by commas, are servers of the same model: each request goes to the least
            busy one that answers.
        model: The model to ask; not needed if the server lists only one. A model that you name is
            used even if the server lists none, or only others.
        api_key: The key. Default: the content of `key_file`; otherwise SDGKIT_API_KEY; otherwise,
            for the kind "openai" only, OPENAI_API_KEY.
        concurrency: Maximum concurrent requests, to all its servers together. With "auto", the
            level at which its throughput stops growing is found and held, up to 1,024 requests, or
            to 256 with "auto:256"; it falls when requests are refused or time out, and where vLLM
            reports that requests are waiting. Default: "auto" for vLLM and for several servers,
            otherwise 16.
        timeout: Seconds that one request may take.
        patience: Seconds to wait for a teacher that stops answering, or for a new key when the
            key has expired.
        key_file: A file that holds the key. It is read again whenever it changes.
        headers: Further headers: `{name: variable}` or "NAME=VARIABLE", sent with the values of
            these environment variables.
        port: The port on 127.0.0.1 to listen on; 0 means any free port.
        mean_latency_ms: Mean reply time (log-normal, at most 10 times this); 0 for none.
        sigma: Spread of the reply times; 0 makes them all equal.
        slots: How many requests it works on at once; the rest queue.
        error_rate: Share of requests answered with status 500.
        rate_limit: Share of requests answered with status 429.
        retry_after: Seconds in the Retry-After header of each 429; 0 sends none.
        drop_rate: Share of requests whose connection is closed without an answer.
        hang_rate: Share of requests that are never answered.
        malformed_rate: Share of replies that break the requested form.
        truncate_rate: Share of replies that are cut off halfway.
        context_length: Tokens (4 characters each) that prompt and reply may have together.

    Returns:
        The teacher. Close it, or use it in a `with` statement.

    Raises:
        SettingsError: An argument, the environment or `sdgkit.toml` cannot be used.
        TeacherUnreachable: No server answers there.
        TeacherRefused: It refuses the key, or does not have the model.

    Example:
        >>> import sdgkit as sk
        >>> with sk.connect("rehearsal") as teacher:
        ...     teacher.ask("Write a haiku.", max_tokens=100).finish_reason
        'stop'
    """
    if concurrency is not None:
        parse_concurrency(concurrency)  # a mistake is reported before anything is started
    rehearsal_options = RehearsalOptions(
        port=port,
        mean_latency_ms=mean_latency_ms,
        sigma=sigma,
        slots=slots,
        error_rate=error_rate,
        rate_limit=rate_limit,
        retry_after=retry_after,
        drop_rate=drop_rate,
        hang_rate=hang_rate,
        malformed_rate=malformed_rate,
        truncate_rate=truncate_rate,
        context_length=context_length,
    )
    arguments = Settings.parse(kind, base_url, model, key_file, headers)
    settings = resolve_settings(arguments)
    _check_rehearsal_options(rehearsal_options, settings.base_urls)
    credentials = Credentials(settings, api_key)
    if concurrency is None:
        servers = max(1, len(settings.base_urls))
        concurrency = default_concurrency(settings.kind or REHEARSAL, servers)
    limit = parse_concurrency(concurrency)
    introduction = Introduction(
        kind=settings.kind or "",
        base_urls=settings.base_urls,
        model=settings.model or "",
        concurrency=limit.most,
        is_auto=limit.is_auto,
        timeout=timeout,
        patience=patience,
        rehearsal=rehearsal_options,
    )
    return _connect(introduction, settings, credentials)


def connect_again(introduction: Introduction) -> Teacher:
    """Connect to a teacher that another process has connected to.

    Args:
        introduction: Its `Teacher.introduction`. Of this machine's own settings, only the key in
            the environment counts, where the introduction has none.

    Raises:
        TeacherUnreachable: No server answers there.
        TeacherRefused: It refuses the key, or does not have the model.
    """
    key_file = introduction.key_file
    settings = Settings(
        kind=introduction.kind,
        base_urls=tuple(introduction.base_urls),
        model=introduction.model or None,
        key_file=key_file if key_file and Path(key_file).is_file() else None,
    )
    api_key = None if settings.key_file else introduction.key
    credentials = Credentials(settings, api_key, values_of_headers=introduction.headers)
    return _connect(introduction, settings, credentials)


def _connect(introduction: Introduction, settings: Settings, credentials: Credentials) -> Teacher:
    quiet_http_libraries()
    base_urls = list(introduction.base_urls)
    notes: list[str] = []
    with contextlib.ExitStack() as started:
        if not base_urls:
            base_urls = [_start_rehearsal(introduction.rehearsal, started)]
        adapters = []
        for url in base_urls:
            address = parse_address(url)
            server = Server(
                address.base_url,
                settings.kind or "",
                credentials,
                notes,
                query=address.query,
                patience=introduction.patience,
            )
            adapters.append(OpenAICompatible(server, introduction.timeout))
        adapter = background.wait(open_servers(adapters, settings))
        introduction = replace(
            introduction,
            model=adapter.server.model,
            key=credentials.key,
            key_file=str(credentials.key_file.resolve()) if credentials.key_file else None,
            headers=credentials.headers,
        )
        return Teacher(
            adapter,
            Concurrency(introduction.concurrency, introduction.is_auto),
            introduction.patience,
            on_close=started.pop_all().close,
            introduction=introduction,
        )


def _check_rehearsal_options(options: RehearsalOptions, base_urls: Sequence[str]) -> None:
    changed = options.changed()
    if base_urls and changed:
        raise SettingsError(
            f"{', '.join(sorted(changed))}: these options are only for a rehearsal teacher. "
            "Leave them out when you connect to a server.",
            setting=changed[0],
        )


def _start_rehearsal(options: RehearsalOptions, started: contextlib.ExitStack) -> str:
    """Start a rehearsal teacher, to be closed with the stack; its base URL."""
    from sdgkit.rehearsal import RehearsalProcess

    process = started.enter_context(RehearsalProcess(options))
    import aiohttp  # noqa: F401  (takes a moment, in which the process gets ready)

    return process.base_url
