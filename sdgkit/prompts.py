"""A prompt: five parts and the tags of its reply, in one YAML file named after its stage.

`system` becomes the system message; introduction, principles, examples and generation, in this order and with a blank
line between them, the user message. `start_tags` and `end_tags` hold one pair per output column.
"""

import math
import re
import reprlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from sdgkit.errors import PromptError, SettingsError
from sdgkit.templates import Template

PARTS = ("system", "introduction", "principles", "examples", "generation")
SAMPLING = ("temperature", "top_p", "max_tokens", "extra_body")


def shipped(folder: str) -> Path:
    """The shipped folder `prompts` or `notebooks`: beside the package in a checkout, inside it in an installed
    wheel."""
    package = Path(__file__).resolve().parent
    for place in (package / folder, package.parent / folder):
        if place.is_dir():
            return place
    raise PromptError(f"The folder {folder!r} that ships with sdgkit is missing. Install sdgkit again.")


class ParsedReply(NamedTuple):
    """rows: one dictionary of column texts a complete record. stray: a start tag was left without its record."""

    rows: list[dict[str, str]]
    stray: bool


@dataclass(frozen=True)
class Prompt:
    """One prompt.

    name: its stage's name. The five parts are Jinja2 text, "" where absent. start_tags, end_tags: one a column; an
    empty tag is the beginning or end of the reply. sampling: what is sent with it (temperature, top_p, max_tokens,
    extra_body).
    """

    name: str
    system: str = ""
    introduction: str = ""
    principles: str = ""
    examples: str = ""
    generation: str = ""
    start_tags: tuple[str, ...] = ("",)
    end_tags: tuple[str, ...] = ("",)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    _lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_yaml(cls, text: str, name: str, where: str | None = None) -> "Prompt":
        """The prompt in a YAML text; `where` names the file in messages. Raises PromptError for anything it cannot
        use."""
        return _from_yaml(text, name, where or f"{name}.yaml")

    def to_yaml(self) -> str:
        """The YAML text of the prompt; `from_yaml` gives an equal prompt back."""
        import yaml

        class Dumper(yaml.SafeDumper):
            pass

        def block(dumper: yaml.SafeDumper, text: str) -> Any:
            style = '"' if _FOLDED.search(text) else "|" if "\n" in text else None
            return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

        Dumper.add_representer(str, block)
        return yaml.dump(self.as_json(), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)

    def as_json(self) -> dict[str, Any]:
        """What stands in it as JSON values, without its name and what is empty."""
        parts = {name: getattr(self, name) for name in (*PARTS, "start_tags", "end_tags", "sampling")}
        return {name: list(part) if isinstance(part, tuple) else part for name, part in parts.items() if part}

    @classmethod
    def from_json(cls, name: str, values: Mapping[str, Any]) -> "Prompt":
        """The prompt that `as_json` gave."""
        parts: dict[str, Any] = {part: tuple(v) if isinstance(v, list) else v for part, v in values.items()}
        return cls(name, **parts)

    def with_sampling(self, **sampling: Any) -> "Prompt":
        """The same prompt with these sampling settings put over its own."""
        if not sampling:
            return self
        merged = {**self.sampling, **sampling}
        _check_sampling(merged, self.name)
        return replace(self, sampling=merged)

    def render(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        """The chat messages for one row: an optional system message and the user message.

        Raises PromptError for a variable that the row does not hold, with name, file and line.
        """
        messages = []
        system = self._templates["system"].render(row).strip() if self.system else ""
        if system:
            messages.append({"role": "system", "content": system})
        parts = (self._templates[part].render(row).strip() for part in PARTS[1:] if getattr(self, part))
        return [*messages, {"role": "user", "content": "\n\n".join(part for part in parts if part)}]

    def check(self, columns: Sequence[str], known: Collection[str] | None = None) -> None:
        """Raises PromptError unless the templates compile and there is one pair of tags for each of the columns.

        known: the columns of the rows, where that is certain: a variable that is none of them is refused as well.
        """
        if not len(self.start_tags) == len(self.end_tags) == len(columns):
            raise PromptError(
                f"The prompt {self.name} has {len(self.start_tags)} pair(s) of tags, and its stage reads "
                f"{len(columns)} column(s): {', '.join(columns)}. Give one pair a column, in this order."
            )
        for template in self._templates.values():
            if known is not None:
                template.refuse_unknown(known)

    def parse(
        self, reply: str, columns: Sequence[str], *, cut_off: bool = False, keep_fences: bool = False
    ) -> ParsedReply:
        """The records in a reply, by its tags.

        Forgiving where the meaning is certain: white space, letter case and bold marks around tags, a <think> part,
        code fences around a whole value (unless keep_fences), a missing end tag before the next tag or, if the reply
        was not cut off, at its end. Whatever is not a complete record is left out.
        """
        text = _without_thinking(reply)
        _, thought, rest = text.partition("</think>")
        if thought:  # chat templates that open the part themselves leave only its end in the reply
            parsed = _read_records(self, rest, columns, cut_off, keep_fences)
            if parsed.rows:
                return parsed
        return _read_records(self, text, columns, cut_off, keep_fences)

    @cached_property
    def _templates(self) -> dict[str, Template]:
        return {
            part: Template(getattr(self, part), where=f"{self.name}.yaml ({part})", line=self._lines.get(part, 1))
            for part in PARTS
        }

    @cached_property
    def _tags(self) -> "_Tags":
        return _Tags(self.start_tags, self.end_tags)


def load_prompt(path: str | Path) -> Prompt:
    """The prompt in a YAML file, named after the file. Raises PromptError."""
    path = Path(path)
    return Prompt.from_yaml(read_text(path), path.stem, path.name)


def read_text(path: Path) -> str:
    """The text of a prompt's file. Raises PromptError."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise PromptError(f"Cannot read the prompt {path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise PromptError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None


def load_prompts(
    names: Sequence[str], method: str, folder: str | Path | None = None, given: Mapping[str, Prompt] | None = None
) -> dict[str, Prompt]:
    """The prompts of these names: from `folder` where it holds NAME.yaml, else those given, else the method's shipped.

    method: "grounded" or "freeform"; the folder may hold a folder of that name. Raises PromptError if a prompt is
    nowhere or cannot be used, or if the folder is missing or holds a YAML file that no stage is named after.
    """
    places = [shipped("prompts") / method]
    if folder is not None:
        own = Path(folder)
        if not own.is_dir():
            raise PromptError(f"There is no folder of prompts at {own}. Make it, or leave --prompts out.")
        own = own / method if (own / method).is_dir() else own
        _refuse_strangers(own, names)
        places = [own, *places]
    found = {}
    for name in names:
        *mine, ship = (place / f"{name}.yaml" for place in places)
        path = next((path for path in mine if path.exists()), ship)
        if path == ship and given and name in given:
            found[name] = given[name]
        elif path.exists():
            found[name] = load_prompt(path)
        else:
            raise PromptError(
                f"There is no prompt for the stage {name}: write {name}.yaml into your folder of prompts."
            )
    return found


def _refuse_strangers(folder: Path, names: Sequence[str]) -> None:
    """A file with a name that no stage has would never be used: most likely a typing error."""
    known = {path.stem for path in shipped("prompts").glob("*/*.yaml")} | set(names)
    for path in sorted(folder.glob("*.y*ml")):
        if path.stem not in known or path.suffix == ".yml":
            raise PromptError(
                f"{path} is named after no stage, so it would never be used. Prompts here: "
                f"{', '.join(f'{name}.yaml' for name in names)}."
            )


# A variable as older InstructLab files write it, with str.format's braces; to a Jinja2 template it would be text.
_SINGLE = re.compile(r"(?<!\{)\{(task_description|num_samples|(?:seed_)?(?:context|question|response))\}(?!\})")
_FOLDED = re.compile("[\r\x85\u2028\u2029]")  # line ends, which YAML keeps in double quotes only
MAX_FILE, MAX_BRACKETS = 1_000_000, 200  # characters of a file, and brackets open at once: the YAML reader's time grows


def _from_yaml(text: str, name: str, where: str) -> Prompt:
    import yaml

    brackets = accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text[:MAX_FILE]))
    if len(text) > MAX_FILE or max(brackets, default=0) > MAX_BRACKETS:
        raise PromptError(f"{where}: not valid YAML for a prompt (longer than {MAX_FILE:,} characters, or nested).")
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        parts = yaml.safe_load(text)
    except Exception as error:  # of the reader, and of Python where a tag such as !!int promises what is not there
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise PromptError(f"{where}{line}: not valid YAML ({getattr(error, 'problem', error)}).") from None
    if not isinstance(parts, dict) or not isinstance(tree, yaml.MappingNode):
        raise PromptError(f"{where}: a prompt is a mapping with {', '.join(PARTS)}, start_tags and end_tags.")
    lines = {}
    for key, value in tree.value:
        if key.value in lines:
            raise PromptError(f"{where}, line {key.start_mark.line + 1}: {key.value} stands there twice.")
        block = getattr(value, "style", None) in ("|", ">")
        lines[key.value] = value.start_mark.line + (2 if block else 1)
        if key.value not in (*PARTS, "start_tags", "end_tags", "sampling"):
            raise PromptError(
                f"{where}, line {key.start_mark.line + 1}: unknown part {key.value!r}. A prompt has "
                f"{', '.join(PARTS)}, start_tags, end_tags and sampling."
            )
    for part in PARTS:
        if not isinstance(parts.get(part) or "", str):
            raise PromptError(f"{where}, line {lines[part]}: {part} must be text.")
        if parts.get(part):
            parts[part] = _SINGLE.sub(r"{{ \1 }}", parts[part])
    if not (parts.get("generation") or parts.get("introduction") or parts.get("principles")):
        raise PromptError(f"{where}: the prompt is empty. Write at least `generation`.")
    starts, ends = (_tags_of(parts, key, where) for key in ("start_tags", "end_tags"))
    if len(starts) != len(ends):
        raise PromptError(f"{where}: {len(starts)} start_tags and {len(ends)} end_tags. Give them in pairs.")
    if "" in starts[1:]:
        raise PromptError(f"{where}: only the first start tag may be empty.")
    sampling = parts.get("sampling") or {}
    _check_sampling(sampling, where)
    texts = {part: parts.get(part) or "" for part in PARTS}
    prompt = Prompt(name, **texts, start_tags=starts, end_tags=ends, sampling=sampling, _lines=lines)
    _ = prompt._templates  # compiled now, so that a bad template is told when it is loaded
    return prompt


def _tags_of(parts: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    tags = parts.get(key) or [""]
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise PromptError(f"{where}: {key} must be a list of texts, one per output column.")
    return tuple(tag.strip() for tag in tags)


def _check_sampling(sampling: Any, where: str) -> None:
    """Raises SettingsError for a sampling setting that is unknown or out of its range."""
    if not isinstance(sampling, Mapping):
        raise SettingsError(f"{where}: sampling must be a mapping of {', '.join(SAMPLING)}.")
    for key, value in sampling.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        good = {
            "temperature": number and 0 <= value <= 2,
            "top_p": number and 0 < value <= 1,
            "max_tokens": number and isinstance(value, int) and value > 0,
            "extra_body": isinstance(value, Mapping) and _is_json(value),
        }
        if key not in good:
            raise SettingsError(f"{where}: unknown sampling setting {key!r}. There are {', '.join(SAMPLING)}.")
        if not good[key]:
            raise SettingsError(f"{where}: sampling {key} cannot be {reprlib.repr(value)}.")


def _is_json(value: Any) -> bool:
    """Whether JSON can hold it, in reasonable length: a few YAML aliases can stand for millions of values."""
    stack, left = [value], 10_000
    while stack and left:
        one, left = stack.pop(), left - 1
        if isinstance(one, Mapping):
            stack += [*one, *one.values()]
        elif isinstance(one, list | tuple):
            stack += one
        elif not (one is None or isinstance(one, str | int) or (isinstance(one, float) and math.isfinite(one))):
            return False
    return not stack


# Reading a reply ------------------------------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A fence that says no more than "this is text" is the teacher's manner; one that names a programming language is
# content.
_PLAIN_FENCES = ("", "markdown", "md", "text", "txt", "plaintext", "plain")


def _without_thinking(reply: str) -> str:
    """The reply without a <think> part; an unfinished one leaves nothing, since the reply proper never began."""
    text = reply.lstrip()
    if not text.startswith("<think>"):
        return text
    _, found, rest = text.partition("</think>")
    return rest if found else ""


def _tidy(value: str, keep_fences: bool) -> str:
    """A value without white space, control characters, bold marks and a plain fence around it."""
    text = _CONTROL.sub("", value.replace("\r\n", "\n")).strip()
    if text.startswith("**\n"):
        text = text[3:].strip()
    if text.endswith("\n**"):
        text = text[:-3].strip()
    if not keep_fences and text.startswith("```") and text.endswith("```"):
        opening, line_end, inside = text.removesuffix("```").partition("\n")
        if line_end and opening[3:].strip().lower() in _PLAIN_FENCES and "```" not in inside:
            text = inside.strip()
    return text


class _Tags:
    """The tags of a prompt as one regular expression. A text may serve as an end tag and as the next start tag."""

    def __init__(self, starts: Sequence[str], ends: Sequence[str]) -> None:
        self.starts, self.ends = tuple(starts), tuple(ends)
        self.texts = sorted({*starts, *ends} - {""}, key=len, reverse=True)
        alternatives = (f"(?P<t{i}>{self._pattern(tag)})" for i, tag in enumerate(self.texts))
        self.regex = re.compile("|".join(alternatives), re.IGNORECASE) if self.texts else None

    @staticmethod
    def _pattern(tag: str) -> str:
        tokens = re.findall(r"\w+|[^\w\s]", tag)
        spaced = re.escape(tokens[0])
        for before, after in pairwise(tokens):
            words = before[-1].isalnum() and after[0].isalnum()
            spaced += (r"\s{1,3}" if words else r"\s{0,3}") + re.escape(after)
        return rf"\*\*\s{{0,3}}{spaced}\s{{0,3}}\*\*|{spaced}"

    def found_in(self, text: str) -> list[tuple[int, int, str]]:
        """(start, end, tag) of every tag in the text, in order."""
        if self.regex is None:
            return []
        return [
            (m.start(), m.end(), self.texts[int(m.lastgroup[1:])]) for m in self.regex.finditer(text) if m.lastgroup
        ]


def _read_records(prompt: Prompt, text: str, columns: Sequence[str], cut_off: bool, keep_fences: bool) -> ParsedReply:
    tags = prompt._tags
    marks = tags.found_in(text)
    if tags.starts[0] == "":
        marks.insert(0, (0, 0, ""))
    rows: list[dict[str, str]] = []
    record: dict[str, str] = {}
    stray = False
    at = 0
    while at < len(marks):
        _, begin, tag = marks[at]
        expected = len(record)
        column = expected if tags.starts[expected] == tag else _index(tags.starts, tag)
        at += 1
        if column is None:
            continue  # an end tag with no start
        if column != expected:  # the record before it is incomplete; only the first column can begin a new one
            stray, record = True, {}
            if column != 0:
                continue
        end, _, closing = marks[at] if at < len(marks) else (len(text), len(text), None)
        if closing is not None and closing == tags.ends[column]:
            at += 0 if closing in tags.starts else 1
        elif closing is None and cut_off:
            stray = True
            break  # the value itself was cut off
        elif closing is not None and closing == tag:
            stray, record = True, {}
            continue  # the same tag again: where this value ends is anybody's guess
        value = _tidy(text[begin:end], keep_fences)
        if not value:
            stray, record = True, {}
            continue
        record[columns[column]] = value
        if len(record) == len(columns):
            rows.append(record)
            record = {}
    return ParsedReply(rows, stray or bool(record))


def _index(tags: Sequence[str], tag: str) -> int | None:
    return tags.index(tag) if tag in tags else None


_NUMBER = re.compile(r"(?<![\w.,\u2013\u2014-])-?\d+(?:[.,]\d+)?(?!\w|[-\u2013\u2014]\d)")
_OUT_OF = re.compile(r"(?:/|\bout\s+of\b|\bvon\b|\bof\b)\s*(\d+(?:\.0)?)", re.IGNORECASE)


def read_score(text: str, scale: Sequence[float]) -> float | None:
    """The score in a judge's text ("3", "**2**", "Score: 3/3", "2.0"), or None unless it is certain and on the
    scale."""
    plain = text[:2_000].replace("*", " ").replace("`", " ").replace("_", " ")
    highest = _OUT_OF.search(plain)
    if highest:
        if float(highest[1]) != max(scale):
            return None
        plain = plain[: highest.start()] + plain[highest.end() :]
    numbers = {float(number.replace(",", ".")) for number in _NUMBER.findall(plain)}
    if len(numbers) != 1 or len(text) > 2_000:
        return None
    score = numbers.pop()
    return score if score in scale else None
