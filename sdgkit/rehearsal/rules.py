"""The rules in a model's place. A reply depends on messages, sampling seed and temperature."""

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sdgkit.rehearsal import comparing, judging, mail, responses, studying, wording
from sdgkit.rehearsal.anyskill import AnySkill
from sdgkit.rehearsal.judging import Finding, Verdict
from sdgkit.rehearsal.reading import Assignment, Messages, read
from sdgkit.rehearsal.skill import Skill
from sdgkit.rehearsal.templates import pattern_for
from sdgkit.rehearsal.tutorial_skill import TutorialSkill
from sdgkit.rehearsal.vocabulary import vocabulary

# Share of responses with a mistake in them.
FLAWED_RESPONSES = 0.10
# Share of responses in which a judge finds nothing, whatever is wrong with them.
OVERLOOKED = 0.04
# A response that differs in more places from what the rules would write has a context that they do
# not know.
MOST_DIFFERENCES = 1
# Unless so many of its lines are what they would write.
SHARED_LINES = 0.85
# The kinds of finding about which other examples say more than one.
RULES_OF_FORM = ("form", "completeness")
# How often to look for a question that the reply does not have yet.
QUESTION_TRIES = 8

# What a judge of questions says of such a context.
NOTHING_TO_WORK_ON = "The context holds nothing that the task could be carried out on."
# A context with fewer letters, and that many times fewer than the example's, is such a one.
FEW_LETTERS = 8

_TUTORIAL_SKILLS = (
    TutorialSkill("feedback", responses.table),
    TutorialSkill("figures", mail.mail),
    TutorialSkill("ticket", responses.ticket),
    TutorialSkill("commit", responses.commit_message),
)
_ANY_SKILL = AnySkill()
_REFUSAL = "I'm sorry, but I can't help with that request."


@dataclass(frozen=True, slots=True)
class Piece:
    """A tagged text of a reply. A plain answer has empty tags.

    Attributes:
        start: The start tag.
        text: The text.
        end: The end tag.
    """

    start: str
    text: str
    end: str


def request_digest(messages: Messages, seed: int | None, temperature: float | None) -> bytes:
    """Everything that a reply depends on, in 12 bytes.

    Args:
        messages: The chat.
        seed: The sampling seed. It makes no difference at temperature 0, as for a greedy model.
        temperature: The temperature.
    """
    sample = None
    if temperature != 0:
        sample = (seed, temperature, 0)
    # The separators keep two messages from looking like one.
    parts = [f"{role}\x1f{text}" for role, text in messages]
    parts.append(repr(sample))
    content = "\x1e".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=12).digest()


def write(messages: Messages, digest: bytes, room: int | None = None) -> list[Piece]:
    """Write the reply to a chat.

    Args:
        messages: The chat.
        digest: Its `request_digest`: the only source of chance.
        room: How many characters it may have; what is said without tags is brief where need be.
    """
    assignment = read(messages)
    dice = random.Random(int.from_bytes(digest))
    if not assignment.tags:
        return [Piece("", _small_talk(messages[-1][1], dice, room), "")]
    if studying.is_study(assignment):
        notes = []
        for tag in assignment.tags:
            notes.append(Piece(tag.start, studying.notes(assignment, tag.role), tag.end))
        return notes
    skill = _skill_of(assignment)
    if any(tag.role == "score" for tag in assignment.tags):
        return _judgement(assignment, _verdict(assignment, skill, dice))
    pieces: list[Piece] = []
    # What the prompt lists was asked already; its other lists hold no questions.
    questions = set(re.findall(r"(?m)^\s*[*-] (.+)$", assignment.prose))
    for _ in range(assignment.count):
        pieces += _record(assignment, skill, dice, questions)
    return pieces


def to_text(pieces: Sequence[Piece]) -> str:
    """The reply as a model would write it, with each tag on a line of its own."""
    texts = []
    for piece in pieces:
        if piece.start:
            texts.append(f"{piece.start}\n{piece.text}\n{piece.end}")
        else:
            texts.append(piece.text)
    return "\n\n".join(texts)


def to_malformed_text(pieces: Sequence[Piece], dice: random.Random) -> str:
    """The reply with its form broken, in one of several ways that real models have."""
    untagged = "\n\n".join(piece.text for piece in pieces)
    return dice.choice(["", untagged, pieces[0].start, _REFUSAL])


def _small_talk(message: str, dice: random.Random, room: int | None) -> str:
    """An answer to a message that asks for no tags."""
    beginning = message[:2000].lower()
    texts = vocabulary("smalltalk")
    for topic in texts["topics"]:
        if any(word in beginning for word in topic["words"]):
            answer = str(dice.choice(topic["answers"]))
            brief = str(texts["brief"])
            # Who asks for a word or two, such as a label, gets no more.
            is_too_long = room is not None and len(answer) > room >= len(brief)
            if is_too_long:
                return brief
            return answer
    raise LookupError("the last topic in smalltalk.toml matches every message")


def _skill_of(assignment: Assignment) -> Skill:
    """The skill that the seed example is of."""
    for skill in _TUTORIAL_SKILLS:
        if re.search(skill.sign, assignment.seed_response):
            return skill
    return _ANY_SKILL


def _judgement(assignment: Assignment, verdict: Verdict) -> list[Piece]:
    """The pieces of a verdict, after the answers to the criteria, if there are any."""
    texts = {"score": str(verdict.score), "faults": ", ".join(verdict.faults) or "none"}
    pieces = []
    if assignment.criteria:
        pieces.append(Piece("", _criteria_answers(assignment.criteria, verdict), ""))
    for tag in assignment.tags:
        text = texts.get(tag.role, verdict.evaluation)
        pieces.append(Piece(tag.start, text, tag.end))
    return pieces


def _criteria_answers(criteria: Sequence[str], verdict: Verdict) -> str:
    """Yes or no to each criterion: no if a fault was found and the evaluation speaks of it."""
    if verdict.faults:
        spoken_of = wording.words(verdict.evaluation)
    else:
        spoken_of = frozenset()
    answers = []
    for number, criterion in enumerate(criteria, 1):
        common = set()
        for word in wording.words(criterion) & spoken_of:
            if len(word) > 4:
                common.add(word)
        answers.append(f"{number}) {'no' if common else 'yes'}")
    return "\n".join(answers)


def _record(
    assignment: Assignment, skill: Skill, dice: random.Random, questions: set[str]
) -> list[Piece]:
    """One piece for each tag asked for. What is written first is material for what follows it.

    Args:
        assignment: What is asked for.
        skill: What writes it.
        dice: What draws.
        questions: The questions in this reply so far; the new one is added.
    """
    pieces = []
    for tag in assignment.tags:
        if tag.role == "context":
            text = skill.context(assignment, dice)
        elif tag.role == "question":
            text = _new_question(assignment, skill, dice, questions)
            questions.add(text)
        else:
            text = skill.response(assignment)
            if dice.random() < FLAWED_RESPONSES:
                text = judging.with_mistake(text, assignment.seed_response or text, dice)
        assignment = assignment.with_material(tag.role, text)
        pieces.append(Piece(tag.start, text, tag.end))
    return pieces


def _new_question(
    assignment: Assignment, skill: Skill, dice: random.Random, questions: set[str]
) -> str:
    """A question that is not among these, if the skill finds one."""
    for _ in range(QUESTION_TRIES):
        question = skill.question(assignment, dice)
        if question and question not in questions:
            return question
    return skill.question(assignment, dice)


def _verdict(assignment: Assignment, skill: Skill, dice: random.Random) -> Verdict:
    """The verdict on a question, on a response, or on which of two responses is better."""
    response = assignment.material.get("response")
    if response is None:
        findings = _findings_on_question(assignment, skill)
        return judging.judge(findings, assignment.scale, "question", "", dice)
    if assignment.rival is None:
        findings = []
        if dice.random() >= OVERLOOKED:
            findings = _findings(assignment, skill, response)
        return judging.judge(findings, assignment.scale, skill.name, response, dice)
    return _comparison(
        first=_findings(assignment, skill, assignment.rival),
        second=_findings(assignment, skill, response),
        scale=assignment.scale,
        dice=dice,
    )


def _comparison(
    first: Sequence[Finding],
    second: Sequence[Finding],
    scale: tuple[int, int],
    dice: random.Random,
) -> Verdict:
    """Which of two responses is better: the lowest score for the first, the highest for the second.

    Args:
        first: What is wrong with the first.
        second: What is wrong with the second.
        scale: The lowest and the highest score.
        dice: What chooses the words.
    """
    low, high = scale
    if len(first) == len(second):
        return Verdict(dice.choice(judging.VERDICTS["equal"]), (low + high) // 2)
    if len(first) < len(second):
        place = "second"
        worse = second
        score = low
    else:
        place = "first"
        worse = first
        score = high
    sentences = " ".join(finding.sentence for finding in worse)
    return Verdict(f"The {place} response is worse. {sentences}", score)


def _findings_on_question(assignment: Assignment, skill: Skill) -> list[Finding]:
    """Why the question does not suit its context, if it is one of those known not to.

    Or why none could: the context is next to nothing.
    """
    question = assignment.material.get("question", "")
    reasons: dict[str, Finding] = {}
    if _is_next_to_nothing(assignment):
        reasons[NOTHING_TO_WORK_ON] = Finding(NOTHING_TO_WORK_ON, "completeness")
    for template, reason in skill.off_questions.items():
        if pattern_for(template).search(question):
            reasons[reason] = Finding(reason)
    return list(reasons.values())


def _is_next_to_nothing(assignment: Assignment) -> bool:
    """Whether the context has hardly a letter, compared with the example's."""
    context = assignment.material.get("context")
    if context is None:
        return False
    letters = sum(map(str.isalpha, context))
    example_letters = sum(map(str.isalpha, assignment.seed.get("context", "")))
    return letters < FEW_LETTERS and letters * FEW_LETTERS < example_letters


def _findings(assignment: Assignment, skill: Skill, response: str) -> list[Finding]:
    """What is wrong with a response. To the seed example's question, its response is right."""
    if not assignment.seed_response:
        return []
    is_seed = all(
        assignment.seed.get(role) == text
        for role, text in assignment.material.items()
        if role != "response"
    )
    if is_seed:
        return judging.differences(assignment.seed_response, response)
    right = skill.response(assignment)
    by_rule = judging.differences(right, response)
    is_known = len(by_rule) <= MOST_DIFFERENCES or _shares_lines(right, response, assignment)
    if is_known and not _is_of_a_sibling_form(by_rule, assignment):
        return by_rule
    return _without_habits(comparing.impressions(assignment, response), assignment)


def _without_habits(findings: Sequence[Finding], assignment: Assignment) -> list[Finding]:
    """The findings without what only the last example has: where another one lacks it as well, it
    is no rule."""
    lacking: set[str] = set()
    for other in assignment.other_responses:
        lacking |= {finding.sentence for finding in comparing.impressions(assignment, other)}
    further = []
    for finding in findings:
        if finding.kind not in RULES_OF_FORM or finding.sentence not in lacking:
            further.append(finding)
    return further


def _shares_lines(right: str, response: str, assignment: Assignment) -> bool:
    """Whether most lines of a response that the example does not have are the rules' own."""
    right_lines = set(right.splitlines())
    example_lines = set(assignment.seed_response.splitlines())
    lines = []
    for line in response.splitlines():
        if line and line not in example_lines:
            lines.append(line)
    shared = []
    for line in lines:
        if line in right_lines:
            shared.append(line)
    return len(shared) >= max(1, SHARED_LINES * len(lines))


def _is_of_a_sibling_form(findings: Sequence[Finding], assignment: Assignment) -> bool:
    """Whether the form is another than the rule's, and yet one that the example allows."""
    if not any(finding.kind == "form" for finding in findings):
        return False
    right_form = wording.form(assignment.seed_response)
    return right_form not in comparing.STRICT_FORMS
