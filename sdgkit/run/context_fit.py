"""Whether your own contexts fit into what the teacher can hold."""

from collections.abc import Iterable, Mapping, Sequence

from sdgkit.errors import SeedError
from sdgkit.prompts import Prompt
from sdgkit.samples import Row
from sdgkit.teachers import Teacher

# Bytes (UTF-8) of a token, for a text that is refused: with fewer, it is longer than said here.
BYTES_PER_TOKEN = 4.5
USUAL_REPLY = 2048
SHOWN = 3


def refuse_what_does_not_fit(
    contexts: Sequence[Row], teachers: Iterable[Teacher], prompts: Mapping[str, Prompt]
) -> None:
    """Refuse contexts that leave no room for a reply in what a teacher can hold.

    Args:
        contexts: The contexts.
        teachers: The teachers that are asked; one that does not say how much it holds fits all.
        prompts: The prompts, which say how long a reply may be.

    Raises:
        SeedError: Some do not fit.
    """
    lengths = []
    for teacher in teachers:
        if teacher.context_length:
            lengths.append(teacher.context_length)
    if not lengths:
        return
    limit = min(lengths)
    reply = max(
        (int(prompt.sampling.get("max_tokens") or USUAL_REPLY) for prompt in prompts.values()),
        default=USUAL_REPLY,
    )
    too_long = []
    for number, row in enumerate(contexts, 1):
        tokens = int(len(str(row.get("context")).encode("utf-8", "replace")) / BYTES_PER_TOKEN)
        if tokens + reply > limit:
            place = f"row {number}"
            if "source" in row:
                place = f"{place} ({row['source']})"
            too_long.append(f"{place}, about {tokens:,} tokens")
    if too_long:
        more = ""
        if len(too_long) > SHOWN:
            more = f" and {len(too_long) - SHOWN} more"
        raise SeedError(
            f"contexts: {len(too_long)} of {len(contexts)} do not fit into the {limit:,} tokens "
            f"that the teacher can hold, with a reply of up to {reply:,}: "
            f"{'; '.join(too_long[:SHOWN])}{more}. Split them with --split-contexts heading or a "
            "number of words, lower --max-tokens, or give the server more context."
        )
