"""How to reach an address: through which proxy, and whose certificates to trust."""

import os
import re
import ssl
import urllib.parse
import urllib.request

import certifi

from sdgkit.errors import SettingsError

_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def proxy_for(base_url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY ask for; none for loopback."""
    url = urllib.parse.urlsplit(base_url)
    is_loopback = _LOOPBACK.fullmatch(url.hostname or "")
    if is_loopback or urllib.request.proxy_bypass(url.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if proxy and "://" not in proxy:
        return f"http://{proxy}"
    return proxy


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
