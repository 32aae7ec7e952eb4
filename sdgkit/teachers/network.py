"""How to reach an address: through which proxy, and whose certificates to trust."""

import os
import re
import ssl
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

import certifi

from sdgkit.errors import SettingsError

_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True)
class Proxy:
    """A proxy on the way to a server.

    Attributes:
        url: Its address, perhaps with a password.
        variable: The environment variable that names it.
    """

    url: str = field(repr=False)
    variable: str

    @property
    def address(self) -> str:
        """Its address without a password."""
        return urllib.parse.urlsplit(self.url).netloc.rpartition("@")[2]


def proxy_for(base_url: str) -> Proxy | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY ask for; none for loopback.

    Raises:
        SettingsError: It is of a kind that cannot be used.
    """
    url = urllib.parse.urlsplit(base_url)
    is_loopback = _LOOPBACK.fullmatch(url.hostname or "")
    if is_loopback or urllib.request.proxy_bypass(url.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy_url = proxies.get(url.scheme) or proxies.get("all")
    if not proxy_url:
        return None
    if "://" not in proxy_url:
        proxy_url = f"http://{proxy_url}"
    proxy = Proxy(proxy_url, _variable_with(proxy_url, url.scheme))
    kind = urllib.parse.urlsplit(proxy_url).scheme
    if kind not in ("http", "https"):
        name = "SOCKS proxies"
        if not kind.startswith("socks"):
            name = f"Proxies of the kind {kind}"
        raise SettingsError(
            f"{name} are not supported: {proxy.variable} names {kind}://{proxy.address}. Unset it "
            f"or name an HTTP proxy, or add {url.hostname} to NO_PROXY to connect without one.",
            setting=proxy.variable,
        )
    return proxy


def _variable_with(proxy_url: str, scheme: str) -> str:
    """The environment variable that names a proxy."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            value = os.environ.get(variable)
            if value and proxy_url.endswith(value):
                return variable
    return "the system's settings"


def ssl_context_for(base_url: str) -> ssl.SSLContext:
    """Whose certificates to trust.

    The system's authorities, and those in SSL_CERT_FILE and REQUESTS_CA_BUNDLE; where neither is
    set, certifi's, since a slim container has none of its own. (truststore would add nothing on
    Linux, where it asks OpenSSL for the same.)

    Raises:
        SettingsError: A file or folder of certificates cannot be read.
    """
    if not base_url.startswith("https:"):
        # Reading the authorities takes tens of milliseconds; a plain connection need not pay them.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    named = [os.environ.get(variable) for variable in _CERTIFICATE_VARIABLES]
    for place in list(filter(None, named)) or [certifi.where()]:
        try:
            if os.path.isdir(place):
                context.load_verify_locations(capath=place)
            else:
                context.load_verify_locations(cafile=place)
        except OSError as error:
            raise SettingsError(
                f"The certificates in {place} cannot be read ({error}). "
                f"Check {' and '.join(_CERTIFICATE_VARIABLES)}.",
                setting="SSL_CERT_FILE",
            ) from error
    return context
