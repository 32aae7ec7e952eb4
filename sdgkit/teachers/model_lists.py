"""Reads a server's list of models, in the forms that servers have for it."""

from collections.abc import Iterable, Mapping
from typing import Any

# Where a list is in the body of the response: for OpenAI, for Ollama's own API, and for Gemini.
_PLACES = ("data", "models")
# What names a model in an entry: OpenAI, Llama Stack 0.2, Ollama.
_NAMES = ("id", "identifier", "name", "model")


def entries_of(body: object) -> list[dict[str, Any]] | None:
    """The entries of a list of models; None if the body holds no such list.

    Example:
        >>> entries_of({"object": "list", "data": [{"id": "tiny"}]})
        [{'id': 'tiny'}]
        >>> entries_of(["tiny"])
        [{'id': 'tiny'}]
    """
    entries: object = body
    if isinstance(body, dict):
        entries = _first_list(body)
    if not isinstance(entries, list):
        return None
    named_entries = []
    for entry in entries:
        if isinstance(entry, dict | str):
            named_entries.append(_entry(entry))
    return named_entries


def _first_list(body: Mapping[str, Any]) -> list[Any] | None:
    for place in _PLACES:
        if isinstance(body.get(place), list):
            return list(body[place])
    return None


def _entry(entry: dict[str, Any] | str) -> dict[str, Any]:
    return {"id": entry} if isinstance(entry, str) else entry


def language_models(entries: Iterable[Mapping[str, Any]]) -> dict[str, int | None]:
    """The language models in a list, with the number of tokens each can hold, where it says so.

    OpenAI's entries have an `id`; Llama Stack's may say of which type they are. A pattern such as
    LiteLLM's `openai/*` names no model.
    """
    models: dict[str, int | None] = {}
    for entry in entries:
        name = next(filter(None, map(entry.get, _NAMES)), None)
        is_language_model = _model_type(entry) in (None, "llm")
        if is_language_model and _is_name(name):
            length = entry.get("max_model_len")
            models[str(name)] = length if isinstance(length, int) else None
    return models


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and "*" not in name


def _model_type(entry: Mapping[str, Any]) -> object:
    model_type = entry.get("model_type") or None
    metadata = entry.get("custom_metadata")
    if model_type is None and isinstance(metadata, dict):
        return metadata.get("model_type")
    return model_type
