"""What a server can do, found out by asking it."""

from typing import NamedTuple

from sdgkit.teachers import background
from sdgkit.teachers.exchange import Request
from sdgkit.teachers.teacher import Teacher

MESSAGE = (
    "Name a colour and a city."  # an answer that differs from time to time, unless it is seeded
)


class Ability(NamedTuple):
    """Something that a server can do, or cannot.

    Attributes:
        name: What it is, as the verb of a sentence about the server.
        answer: "yes" or "no", and what follows from it.
    """

    name: str
    answer: str


def abilities(teacher: Teacher) -> list[Ability]:
    """Find out what the teacher's server can do, with about five short requests.

    Raises:
        TeacherError: If it cannot be asked.
    """
    request = Request(
        messages=({"role": "user", "content": MESSAGE},),
        sampling={"temperature": 1.0, "max_tokens": 40},
    )
    first = background.wait(teacher.reply(request))
    second = background.wait(teacher.reply(request))
    way = background.wait(teacher.structured_output_way(request))
    structured_output = f"yes ({way})" if way else "no; malformed replies are requested again"
    counts_tokens = bool(first.prompt_tokens and first.completion_tokens)
    return [
        Ability(
            "repeats a reply for the same sampling seed", _yes_or_no(first.text == second.text)
        ),
        Ability("supports structured output", structured_output),
        Ability("counts tokens", _yes_or_no(counts_tokens)),
        Ability("returns its reasoning separately", _yes_or_no(bool(first.reasoning))),
    ]


def _yes_or_no(can: bool) -> str:
    return "yes" if can else "no"
