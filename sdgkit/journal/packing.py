"""Messages in a journal, compressed relative to those of an earlier request of the same stage.

Most of a prompt is what the stage always says. So a request's messages are stored as deflated text
whose dictionary is the messages of another request, its *base*. The base is named by its key and
not by its place: what is copied into another journal can be read there too.
"""

import zlib
from dataclasses import dataclass, field

KEY_BYTES = 32
"""Bytes of the key of a base (SHA-256); all zero where there is none."""

NO_BASE = bytes(KEY_BYTES)

LEVEL = 3
"""Of zlib's 9: a higher one makes the text a twentieth shorter and takes a fifth longer."""

WINDOW = 32 * 2**10 - 300
"""Bytes of a base that zlib looks at: its window, less what it needs itself."""

LARGEST_MESSAGES = 64 * 2**20
"""Bytes of one request's messages. Few packed bytes may stand for many."""

POOR_SHARE = 3
"""Where less than two thirds of the text is saved, the base does not fit."""


@dataclass
class Packer:
    """Compresses the messages of requests, in the order in which they are recorded."""

    _bases: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def pack(self, stage: str, key: str, messages: bytes) -> bytes:
        """The messages of a request, packed.

        Args:
            stage: The stage that asks.
            key: The key of the request.
            messages: Its messages as JSON.
        """
        base = self._bases.get(stage)
        if base is not None:
            packed = _deflated(bytes.fromhex(base[0]), messages, base[1])
            if len(packed) * POOR_SHARE <= len(messages):
                return packed
        self._bases[stage] = (key, messages)
        return _deflated(NO_BASE, messages, b"")


def base_of(packed: bytes) -> str | None:
    """The key of the request whose messages are needed to unpack these; None if none are."""
    key = packed[:KEY_BYTES]
    return None if key == NO_BASE else key.hex()


def unpack(packed: bytes, base: bytes = b"") -> bytes:
    """The messages as JSON.

    Args:
        packed: What `Packer.pack` made of them.
        base: The messages of the base as JSON, if they have one.

    Raises:
        ValueError: They are not what sdgkit writes.
    """
    if len(packed) < KEY_BYTES:
        raise ValueError("it is too short")
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=base[-WINDOW:])
    try:
        messages = inflater.decompress(packed[KEY_BYTES:], LARGEST_MESSAGES)
    except zlib.error as error:
        raise ValueError(f"it is not compressed text: {error}") from None
    if not inflater.eof:
        raise ValueError("it is cut off, or too large")
    return messages


def _deflated(base_key: bytes, messages: bytes, base: bytes) -> bytes:
    deflater = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS, zdict=base[-WINDOW:])
    return base_key + deflater.compress(messages) + deflater.flush()
