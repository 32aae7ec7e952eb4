"""How busy a server is, as vLLM's page /metrics reports it."""

import re
from collections import Counter
from dataclasses import dataclass

# Lines of the page, in the text format of Prometheus (docs.vllm.ai, "Production Metrics"): one for
# each engine.
_METRIC = re.compile(
    r"^vllm:(?:num_requests_)?(running|waiting|prefix_cache_hits|prefix_cache_queries)"
    r"(?:_total)?(?:\{.*\})?\s+(\S+)",
    re.MULTILINE,
)
# The share of the cache of keys and values that is in use; `gpu_` up to vLLM 0.10.
_CACHE_USE = re.compile(
    r"^vllm:(?:gpu|kv)_cache_usage_perc(?:\{.*\})?\s+(\d\S*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class ServerLoad:
    """How busy a server is, by its own account, summed over its engines.

    Attributes:
        running: Requests it is working on.
        waiting: Requests in its queue.
        prefix_cache_hits: Prompt tokens that came from its cache since it started.
        prefix_cache_queries: Prompt tokens that were looked up there.
        cache_use: Share of the memory for keys and values in use, 0 to 1; of several engines, the
            highest.
    """

    running: int = 0
    waiting: int = 0
    prefix_cache_hits: int = 0
    prefix_cache_queries: int = 0
    cache_use: float = 0.0


def read_load(page: str) -> ServerLoad | None:
    """The load that a page reports; None if it is not vLLM's.

    Example:
        >>> read_load('vllm:num_requests_running{engine="0"} 3.0\\nvllm:num_requests_waiting 1.0')
        ServerLoad(running=3, waiting=1, prefix_cache_hits=0, prefix_cache_queries=0, cache_use=0.0)
        >>> read_load("404: Not Found") is None
        True
    """
    counts: Counter[str] = Counter()
    for name, value in _METRIC.findall(page):
        counts[name] += int(float(value))
    if "running" not in counts:
        return None
    cache_uses = [float(value) for value in _CACHE_USE.findall(page)]
    return ServerLoad(**counts, cache_use=max(cache_uses, default=0.0))
