"""The rules in a model's place: a reply is a function of messages, sampling seed and temperature."""

import hashlib
import random
from dataclasses import dataclass, replace

from sdgkit.teachers.rehearsal import judging, mistakes
from sdgkit.teachers.rehearsal.anyskill import AnySkill
from sdgkit.teachers.rehearsal.chat import Message
from sdgkit.teachers.rehearsal.commit import Commit
from sdgkit.teachers.rehearsal.feedback import Feedback
from sdgkit.teachers.rehearsal.figures import Figures
from sdgkit.teachers.rehearsal.judging import Finding
from sdgkit.teachers.rehearsal.reading import Assignment, read
from sdgkit.teachers.rehearsal.skills import Skill
from sdgkit.teachers.rehearsal.ticket import Ticket
from sdgkit.teachers.rehearsal.wording import vocabulary

FLAWED_RESPONSES = 0.10  # share with a mistake in it
OVERLOOKED = 0.04  # share of the responses in which a judge finds nothing, whatever there is

_SKILLS = (Feedback("feedback"), Figures("figures"), Ticket("ticket"), Commit("commit"))


@dataclass(frozen=True, slots=True)
class Piece:
    """One tagged text of a reply, its role as in `reading.Tag`. A plain answer is one piece with empty tags."""

    role: str
    start: str
    text: str
    end: str


def digest(messages: tuple[Message, ...], seed: int | None, temperature: float) -> bytes:
    """What a reply depends on, in 12 bytes. Like a greedy model, temperature 0 ignores the sampling seed."""
    sample = (seed, temperature, 0) if temperature > 0 else None
    # the separators keep two messages from looking like one
    content = "\x1e".join([*(f"{message.role}\x1f{message.text}" for message in messages), repr(sample)])
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def write(messages: tuple[Message, ...], digest: bytes) -> list[Piece]:
    """Write the reply to a chat; `digest` (see `digest()`) is all the chance there is in it."""
    asked = read(messages)
    dice = random.Random(int.from_bytes(digest))
    if not asked.asked:
        return [Piece("other", "", _small_talk(messages[-1].text, dice), "")]
    skill = next((skill for skill in _SKILLS if skill.suits(asked)), AnySkill())
    if asked.asks_for("score"):
        return _judged(asked, skill, dice)
    questions: set[str] = set()
    return [piece for _ in range(asked.wanted) for piece in _one_sample(asked, skill, dice, questions)]


def text(pieces: list[Piece]) -> str:
    """The reply as a model would write it, each tag on a line of its own."""
    return "\n\n".join(f"{one.start}\n{one.text}\n{one.end}" if one.start else one.text for one in pieces)


def _one_sample(asked: Assignment, skill: Skill | AnySkill, dice: random.Random, questions: set[str]) -> list[Piece]:
    """One piece for each tag asked for; what is written first is given for what comes after it."""
    pieces = []
    for tag in asked.asked:
        if tag.role == "context":
            text = skill.context(asked, dice)
        elif tag.role == "question":
            tries = [skill.question(asked, dice)]
            while tries[-1] in questions and len(tries) < 8:
                tries.append(skill.question(asked, dice))
            text = tries[-1]
            questions.add(text)
        elif tag.role == "evaluation":
            text = judging.verdict([], asked.scale, "question", "", dice)[0]
        else:
            text = skill.written(asked)
            text = mistakes.spoilt(text, asked.example or text, dice) if dice.random() < FLAWED_RESPONSES else text
        asked = replace(asked, given={**asked.given, tag.role: text})
        pieces.append(Piece(tag.role, tag.start, text, tag.end))
    return pieces


def _judged(asked: Assignment, skill: Skill | AnySkill, dice: random.Random) -> list[Piece]:
    if asked.rival is not None:
        words, score = _compared(asked, skill, dice)
    elif "response" in asked.given:
        found = [] if dice.random() < OVERLOOKED else _response_findings(asked, skill)
        words, score = judging.verdict(found, asked.scale, skill.name, asked.given["response"], dice)
    else:
        words, score = judging.verdict(skill.question_findings(asked), asked.scale, "question", "", dice)
    return [Piece(tag.role, tag.start, str(score) if tag.role == "score" else words, tag.end) for tag in asked.asked]


def _response_findings(asked: Assignment, skill: Skill | AnySkill) -> list[Finding]:
    """What is wrong with the response; to the example's own question, the example's is right by definition."""
    others = [(role, text) for role, text in asked.given.items() if role != "response"]
    if asked.example and others and all(asked.seed.get(role) == text for role, text in others):
        return judging.differences(asked.example, asked.given["response"])
    return skill.response_findings(asked)


def _compared(asked: Assignment, skill: Skill | AnySkill, dice: random.Random) -> tuple[str, int]:
    """Which of two responses is better: a low score for the first, the middle where both are as good."""
    found = []
    for text in (asked.rival or "", asked.given["response"]):
        findings = _response_findings(replace(asked, given={**asked.given, "response": text}), skill)
        found.append((findings, sum(1 if finding.is_slight else 4 for finding in findings)))
    (first, first_weight), (second, second_weight) = found
    low, high = asked.scale
    if first_weight == second_weight:
        return dice.choice(vocabulary("verdicts")["equal"]), (low + high) // 2
    worse = second if first_weight < second_weight else first
    words = judging.verdict(worse, asked.scale, skill.name, "", dice)[0]
    place = "second" if worse is second else "first"
    return f"The {place} response is worse. {words}", low if worse is second else high


def _small_talk(message: str, dice: random.Random) -> str:
    texts = vocabulary("smalltalk")
    low = message[:2000].lower()
    answers = next((one["answers"] for one in texts["topics"] if any(word in low for word in one["words"])), None)
    return str(dice.choice(answers or texts["answers"]))
