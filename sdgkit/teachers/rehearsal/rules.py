"""The rules in a model's place: a reply is a function of messages, sampling seed, temperature and choice."""

import hashlib
import random
from types import ModuleType

from sdgkit.teachers.rehearsal import anyskill, commit, feedback, mail, ticket
from sdgkit.teachers.rehearsal.chat import Message
from sdgkit.teachers.rehearsal.draft import Draft, Piece, plain
from sdgkit.teachers.rehearsal.judging import praise, verdict
from sdgkit.teachers.rehearsal.reading import Assignment, read, vocabulary

_SKILLS: tuple[ModuleType, ...] = (feedback, mail, ticket, commit)


def digest(messages: tuple[Message, ...], seed: int | None, temperature: float, index: int) -> bytes:
    """What a reply depends on, in 12 bytes. Like a greedy model, temperature 0 ignores seed and choice."""
    sample = (seed, temperature, index) if temperature > 0 else None
    # the separators keep two messages from looking like one
    content = "\x1e".join([*(f"{message.role}\x1f{message.text}" for message in messages), repr(sample)])
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def write(messages: tuple[Message, ...], digest: bytes) -> Draft:
    """Write the reply to a chat; `digest` (see `digest()`) is all the chance there is in it."""
    assignment = read(messages)
    dice = random.Random(int.from_bytes(digest))
    if not assignment.asked:
        return plain(_small_talk(messages[-1].text, dice))
    skill = _skill(assignment)
    if assignment.asks_for("score"):
        return _judged(assignment, skill, dice)
    pieces: list[Piece] = []
    seen: set[str] = set()
    for _ in range(assignment.wanted):
        written = _one_sample(assignment, skill, dice, seen)
        pieces.extend(written)
    return Draft(tuple(pieces))


def _skill(assignment: Assignment) -> ModuleType:
    """The rules for the prompt's skill, recognised by the seed example in it (or by the task's words)."""
    return next((skill for skill in _SKILLS if skill.suits(assignment)), anyskill)


def _one_sample(assignment: Assignment, skill: ModuleType, dice: random.Random, seen: set[str]) -> list[Piece]:
    """One piece for each tag asked for; what is written first is given for what comes after it."""
    given = dict(assignment.given)
    pieces = []
    for tag in assignment.asked:
        known = Assignment(
            assignment.asked, assignment.seed, given, assignment.wanted, assignment.scale, assignment.prose
        )
        if tag.role == "context":
            text = skill.context(known, dice)
        elif tag.role == "question":
            text = next((text for text in (skill.question(known, dice) for _ in range(8)) if text not in seen), "")
            text = text or skill.question(known, dice)
            seen.add(text)
        elif tag.role == "evaluation":
            text = praise("question", {}, dice)
        else:
            text = skill.response(known, dice)
        given[tag.role] = text
        pieces.append(Piece(tag.role, tag.start, text, tag.end))
    return pieces


def _judged(assignment: Assignment, skill: ModuleType, dice: random.Random) -> Draft:
    judges_response = "response" in assignment.given
    findings = skill.response_findings(assignment) if judges_response else skill.question_findings(assignment)
    if judges_response and all(assignment.seed.get(role) == text for role, text in assignment.given.items()):
        findings = []  # the example itself, which is right by definition
    if findings:
        words, score = verdict(findings, assignment.scale, dice)
    elif judges_response:
        words, score = praise(_name(skill), skill.facts(assignment), dice), assignment.scale[1]
    else:
        words, score = praise("question", {}, dice), assignment.scale[1]
    return Draft(
        tuple(
            Piece(tag.role, tag.start, str(score) if tag.role == "score" else words, tag.end)
            for tag in assignment.asked
        )
    )


def _name(skill: ModuleType) -> str:
    return skill.__name__.rpartition(".")[2]


def _small_talk(message: str, dice: random.Random) -> str:
    texts = vocabulary("smalltalk")
    low = message[:2000].lower()
    for topic in texts["topics"]:
        if any(word in low for word in topic["words"]):
            return str(dice.choice(topic["answers"]))
    return str(dice.choice(texts["answers"]))
