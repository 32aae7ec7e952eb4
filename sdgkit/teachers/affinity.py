"""Which of several servers gets a request: one seed's requests prefer one server.

Its prefix cache then holds the beginning that the prompts of this seed share, and need not hold
those of all other seeds. The choice is a rendezvous hash (Thaler and Ravishankar, 1998), so that
a server that comes or goes changes the choice for its own seeds only; with a bounded load
(Mirrokni, Thorup and Zadimoghaddam, 2018), so that no server is left idle beside a crowded one.
"""

import hashlib
import math
from collections.abc import Mapping

BOUND = 1.25
"""No server gets a request while it has more than its share of those in flight, times this."""


def preferred_servers(seed: str, in_flight: Mapping[str, int]) -> list[str]:
    """The servers for a request of a seed, the one to ask first.

    Args:
        seed: The seed's lineage id.
        in_flight: How many requests each server is working on, by its base URL.

    Returns:
        Those with room in the seed's order; then the others, the least busy first.

    Example:
        >>> preferred_servers("s1", {"http://a/v1": 0, "http://b/v1": 0})
        ['http://b/v1', 'http://a/v1']
        >>> preferred_servers("s1", {"http://a/v1": 0, "http://b/v1": 9})
        ['http://a/v1', 'http://b/v1']
    """
    most = math.ceil(BOUND * (sum(in_flight.values()) + 1) / len(in_flight))
    ranked = sorted(in_flight, key=lambda server: _rank(seed, server), reverse=True)
    with_room = []
    crowded = []
    for server in ranked:
        if in_flight[server] < most:
            with_room.append(server)
        else:
            crowded.append(server)
    crowded.sort(key=lambda server: in_flight[server])
    return with_room + crowded


def _rank(seed: str, server: str) -> bytes:
    return hashlib.blake2b(f"{seed}\n{server}".encode(), digest_size=8).digest()
