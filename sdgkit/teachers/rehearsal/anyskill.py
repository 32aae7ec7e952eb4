"""A skill that no rules were written for: the seed example in the prompt, recombined."""

import json
import random
import re
from functools import lru_cache

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.judging import Finding, differences, form_findings
from sdgkit.teachers.rehearsal.reading import Assignment
from sdgkit.teachers.rehearsal.wording import filled, vocabulary

OFF_QUESTIONS = 0.12  # share of questions that the context cannot answer
SHORT = 3  # words: a response of so few is a label ("Positive"), and may well be the same for another text
ALIKE = 0.6  # share of common words from which on a sentence is another one's counterpart

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")


class AnySkill:
    """Writes and judges by the seed alone."""

    name = "anyskill"

    def context(self, asked: Assignment, dice: random.Random) -> str:
        """A context made of the seed's."""
        return recombined(asked.seed_source or asked.prose.strip()[-2000:], dice)

    def question(self, asked: Assignment, dice: random.Random) -> str:
        """A question made of the seed's; in a freeform skill, where it stands for itself, recombined."""
        base = asked.seed.get("question") or asked.given.get("question") or ""
        source = asked.given.get("context", "")
        if not source:
            return recombined(base or asked.prose.strip()[-500:], dice)
        texts = vocabulary("anyskill")[_language(base, source)]
        if dice.random() < OFF_QUESTIONS:
            return filled(dice.choice(texts["beyond"]), dice, texts, question=base)
        hint = filled(dice.choice(texts["hints"]), dice, texts)
        return f"{base or wording.sentences(source)[0]} {hint}".strip()

    def written(self, asked: Assignment) -> str:
        """The seed's response, with the numbers and sentences of the given text in it."""
        example, old, new = asked.example or asked.source or "Done.", asked.seed_source, asked.source
        text = carried_over(example, old, new)
        is_new_matter = any(after is None for _, after in _paired(old, new)) if new else False
        return retold(example, new) if text == example and is_new_matter and len(example.split()) > SHORT else text

    def question_findings(self, asked: Assignment) -> list[Finding]:
        """What is wrong with the given question, seen from the texts alone."""
        text, source = asked.given.get("question", ""), asked.given.get("context", "")
        if not text.strip() or (len(text.split()) < 2 and not source):
            return [Finding("There is no real question.")]
        return beyond_context(text, source) if source else []

    def response_findings(self, asked: Assignment) -> list[Finding]:
        """What is wrong with the given response, seen from the texts alone."""
        text, example, wanted = asked.given.get("response", ""), asked.example, self.written(asked)
        if _likeness(wording.words(text), wording.words(wanted)) >= ALIKE:
            return differences(wanted, text)
        found = form_findings(text, example)
        if text == example:
            found.append(Finding("It repeats the example's response word for word instead of answering this one."))
        if not found and len(text) * 3 < len(example):
            found.append(Finding("It is much shorter than the example and leaves things out.", is_slight=True))
        given = "\n".join([asked.source, asked.given.get("question", ""), example])
        strange = sorted(number for number in wording.numbers(text) - wording.numbers(given) if len(number) > 1)
        shown = "\n".join([asked.seed_source, asked.seed.get("question", "")])
        copies = bool(example) and wording.numbers(example) <= wording.numbers(shown)  # else figures may be computed
        if strange and copies:
            found.append(Finding(f"The figure {strange[0]} is not in the text that was given."))
        return found


def beyond_context(text: str, source: str) -> list[Finding]:
    """A finding if the question asks for something that would have to lie beside the context."""
    things = vocabulary("anyskill")[_language(text, source)]["beyond_words"]
    low, held = text.lower(), source.lower()
    missing = [thing for thing in things if thing in low and thing not in held]
    return [Finding(f"It asks about “{missing[0]}”, and the context has nothing about that.")] if missing else []


def _language(text: str, source: str) -> str:
    code = wording.language(text)
    return code if code != "other" else wording.language(f"{text} {source}")


# --- recombining -------------------------------------------------


def recombined(text: str, dice: random.Random) -> str:
    """The text with other numbers and days, the lines or sentences in its middle in another order and some left out."""
    parts, joint = wording.units(text)
    if not parts:
        return text
    texts = vocabulary("anyskill")[wording.language(text)]
    head = parts[: _head_length(parts)]
    body = parts[len(head) :]
    if len(body) > 3:
        middle = dice.sample(body[1:-1], dice.randint(round(0.6 * len(body[1:-1])), len(body[1:-1])))
        body = [body[0], *middle, body[-1]]
    numbers = sum(len(wording.NUMBER.findall(part)) for part in body)
    body = [_other_days(wording.renumbered(part, dice), texts["day"], dice) for part in body]
    if dice.random() < (1.0, 0.85, 0.7, 0.4)[min(numbers, 3)]:  # what varies little gets a detail more
        body.append(filled(dice.choice(texts["details"]), dice, texts))
    return joint.join([*head, *body])


def _head_length(parts: list[str]) -> int:
    """How many lines stay in front: a table's head and rule, a heading, a salutation."""
    if len(parts) > 2 and parts[0].lstrip().startswith("|"):
        return 2
    return int(len(parts) > 1 and (parts[0].rstrip().endswith((":", ",")) or parts[0].startswith("#")))


def _other_days(text: str, days: list[str], dice: random.Random) -> str:
    named = next((day for day in days if day in text), None)
    return text.replace(named, dice.choice(days)) if named else text


# --- carrying over -----------------------------------------------


def carried_over(example: str, old: str, new: str) -> str:
    """`example` is what somebody made of `old`; roughly what they would make of `new`."""
    if not old or old == new:
        return example
    pairs = _paired(old, new)
    swaps: dict[str, str] = {}
    for before, after in pairs:
        olds, news = _TOKEN.findall(before), _TOKEN.findall(after or "")
        swaps.update(zip(olds, news, strict=True) if len(olds) == len(news) else {})
    lines = example.splitlines()
    kept = [line for line in lines if not _is_about_something_gone(line, pairs)] if len(lines) > 2 else lines
    text = "\n".join(kept if len(kept) >= 2 else lines)
    for before, after in pairs:
        if after is not None and len(before) > 12:
            text = text.replace(before, after)
    return _TOKEN.sub(lambda found: swaps.get(found[0], found[0]), text)


def retold(example: str, new: str) -> str:
    """The sentences of the new text that are most like the example, in its form and of about its length."""
    told = wording.sentences(new)[:200]
    mine = wording.words(example)
    ranked = sorted(told, key=lambda sentence: -_likeness(mine, wording.words(sentence)))
    form, lines = wording.form(example), [line for line in example.splitlines() if line.strip()]
    if not told:
        return example
    if form == "prose":
        best = ranked[: max(1, len(wording.sentences(example)))]
        return " ".join(sentence for sentence in told if sentence in best)
    if form == "json":  # in place of its first text
        sentence = json.dumps(ranked[0], ensure_ascii=False)
        return re.sub(r'(?<=: )"[^"\n]*"', lambda _: sentence, example, count=1)
    head = 2 if form == "table" else 0
    return "\n".join(
        [*lines[:head], *(_retold_line(line, said) for line, said in zip(lines[head:], told, strict=False))]
    )


def _retold_line(line: str, sentence: str) -> str:
    """A row with the sentence spread over its cells; or what the line begins with, and the sentence."""
    if line.startswith("|"):
        width, words = line.count("|") - 1, sentence.replace("|", "/").split()
        step = -(-len(words) // width)
        return "| " + " | ".join(" ".join(words[at * step : (at + 1) * step]) for at in range(width)) + " |"
    lead = re.match(r"\s*(?:[-*•]\s|\d+[.)]\s|[^:\n]{1,40}:\s)?\s*", line)
    return (lead[0] if lead else "") + sentence


@lru_cache(maxsize=256)
def _paired(old: str, new: str) -> tuple[tuple[str, str | None], ...]:
    """Each unit of the old text with the unit of the new one that it became, if there is one."""
    left = wording.units(new)[0][:200]
    pairs: list[tuple[str, str | None]] = []
    for unit in wording.units(old)[0][:200]:
        mine = wording.words(unit)
        best = max(left, key=lambda other: _likeness(mine, wording.words(other)), default=None)
        if best is not None and _likeness(mine, wording.words(best)) >= ALIKE:
            left.remove(best)
            pairs.append((unit, best))
        else:
            pairs.append((unit, None))
    return tuple(pairs)


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def _is_about_something_gone(line: str, pairs: tuple[tuple[str, str | None], ...]) -> bool:
    mine = wording.words(line)
    best = max(pairs, key=lambda pair: len(mine & wording.words(pair[0])), default=None)
    common = len(mine & wording.words(best[0])) if best else 0
    return best is not None and best[1] is None and common >= max(2, len(mine) // 2)
