"""The address of a server, from what people paste."""

import re
import urllib.parse
from dataclasses import dataclass

from sdgkit.errors import SettingsError

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?(\?[^\s#@?]*)?")
# What providers' pages show after the base URL: the endpoints themselves.
_ENDPOINT = re.compile(r"/+(chat(/+completions)?|completions|models|responses|embeddings)/*$")
_SECRET_NAME = re.compile(r"(?i)key|token|secret|sig|pass|auth|cred|code")
# Azure's path, which names the model ("deployment").
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)$")
API_VERSION = "api-version"


@dataclass(frozen=True)
class Address:
    """Where a server has its API.

    Attributes:
        base_url: What comes before `/chat/completions`, without a final slash.
        query: What comes after it, such as "?api-version=2024-10-21"; usually empty.
    """

    base_url: str
    query: str = ""

    def __str__(self) -> str:
        return self.base_url + self.query


def parse_address(url: str) -> Address:
    """The address that the user gave, if it can be shown and written down.

    Raises:
        SettingsError: It cannot; it is not repeated, since it may contain a password.

    Example:
        >>> print(parse_address("http://gpu-7:8000//v1/chat/completions"))
        http://gpu-7:8000/v1
        >>> print(parse_address("https://x.example/openai/deployments/d?api-version=2024-10-21"))
        https://x.example/openai/deployments/d?api-version=2024-10-21
    """
    if not _is_valid(url):
        raise SettingsError(
            "The base URL must look like http://host:8000/v1: http or https, a host, no '#' or "
            "'@', and nothing secret after a '?'. To send a key or a password, use --header or "
            "headers=.",
            setting="base_url",
        )
    parts = urllib.parse.urlsplit(url)
    path = re.sub(r"//+", "/", _ENDPOINT.sub("", parts.path)).rstrip("/")
    query = ""
    if parts.query:
        query = f"?{parts.query}"
    return Address(f"{parts.scheme}://{parts.netloc}{path}", query)


def _is_valid(url: str) -> bool:
    if not _URL.fullmatch(url):
        return False
    try:
        parts = urllib.parse.urlsplit(url)
        is_port = parts.port != 0
    except ValueError:  # a port that is no number, half of an IPv6 address
        return False
    names = [name for name, _ in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)]
    return is_port and not any(map(_SECRET_NAME.search, names))


def deployment_in(base_url: str) -> str | None:
    """The model that an address of Azure OpenAI names; None for any other address."""
    deployment = _DEPLOYMENT.search(base_url)
    if deployment is None:
        return None
    return deployment[1]


def azure_hint(address: Address) -> str:
    """What an address of Azure OpenAI lacks, as a sentence; empty if it lacks nothing."""
    host = urllib.parse.urlsplit(address.base_url).hostname or ""
    is_azure = deployment_in(address.base_url) is not None or host.endswith(".azure.com")
    if not is_azure or API_VERSION in address.query:
        return ""
    return (
        " An address of Azure OpenAI looks like "
        "https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=2024-10-21: "
        "give the api-version of your resource too."
    )
