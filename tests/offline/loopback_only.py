"""Refuses every connection and name look-up that would leave this machine.

It does so in the process that installs it.

The refusal is an ordinary `OSError`, as an offline machine would give it, and code under test may
well swallow it. So each attempt is also written down, one line each, in the file that
`SDGKIT_TEST_CONNECTIONS` names, where the test that caused it finds it (see `conftest.py`).
Look-ups count as well: on an offline machine nothing gets further.
"""

import ipaddress
import os
import socket
import sys
from typing import Any

RECORD = "SDGKIT_TEST_CONNECTIONS"
# Names that never leave the machine (RFC 6761 and RFC 2606), so that tests may ask for an unknown
# host.
RESERVED_ENDINGS = ("localhost", ".localhost", ".invalid", ".test", ".example")


class LeavesThisMachine(PermissionError):
    """A test tried to reach something that is not on this machine."""


def install() -> None:
    """Watch this process from now on; there is no way back (audit hooks cannot be removed)."""
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        connection, address = arguments
        if (
            connection.family in (socket.AF_INET, socket.AF_INET6)
            and address
            and not _is_here(address[0])
        ):
            _refuse(f"{event} {address[0]} port {address[1]}")
    elif event == "socket.getaddrinfo" and not _is_here(arguments[0]):
        _refuse(f"{event} {_text(arguments[0])}")


def _is_here(host: str | bytes | None) -> bool:
    name = _text(host).rstrip(".").lower()
    if not name or name.endswith(RESERVED_ENDINGS) or name == socket.gethostname().lower():
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _text(host: str | bytes | None) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host or ""


def _refuse(attempt: str) -> None:
    path = os.environ.get(RECORD)
    if path:
        with open(path, "a", encoding="utf-8") as record:
            record.write(f"{attempt} (process {os.getpid()}: {' '.join(sys.argv)[:200]})\n")
    raise LeavesThisMachine(f"tests may only connect to loopback: {attempt}")
