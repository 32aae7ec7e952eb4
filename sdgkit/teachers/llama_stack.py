"""Llama Stack (and OGX, its new name): models through `llama-stack-client`, generation over its OpenAI path."""

import asyncio
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sdgkit.teachers.diagnosis import diagnose
from sdgkit.teachers.openai_compatible import OpenAICompatible, model_names, proxy_for, trust

# Where the generations of the server have their OpenAI API: 0.2 under the old, from 0.7 on the new, 0.3 both.
_NEW_PATH, _OLD_PATH = "/v1", "/v1/openai/v1"
_SECONDS = 60.0


async def find_stack(adapter: OpenAICompatible) -> tuple[list[str], list[str]]:
    """Let the adapter stay at the stack's OpenAI path; returns the names of its models, and notes for the user.

    Raises what the client raises.
    """
    root = re.sub(r"/v1(/openai/v1)?$", "", adapter.address.base_url)
    rows = await adapter.find([root + _NEW_PATH])
    if any("id" not in row for row in rows):
        await adapter.find([root + _OLD_PATH, root + _NEW_PATH])
    names, notes = await _ask_client(adapter, root)
    return names or model_names(rows), notes


async def _ask_client(adapter: OpenAICompatible, root: str) -> tuple[list[str], list[str]]:
    """The models as `llama-stack-client` lists them; where it cannot, none, and a note on what to do about it."""
    with _root_logger_as_it_is():
        from llama_stack_client import AsyncLlamaStackClient, DefaultAsyncHttpxClient
    connection = DefaultAsyncHttpxClient(
        trust_env=False, proxy=proxy_for(root), verify=trust(root), follow_redirects=False, timeout=_SECONDS
    )
    client = AsyncLlamaStackClient(
        base_url=root,
        api_key=adapter.address.credentials.key or "none",  # or it would look for one in the environment
        default_headers=adapter.headers,
        max_retries=0,
        http_client=connection,
    )
    try:
        async with client, asyncio.timeout(_SECONDS):
            return model_names([row.to_dict() for row in await client.models.list()]), []
    except Exception as error:
        # The plain list has just been read, so this is a matter of the client.
        trouble = diagnose(error, adapter.address)
        if trouble.status == 426:
            return [], [_mismatch(trouble.words)]
        return [], [f"llama-stack-client cannot list the models ({trouble}); generation works all the same."]


@contextmanager
def _root_logger_as_it_is() -> Iterator[None]:
    """Undo what importing the client does (0.7.5): it makes every request of every library a line on stderr."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def _mismatch(words: str) -> str:
    version = re.search(r"server version v?(\d+)\.(\d+)", words)
    wanted = f"'llama-stack-client=={version[1]}.{version[2]}.*'" if version else "the server's version of it"
    # Its releases after 0.2.12 are for Python 3.12 and newer.
    python = " (needs Python 3.12)" if sys.version_info < (3, 12) and version and version[2] != "2" else ""
    return (
        f"llama-stack-client does not match this server ({words.rstrip('.')}). Generation works all "
        f"the same; for the client's own commands install {wanted}{python}."
    )
