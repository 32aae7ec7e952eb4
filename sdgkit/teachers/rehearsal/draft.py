"""A reply before it is sent: pieces of text, each between the tags that the prompt asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """One tagged text. `role` is what it is (context, question, response, evaluation, score, other)."""

    role: str
    start: str
    text: str
    end: str


@dataclass(frozen=True, slots=True)
class Draft:
    """The pieces of one reply, in order. A plain answer is one piece with empty tags."""

    pieces: tuple[Piece, ...]

    def text(self) -> str:
        """The reply as a model would write it, each tag on a line of its own."""
        return "\n\n".join(
            f"{piece.start}\n{piece.text}\n{piece.end}" if piece.start else piece.text for piece in self.pieces
        )


def plain(text: str) -> Draft:
    """A reply without tags."""
    return Draft((Piece("other", "", text, ""),))
