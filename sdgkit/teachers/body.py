"""Reads the body of a response, with a bound on its size after decompression.

A megabyte of gzip may stand for a gigabyte. So it is decompressed here, piece by piece, and never
further than the bound.
"""

import zlib
from collections.abc import AsyncIterator, Callable

LARGEST_BODY = 32 * 2**20
"""Bytes. A reply of 128,000 tokens, with its reasoning and quoting, is about 1 MB."""

ACCEPTED_ENCODINGS = "gzip, deflate"


class BodyRefused(Exception):
    """A body that is too large, or encoded in a way that was not asked for.

    Attributes:
        status: The HTTP status of its response, where that is known.
    """

    status: int | None = None


async def read_body(
    pieces: AsyncIterator[bytes],
    encoding: str = "",
    on_piece: Callable[[bytes], None] | None = None,
) -> bytes:
    """Read the whole body.

    Args:
        pieces: The body as it comes, not decompressed.
        encoding: What the header Content-Encoding says; empty without one.
        on_piece: Called with each piece, decompressed, as it comes.

    Raises:
        BodyRefused: It is larger than `LARGEST_BODY`, or cannot be decoded.
    """
    decoder = _decoder(encoding)
    body = bytearray()
    async for piece in pieces:
        if decoder is not None:
            try:
                # One byte more than there is room for shows that there is too much.
                piece = decoder.decompress(piece, LARGEST_BODY - len(body) + 1)
            except zlib.error as error:
                raise BodyRefused(f"its compressed body is broken: {error}") from None
        body += piece
        if len(body) > LARGEST_BODY:
            raise BodyRefused(f"the reply is larger than {LARGEST_BODY // 2**20} MB")
        if on_piece is not None:
            on_piece(piece)
    return bytes(body)


def _decoder(encoding: str) -> "zlib._Decompress | None":
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # finds out which of the two it is
    raise BodyRefused(f"the reply has the encoding {encoding[:40]!r}, which was not requested")
