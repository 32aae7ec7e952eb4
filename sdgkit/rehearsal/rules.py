"""The rules in a model's place: a reply is a function of messages, sampling seed and temperature."""

import hashlib
import random
import re

from sdgkit.rehearsal import judging
from sdgkit.rehearsal.anyskill import AnySkill
from sdgkit.rehearsal.judging import Findings
from sdgkit.rehearsal.reading import Assignment, Messages, read
from sdgkit.rehearsal.skills import Skill, commit, mail, table, ticket
from sdgkit.rehearsal.wording import sign, vocabulary

FLAWED_RESPONSES = 0.10  # share with a mistake in it
OVERLOOKED = 0.04  # share of the responses in which a judge finds nothing, whatever there is

_SKILLS = [
    Skill("feedback", table),
    Skill("figures", mail),
    Skill("ticket", ticket),
    Skill("commit", commit),
]
_ANY_SKILL = AnySkill()

# The tagged texts of a reply: role (as in `reading.Block`), start tag, text, end tag. A plain answer has empty tags.
Pieces = list[tuple[str, str, str, str]]


def digest(messages: Messages, seed: int | None, temperature: float | None) -> bytes:
    """What a reply depends on, in 12 bytes. Like a greedy model, temperature 0 ignores the sampling seed."""
    sample = None if temperature == 0 else (seed, temperature, 0)
    # the separators keep two messages from looking like one
    content = "\x1e".join([*(f"{role}\x1f{text}" for role, text in messages), repr(sample)])
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def write(messages: Messages, digest: bytes) -> Pieces:
    """Write the reply to a chat; `digest` (see `digest()`) is all the chance there is in it."""
    asked, dice = read(messages), random.Random(int.from_bytes(digest))
    if not asked.tags:
        topics, message = vocabulary("smalltalk")["topics"], messages[-1][1][:2000].lower()
        answers = next(
            topic["answers"] for topic in topics if any(word in message for word in topic["words"])
        )
        return [("other", "", dice.choice(answers), "")]
    skill = next(
        (one for one in _SKILLS if re.search(one.texts["sign"], asked.example)), _ANY_SKILL
    )
    if any(tag.role == "score" for tag in asked.tags):
        words, score = _judged(asked, skill, dice)
        return [
            (tag.role, tag.start, str(score) if tag.role == "score" else words, tag.end)
            for tag in asked.tags
        ]
    questions: set[str] = set()
    return [
        piece for _ in range(asked.wanted) for piece in _one_sample(asked, skill, dice, questions)
    ]


def text(pieces: Pieces) -> str:
    """The reply as a model would write it, each tag on a line of its own."""
    return "\n\n".join(
        f"{start}\n{text}\n{end}" if start else text for _, start, text, end in pieces
    )


def malformed(pieces: Pieces, dice: random.Random) -> str:
    """The reply with its form broken in one of several ways that real models have."""
    untagged = "\n\n".join(piece[2] for piece in pieces)
    return dice.choice(
        ["", untagged, pieces[0][1], "I'm sorry, but I can't help with that request."]
    )


def _one_sample(
    asked: Assignment, skill: Skill | AnySkill, dice: random.Random, questions: set[str]
) -> Pieces:
    """One piece for each tag asked for; what is written first is given for what comes after it."""
    pieces = []
    for tag in asked.tags:
        if tag.role == "context":
            text = skill.context(asked, dice)
        elif tag.role == "question":
            tries = (skill.question(asked, dice) for _ in range(8))
            text = next((one for one in tries if one not in questions), "") or skill.question(
                asked, dice
            )
            questions.add(text)
        else:
            text = skill.written(asked)
            text = (
                judging.spoilt(text, asked.example or text, dice)
                if dice.random() < FLAWED_RESPONSES
                else text
            )
        asked = asked._replace(given={**asked.given, tag.role: text})
        pieces.append((tag.role, tag.start, text, tag.end))
    return pieces


def _judged(asked: Assignment, skill: Skill | AnySkill, dice: random.Random) -> tuple[str, int]:
    """Evaluation and score of a question, a response, or of two: low if the first is better, high if the second is."""
    (low, high), response = asked.scale, asked.given.get("response")
    if response is None:
        question = asked.given.get("question", "")
        found = {
            reason: False
            for template, reason in skill.off.items()
            if sign(template).search(question)
        }
        return judging.verdict(found, asked.scale, "question", "", dice)
    if asked.rival is None:
        found = {} if dice.random() < OVERLOOKED else _findings(asked, skill, response)
        return judging.verdict(found, asked.scale, skill.name, response, dice)
    first, second = (_findings(asked, skill, response) for response in (asked.rival, response))
    if len(first) == len(second):
        return dice.choice(judging.VERDICTS["equal"]), (low + high) // 2
    place, worse, score = (
        ("second", second, low) if len(first) < len(second) else ("first", first, high)
    )
    return f"The {place} response is worse. {' '.join(worse)}", score


def _findings(asked: Assignment, skill: Skill | AnySkill, response: str) -> Findings:
    """What is wrong with a response; to the example's own question, the example's is right by definition."""
    if not asked.example:
        return {}
    is_seed = all(
        asked.seed.get(role) == text for role, text in asked.given.items() if role != "response"
    )
    return judging.differences(asked.example if is_seed else skill.written(asked), response)
