"""From the bytes of a text file to its text."""

import codecs

from sdgkit.seeds.rows import Place, Unreadable

# Encodings that a file names by its first bytes; those of UTF-32 begin like those of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# In cp1252, what Excel writes in Western Europe, nearly every byte is a character.
_USUAL_OTHER = "cp1252"
_LOOKED_AT = 1000  # bytes


def decode(data: bytes, encoding: str | None = None) -> str:
    """The text of a file.

    Args:
        data: Its bytes.
        encoding: Its encoding; by default what its byte order mark says, otherwise UTF-8.

    Raises:
        Unreadable: It has another encoding, or there is no such encoding.

    Example:
        >>> decode("Größe".encode("cp1252"), "cp1252")
        'Größe'
    """
    if encoding is None:
        encoding = _encoding_of(data)
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise Unreadable(
            f"there is no encoding {encoding!r}. Use a name such as utf-8, {_USUAL_OTHER} or "
            "utf-16.",
            Place(line=1),
        ) from None
    except UnicodeDecodeError as error:
        raise _wrong_encoding(error, encoding) from error
    if "\n" not in text:
        return text.replace("\r", "\n")  # the line ends of old Macs, and of Excel's for the Mac
    return text


def _encoding_of(data: bytes) -> str:
    """The encoding that a file's first bytes tell; UTF-8 if they tell none."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    # Every second byte of plain letters in UTF-16 is 0, which is in no other text.
    beginning = data[:_LOOKED_AT]
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = beginning[start::2].count(0)
        if zeros * 4 >= len(beginning) and zeros == beginning.count(0):
            return name
    return "utf-8"


def _wrong_encoding(error: UnicodeDecodeError, encoding: str) -> Unreadable:
    line = error.object.count(b"\n", 0, error.start) + 1
    byte = error.object[error.start]
    name = encoding.upper().replace("-SIG", "")
    advice = "Name the encoding of the file with --encoding or encoding=."
    if encoding == "utf-8":
        advice = (
            f"If it comes from Excel or an older Windows program, it is probably {_USUAL_OTHER}: "
            f"add --encoding {_USUAL_OTHER} (encoding={_USUAL_OTHER!r} in Python). Otherwise save "
            "the file as UTF-8."
        )
    return Unreadable(
        f"the byte 0x{byte:02X} at offset {error.start} is not {name}. {advice}", Place(line=line)
    )
