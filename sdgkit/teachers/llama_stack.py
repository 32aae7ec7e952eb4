"""What is special about Llama Stack servers: two paths, and a list of models with their types."""

import logging
import re
from typing import TYPE_CHECKING, Any

from sdgkit.teachers.diagnosis import diagnose_exception, diagnose_response
from sdgkit.teachers.network import ssl_context_for
from sdgkit.teachers.server import Server

if TYPE_CHECKING:
    from llama_stack_client import AsyncLlamaStackClient

# Where the API is, the likeliest first. 0.2 has it under the longer path (under the other it lists
# models only), 0.7 under the shorter one, 0.3 under both.
PATHS = ("/v1/openai/v1", "/v1")

_SERVER_VERSION = re.compile(r"server version v?(\d+\.(\d+))")


def root_of(url: str) -> str:
    """The address without the path of the API."""
    return re.sub(r"/v1(/openai/v1)?$", "", url)


async def list_models(server: Server) -> list[dict[str, Any]]:
    """The entries of the list of models, as `llama-stack-client` gives them.

    Where it cannot, the list is empty, and the server's notes say what to do about it.
    """
    client = _open_client(server)
    try:
        async with client:
            return [model.to_dict() for model in await client.models.list()]
    except Exception as error:
        # The plain list of models has just been read, so it is the client that does not fit.
        server.notes.append(_note_on(error, server))
        return []


def _open_client(server: Server) -> "AsyncLlamaStackClient":
    # Without a handler, the import (0.7.5) turns each request of any library into a line on stderr.
    root_logger = logging.getLogger()
    silence = logging.NullHandler()
    root_logger.addHandler(silence)
    from llama_stack_client import AsyncLlamaStackClient, DefaultAsyncHttpxClient

    root_logger.removeHandler(silence)
    root = root_of(server.base_url)
    http_client = DefaultAsyncHttpxClient(
        trust_env=False,
        proxy=server.proxy.url if server.proxy else None,
        verify=ssl_context_for(root),
        follow_redirects=False,  # nothing goes to any other address than the teacher's
    )
    return AsyncLlamaStackClient(
        base_url=root,
        api_key=server.credentials.key or "none",  # else it looks for one in the environment
        default_headers=server.credentials.headers,
        max_retries=0,
        http_client=http_client,
    )


def _note_on(error: Exception, server: Server) -> str:
    body = getattr(error, "body", None)  # a response's, on the client's own exceptions
    trouble = diagnose_response(426, body, server) if body else diagnose_exception(error, server)
    note = (
        f"llama-stack-client cannot list the models ({trouble.detail}). Generation works regardless"
    )
    version = _SERVER_VERSION.search(trouble.detail)
    if version is None:
        return f"{note}."
    # All versions after 0.2.12 do.
    requirement = "" if version[2] == "2" else " (needs Python 3.12)"
    package = f"'llama-stack-client=={version[1]}.*'"
    return f"{note}; for the client's own commands install {package}{requirement}."
