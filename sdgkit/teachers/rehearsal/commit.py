"""A change in plain words → a commit message: the skill's rules for writing, reading and judging."""

import random
import re
import textwrap
from dataclasses import dataclass
from functools import cache, lru_cache

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.judging import Finding
from sdgkit.teachers.rehearsal.reading import Assignment, vocabulary

OFF_QUESTIONS = 0.11  # share of questions that describe no change
FLAWED_RESPONSES = 0.10
LONGEST_LINE = 72  # characters, as Conventional Commits are usually kept

_HEAD = re.compile(r"(feat|fix|docs|refactor|perf|test|build|ci|revert|chore|style)(\([^()\n]+\))?(!?): (\S.*)")


@dataclass(frozen=True, slots=True)
class Change:
    """A described change; `kind` with an exclamation mark is an incompatible one."""

    kind: str
    scope: str
    subject: str
    body: str
    issues: tuple[str, ...]
    closes: bool


def suits(asked: Assignment) -> bool:
    """Whether the seed's response is a commit message."""
    response = asked.seed.get("response", "")
    if response:
        return _HEAD.match(response) is not None
    return "commit message" in asked.prose.lower()


# --- writing -----------------------------------------------------


def context(asked: Assignment, dice: random.Random) -> str:
    """A description of a change (this skill's seeds have no context of their own)."""
    return _description(dice)


def question(asked: Assignment, dice: random.Random) -> str:
    """A described change with the request for its commit message; sometimes one that describes none."""
    texts = vocabulary("commit")
    if dice.random() < OFF_QUESTIONS:
        return str(dice.choice(texts["off"]))
    return str(dice.choice(texts["asking"])).replace("{change}", _description(dice))


def _description(dice: random.Random) -> str:
    texts = vocabulary("commit")
    told = dice.choice(texts["changes"])[2]
    for name, choices in texts["slots"].items():
        told = told.replace("{" + name + "}", dice.choice(choices))
    told = told.replace("{number}", str(dice.randint(5, 90)))
    told = told.replace("{version}", f"{dice.randint(1, 12)}.{dice.randint(0, 20)}.{dice.randint(0, 9)}")
    if dice.random() < 0.45:
        template = dice.choice(texts["closing"] + texts["referring"])
        told += " " + template.replace("{issue}", str(dice.randint(12, 990)))
    return str(told)


def response(asked: Assignment, dice: random.Random) -> str:
    """The commit message for the described change; sometimes with a mistake in it."""
    change = read_change(_source(asked))
    text = message(change)
    if dice.random() >= FLAWED_RESPONSES:
        return text
    head, _, rest = text.partition("\n")
    flaw = dice.choice(["type", "full stop", "talk", "issue", "no form"])
    if flaw == "full stop":
        return f"{head}.\n{rest}".rstrip()
    if flaw == "talk":
        return f"Here is the commit message:\n\n{text}"
    if flaw == "issue" and change.issues:
        return text.replace(change.issues[0], f"#{dice.randint(1000, 1999)}")
    if flaw == "no form":
        return head.split(": ", 1)[-1].capitalize() + ("\n" + rest if rest else "")
    others = [kind for kind in ("feat", "fix", "docs", "refactor") if kind != change.kind.rstrip("!")]
    return _HEAD.sub(lambda found: f"{dice.choice(others)}{found[2] or ''}{found[3]}: {found[4]}", text, count=1)


def message(change: Change) -> str:
    """The commit message of a change."""
    kind = change.kind.rstrip("!")
    scope = f"({change.scope.replace(' ', '-')})" if change.scope else ""
    head = f"{kind}{scope}{'!' if change.kind.endswith('!') else ''}: {change.subject}"
    paragraphs = [textwrap.fill(part, LONGEST_LINE) for part in change.body.split("\n\n") if part]
    if change.issues:
        paragraphs.append(f"{'Closes' if change.closes else 'Refs'} {', '.join(change.issues)}")
    return "\n\n".join([head[:LONGEST_LINE].rstrip(), *paragraphs])


# --- reading -----------------------------------------------------


@lru_cache(maxsize=512)
def read_change(text: str) -> Change:
    """The change that a text describes: a known one is recognised, another is sorted by its words."""
    text = text[: wording.LONGEST]
    issues = tuple(dict.fromkeys(re.findall(r"#\d+", text)))[:10]
    closes = bool(re.search(r"\b(?:settles|closed?s?|fixes|resolves)\b", text, re.I))
    flat = " ".join(text.split())
    for pattern, (kind, scope, _, subject, body) in _patterns():
        found = pattern.search(flat)
        if found:
            slots = found.groupdict()
            scope, subject, body = (_filled(part, slots) for part in (scope, subject, body))
            return Change(kind, scope, subject, body, issues, closes)
    return _guessed(flat, issues, closes)


@cache
def _patterns() -> list[tuple[re.Pattern[str], list[str]]]:
    patterns = []
    for change in vocabulary("commit")["changes"]:
        seen: set[str] = set()

        def group(found: re.Match[str], seen: set[str] = seen) -> str:
            name = found[1]
            if name in seen:
                return f"(?P={name})"
            seen.add(name)
            return rf"(?P<{name}>[^#\n]{{1,60}}?)"

        patterns.append((re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(change[2])) + r"(?!\w)"), change))
    return patterns


def _filled(template: str, slots: dict[str, str]) -> str:
    for name, value in slots.items():
        template = template.replace("{" + name + "}", value)
    return template


def _guessed(text: str, issues: tuple[str, ...], closes: bool) -> Change:
    low = text.lower()
    held = wording.words(low)
    guess = vocabulary("commit")["guess"]
    kind = next(
        (kind for kind, signs in guess.items() if any(s in held if " " not in s else s in low for s in signs)),
        "feat",
    )
    said = [s for s in wording.sentences(text) if not re.search(r"commit|#\d|phrase|\?$", s, re.I)] or [text]
    subject = re.sub(r"^(?:.{0,40}commit message[^:]*:|ok so |basically |i |we )\s*", "", said[0], flags=re.I)
    subject = textwrap.shorten(subject.rstrip(".!? "), LONGEST_LINE - len(kind) - 2, placeholder="")
    return Change(kind, "", subject[:1].lower() + subject[1:] or "change", " ".join(said[1:3]), issues, closes)


def _source(asked: Assignment) -> str:
    return asked.given.get("question") or asked.given.get("context", "")


# --- judging -----------------------------------------------------


def question_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given question, seen from it alone."""
    text = asked.given.get("question", "")
    if text and text == asked.seed.get("question"):
        return [Finding("It is the example's question over again.")]
    flat = " ".join(text.split())
    if any(pattern.search(flat) for pattern, _ in _patterns()):
        return []
    low = flat.lower()
    signs = vocabulary("commit")["signs"]
    if any(re.search(rf"\b{re.escape(sign)}\b", low) for sign in signs):
        return []
    return [Finding("It describes no change, so no commit message can be written for it.")]


def response_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given commit message beside the change that the question describes."""
    text = asked.given.get("response", "")
    source = _source(asked)
    change = read_change(source)
    first = text.split("\n", 1)[0]
    head = _HEAD.fullmatch(first)
    if head is None:
        return [Finding(f"“{first[:80]}” is not of the form type(scope): subject, as the example's first line is.")]
    found = []
    kind = change.kind.rstrip("!")
    if head[1] != kind:
        found.append(Finding(f"The type is {head[1]}, but what is described is a {kind} change."))
    if change.kind.endswith("!") and "BREAKING CHANGE:" not in text:
        found.append(Finding("The change is incompatible, and no footer says so."))
    if len(first) > LONGEST_LINE:
        found.append(
            Finding(f"The first line has {len(first)} characters; {LONGEST_LINE} are allowed.", is_slight=True)
        )
    if first.endswith("."):
        found.append(Finding("The first line ends with a full stop.", is_slight=True))
    missing = [issue for issue in change.issues if issue not in text]
    if missing:
        found.append(Finding(f"{missing[0]} is not named, although the description names it."))
    strange = sorted(set(re.findall(r"#\d+", text)) - set(change.issues))
    if strange:
        found.append(Finding(f"{strange[0]} is made up."))
    return found


def facts(asked: Assignment) -> dict[str, object]:
    """What the evaluation of a good commit message says of it."""
    return {"first": asked.given.get("response", "").split("\n", 1)[0]}
