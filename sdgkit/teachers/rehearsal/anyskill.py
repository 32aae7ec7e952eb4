"""A skill that no rules were written for: the seed example in the prompt, recombined."""

import json
import random
import re
from collections.abc import Mapping
from functools import lru_cache

from sdgkit.teachers.rehearsal import wording
from sdgkit.teachers.rehearsal.judging import Finding
from sdgkit.teachers.rehearsal.reading import Assignment, vocabulary

OFF_QUESTIONS = 0.12  # share of questions that the context cannot answer
FLAWED_RESPONSES = 0.10
SHORT = 3  # words: a response of so few is a label ("Positive"), and may well be the same for another text


def context(asked: Assignment, dice: random.Random) -> str:
    """A context made of the seed's."""
    return recombined(_source(asked.seed) or asked.prose.strip()[-2000:], dice)


def question(asked: Assignment, dice: random.Random) -> str:
    """A question made of the seed's; in a freeform skill, where it stands for itself, recombined."""
    base = asked.seed.get("question") or asked.given.get("question") or ""
    source = asked.given.get("context", "")
    if not source:
        return recombined(base or asked.prose.strip()[-500:], dice)
    texts = vocabulary("anyskill")[_language(base, source)]
    if dice.random() < OFF_QUESTIONS:
        return _filled(dice.choice(texts["beyond"]), texts, dice).replace("{question}", base)
    hint = _filled(dice.choice(texts["hints"]), texts, dice)
    return f"{base or wording.sentences(source)[0]} {hint}".strip()


def response(asked: Assignment, dice: random.Random) -> str:
    """The seed's response, with the numbers and sentences of the given text in it."""
    example = asked.seed.get("response") or _source(asked.given) or "Done."
    old, new = _source(asked.seed), _source(asked.given)
    text = carried_over(example, old, new)
    if text == example and new != old and len(example.split()) > SHORT and new:
        text = retold(example, new)
    if dice.random() < FLAWED_RESPONSES:
        text = _flawed(text, example, dice)
    return text


def question_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given question, seen from the texts alone."""
    text, source = asked.given.get("question", ""), asked.given.get("context", "")
    if len(text.split()) < 2 and not source:
        return [Finding("There is no real question.")]
    if not text.strip():
        return [Finding("There is no question.")]
    found = beyond_context(text, source) if source else []
    known = wording.numbers(source) | wording.numbers(asked.seed.get("question", "")) | {"1", "2", "3", "4", "5"}
    strange = sorted(wording.numbers(text) - known) if source else []
    if strange and not found:
        found.append(Finding(f"It asks about {strange[0]}, which is nowhere in the context."))
    return found


def beyond_context(text: str, source: str) -> list[Finding]:
    """A finding if the question asks for something that would have to lie beside the context."""
    things = vocabulary("anyskill")[_language(text, source)]["beyond_words"]
    low, held = text.lower(), source.lower()
    missing = [thing for thing in things if thing in low and thing not in held]
    return [Finding(f"It asks about “{missing[0]}”, and the context has nothing about that.")] if missing else []


def response_findings(asked: Assignment) -> list[Finding]:
    """What is wrong with the given response, seen from the texts alone."""
    text, example = asked.given.get("response", ""), asked.seed.get("response", "")
    if not text.strip():
        return [Finding("The response is empty.")]
    source = _source(asked.given)
    found = form_findings(text, example)
    if text == example and len(example.split()) > SHORT and source != _source(asked.seed):
        found.append(Finding("It repeats the example's response word for word instead of answering this one."))
    known = wording.numbers(source) | wording.numbers(asked.given.get("question", "")) | wording.numbers(example)
    strange = sorted(number for number in wording.numbers(text) - known if len(number) > 1)
    if strange:
        found.append(Finding(f"The figure {strange[0]} is not in the text that was given."))
    return found


def form_findings(text: str, example: str) -> list[Finding]:
    """What the response's form lacks beside the seed's."""
    if not example:
        return []
    found = []
    form, wanted = wording.form(text), wording.form(example)
    if wanted in ("table", "json", "list") and form != wanted:
        noun = "JSON" if wanted == "json" else f"a {wanted}"
        found.append(Finding(f"The example answers with {noun}; this is something else."))
    elif wanted == "lines" and form == "prose":
        found.append(Finding("The example has a line for each part; here they run into one."))
    elif example.rstrip()[-1:] in ".!?" and form == "prose" and text.rstrip()[-1:].isalnum():
        found.append(Finding("It breaks off in the middle of a sentence."))
    elif len(text) * 3 < len(example):
        found.append(Finding("It is much shorter than the example and leaves things out.", is_slight=True))
    return found


def facts(asked: Assignment) -> dict[str, object]:
    """What the evaluation of a good response says of it."""
    text = asked.given.get("response", "")
    return {"form": wording.form(text), "size": len(text.split())}


# --- recombining -------------------------------------------------


def recombined(text: str, dice: random.Random) -> str:
    """The text's lines or sentences in another order, some left out, with other numbers and days."""
    parts, joint = wording.units(text)
    if not parts:
        return text
    code = wording.language(text)
    texts = vocabulary("anyskill")[code]
    head = parts[: _head_length(parts)]
    body = parts[len(head) :]
    if len(body) > 2:
        body = dice.sample(body, dice.randint(max(2, round(0.6 * len(body))), len(body)))
    numbers = sum(len(wording.NUMBER.findall(part)) for part in body)
    body = [_other_days(wording.renumbered(part, dice), texts["days"], dice) for part in body]
    if dice.random() < (1.0, 0.85, 0.7, 0.4)[min(numbers, 3)]:  # what varies little gets a detail more
        body.append(_filled(dice.choice(texts["details"]), texts, dice))
    return joint.join([*head, *body])


def _head_length(parts: list[str]) -> int:
    """How many lines stay in front: a table's head and rule, a heading, a salutation."""
    if len(parts) > 2 and parts[0].lstrip().startswith("|"):
        return 2
    return int(len(parts) > 1 and (parts[0].rstrip().endswith((":", ",")) or parts[0].startswith("#")))


def _other_days(text: str, days: list[str], dice: random.Random) -> str:
    for day in days:
        if day in text:
            return text.replace(day, dice.choice(days))
    return text


def _language(text: str, source: str) -> str:
    code = wording.language(text)
    return code if code != "other" else wording.language(f"{text} {source}")


def _filled(template: str, texts: dict[str, list[str]], dice: random.Random) -> str:
    day = dice.choice(texts["days"]) if texts["days"] else ""
    return wording.filled(template, dice, day=day, question="{question}")


def _source(texts: Mapping[str, str]) -> str:
    return texts.get("context") or texts.get("question") or ""


# --- carrying over -----------------------------------------------


def carried_over(example: str, old: str, new: str) -> str:
    """`example` is what somebody made of `old`; roughly what they would make of `new`."""
    if not old or old == new:
        return example
    pairs = _paired(old, new)
    swaps: dict[str, str] = {}
    for before, after in pairs:
        if after is not None:
            swaps.update(_number_swaps(before, after))
    lines = example.splitlines()
    kept = [line for line in lines if not _is_about_something_gone(line, pairs)] if len(lines) > 2 else lines
    text = "\n".join(kept if len(kept) >= 2 or len(lines) < 3 else lines)
    for before, after in pairs:
        if after is not None and len(before) > 12 and before in text:
            text = text.replace(before, after)
    return wording.NUMBER.sub(lambda found: swaps.get(found[0], found[0]), text)


def retold(example: str, new: str) -> str:
    """The sentences of the new text that are most like the example, in its form and of about its length."""
    told = wording.sentences(new)[:200]
    if not told:
        return example
    mine = wording.words(example)
    ranked = sorted(told, key=lambda sentence: -_likeness(mine, wording.words(sentence)))
    form, lines = wording.form(example), [line for line in example.splitlines() if line.strip()]
    if form == "prose":
        count = max(1, len(wording.sentences(example)))
        return " ".join(sentence for sentence in told if sentence in ranked[:count])
    if form == "json":
        return _json_with(example, ranked[0])
    if form == "table":
        width = lines[0].count("|") - 1
        return "\n".join([*lines[:2], *(_row(sentence, width) for sentence in told[: len(lines) - 2])])
    if form == "list":
        heads = [re.match(r"\s*(?:[-*•]|\d+[.)])?\s*", line) for line in lines]
        return "\n".join(f"{head[0] if head else ''}{sentence}" for head, sentence in zip(heads, told, strict=False))
    label, colon, _ = lines[0].partition(": ")
    return "\n".join([f"{label}{colon}{ranked[0]}" if colon else ranked[0], *lines[1:]])


def _row(sentence: str, width: int) -> str:
    words = sentence.replace("|", "/").split()
    step = -(-len(words) // max(1, width))
    cells = [" ".join(words[column * step : (column + 1) * step]) for column in range(width)]
    return "| " + " | ".join(cells) + " |"


def _json_with(example: str, sentence: str) -> str:
    try:
        value = json.loads(example)
    except (ValueError, RecursionError):
        return example
    if isinstance(value, dict):
        name = next((name for name, held in value.items() if isinstance(held, str)), None)
        if name is not None:
            value[name] = sentence
    elif isinstance(value, list) and value and isinstance(value[0], str):
        value[0] = sentence
    return json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=256)
def _paired(old: str, new: str) -> tuple[tuple[str, str | None], ...]:
    """Each unit of the old text with the unit of the new one that it became, if there is one."""
    left = wording.units(new)[0][:200]
    pairs: list[tuple[str, str | None]] = []
    for unit in wording.units(old)[0][:200]:
        mine = wording.words(unit)
        best = max(left, key=lambda other: _likeness(mine, wording.words(other)), default=None)
        if best is not None and _likeness(mine, wording.words(best)) >= 0.6:
            left.remove(best)
            pairs.append((unit, best))
        else:
            pairs.append((unit, None))
    return tuple(pairs)


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def _number_swaps(before: str, after: str) -> dict[str, str]:
    olds, news = wording.NUMBER.findall(before), wording.NUMBER.findall(after)
    return dict(zip(olds, news, strict=True)) if len(olds) == len(news) else {}


def _is_about_something_gone(line: str, pairs: tuple[tuple[str, str | None], ...]) -> bool:
    mine = wording.words(line)
    if len(mine) < 2:
        return False
    best = max(pairs, key=lambda pair: len(mine & wording.words(pair[0])), default=None)
    return best is not None and best[1] is None and len(mine & wording.words(best[0])) >= max(2, len(mine) // 2)


def _flawed(text: str, example: str, dice: random.Random) -> str:
    ways = [lambda: " ".join(text.split()[: max(1, len(text.split()) // 3)]), lambda: example]
    if wording.form(text) != "prose":
        ways.append(lambda: " ".join(text.replace("|", " ").split()))
    found = [number for number in wording.NUMBER.findall(text) if len(number) > 1]
    if found:
        wrong = dice.choice(found)
        ways.append(lambda: text.replace(wrong, wording.other_number(wrong, dice), 1))
    return dice.choice(ways)()
