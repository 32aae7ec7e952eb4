"""Llama Stack (and OGX, its new name): models through `llama-stack-client`, generation over its OpenAI
path.
"""

import asyncio
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sdgkit.teachers.credentials import Credentials
from sdgkit.teachers.diagnosis import Address, diagnose
from sdgkit.teachers.openai_compatible import NO_KEY, OpenAICompatible, model_names, proxy_for, trust

# Where the generations of the server have their OpenAI API: 0.2 under the old, from 0.7 on the new, 0.3 both.
_NEW_PATH, _OLD_PATH = "/v1", "/v1/openai/v1"


async def open_stack(
    base_url: str, *, credentials: Credentials, headers: Mapping[str, str], timeout: float
) -> tuple[OpenAICompatible, list[str], list[str]]:
    """Find a stack's OpenAI path and its models: (adapter, names of the models, notes for the user).

    base_url: with or without a path. Raises what the client raises.
    """
    root = re.sub(r"/v1(/openai/v1)?$", "", base_url)

    def adapter(path: str) -> OpenAICompatible:
        address = Address(root + path, "llama-stack", credentials=credentials)
        return OpenAICompatible(address, headers=headers, timeout=timeout)

    chosen, old = adapter(_NEW_PATH), adapter(_OLD_PATH)
    try:
        rows = await chosen.rows()
        if any("id" not in row for row in rows):
            try:
                await old.rows()
            except Exception:
                pass  # rows of the old form at the new path only
            else:
                chosen, old = old, chosen
        names, notes = await _ask_client(chosen, root, {**credentials.headers, **headers})
    except BaseException:
        await chosen.close()
        raise
    finally:
        await old.close()
    return chosen, names or model_names(rows), notes


async def _ask_client(adapter: OpenAICompatible, root: str, headers: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The models as `llama-stack-client` lists them; where it cannot, none, and a note on what to do about
    it.
    """
    try:
        with _root_logger_as_it_is():
            from llama_stack_client import AsyncLlamaStackClient, DefaultAsyncHttpxClient
    except ImportError as error:
        return [], [f"llama-stack-client cannot be imported ({error}); generation works all the same."]
    connection = DefaultAsyncHttpxClient(
        trust_env=False, proxy=proxy_for(root), verify=trust(root), follow_redirects=False, timeout=60.0
    )
    client = AsyncLlamaStackClient(
        base_url=root,
        api_key=adapter.address.credentials.key or NO_KEY,
        default_headers=headers,
        max_retries=0,
        http_client=connection,
    )
    try:
        async with client, asyncio.timeout(60.0):
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
