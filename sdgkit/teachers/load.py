"""How busy a server is, where it tells: the page /metrics, in the text format of Prometheus, with vLLM's names."""

import re
from collections.abc import Mapping

# Of several engines or models behind one server, the sum (docs.vllm.ai, "Production Metrics").
NAMES: Mapping[str, str] = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:prefix_cache_hits_total": "prefix_cache_hits",
    "vllm:prefix_cache_queries_total": "prefix_cache_queries",
}
_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{.*\})?\s+([0-9.eE+-]+)", re.MULTILINE)


def read_metrics(page: str) -> dict[str, int] | None:
    """running, waiting: requests now; prefix_cache_hits, prefix_cache_queries: tokens since its start.

    None if the page says nothing of the kind.
    """
    found: dict[str, int] = {}
    for name, value in _LINE.findall(page):
        if name in NAMES:
            found[NAMES[name]] = found.get(NAMES[name], 0) + int(float(value))
    return found if "running" in found else None
