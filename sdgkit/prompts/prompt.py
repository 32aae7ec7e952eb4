"""A prompt: five parts and the tags of its reply, in one YAML file named after its stage.

`system` becomes the system message; introduction, principles, examples and generation, in this order and with a blank
line between them, the user message. `start_tags` and `end_tags` hold one pair per output column.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from reprlib import repr as in_short
from typing import Any, NamedTuple

import yaml

from sdgkit.errors import PromptError, SettingsError
from sdgkit.files import shipped

PARTS = ("system", "introduction", "principles", "examples", "generation")
TAGS = ("start_tags", "end_tags")
NUMBER = (int, float)
SAMPLING: dict[str, tuple[Any, ...]] = {  # of what type, and within which bounds
    "temperature": (NUMBER, 0, 2), "top_p": (NUMBER, 0, 1), "max_tokens": ((int,), 1, 10**9), "extra_body": ((dict,),),
}  # fmt: skip
KINDS: dict[str, tuple[type, str]] = {  # what YAML must make of each part
    **dict.fromkeys(PARTS, (str, "text")),
    **dict.fromkeys(TAGS, (list, "a list of texts, one per output column")),
    "sampling": (dict, f"a mapping of {', '.join(SAMPLING)}"),
}


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
        where = where or f"{name}.yaml"
        try:
            found = yaml_keys(text)
            values = {
                key: yaml.constructor.SafeConstructor().construct_object(found[key], deep=True)
                for key in found
            }
        except Exception as error:  # of the reader, and of Python where a tag such as !!int promises what is not there
            raise PromptError(f"{where}, {yaml_trouble(error, text)}") from None
        lines = {}
        for key, node in found.items():
            line, value = node.start_mark.line + 1, values[key]
            lines[key] = line + 1 if getattr(node, "style", None) in ("|", ">") else line
            if key not in KINDS:
                raise PromptError(
                    f"{where}, line {line}: unknown part {key!r}. A prompt has {', '.join(KINDS)}."
                )
            kind, words = KINDS[key]
            if value is not None and not isinstance(value, kind):
                raise PromptError(f"{where}, line {line}: {key} must be {words}.")
        parts = {part: _SINGLE.sub(r"{{ \1 }}", values.get(part) or "") for part in PARTS}
        starts, ends = (
            tuple(str(tag or "").strip() for tag in values.get(key) or [""]) for key in TAGS
        )
        if not any(parts[part] for part in PARTS[1:]):
            raise PromptError(f"{where}: the prompt is empty. Write at least `generation`.")
        if len(starts) != len(ends) or "" in starts[1:]:
            counts = f"{len(starts)} start_tags and {len(ends)} end_tags"
            raise PromptError(
                f"{where}: {counts}. Give pairs, of which only the first may start with an empty tag."
            )
        sampling = values.get("sampling") or {}
        _check_sampling(sampling, where)
        prompt = cls(
            name, **parts, start_tags=starts, end_tags=ends, sampling=sampling, _lines=lines
        )
        _ = prompt._templates  # compiled now, so that a bad template is told when it is loaded
        return prompt

    def to_yaml(self) -> str:
        """The YAML text of the prompt; `from_yaml` gives an equal prompt back."""
        return yaml.dump(
            self.as_json(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120
        )

    def as_json(self) -> dict[str, Any]:
        """What stands in it as JSON values, without its name and what is empty."""
        parts = {name: getattr(self, name) for name in (*PARTS, *TAGS, "sampling")}
        return {
            name: list(part) if isinstance(part, tuple) else part
            for name, part in parts.items()
            if part
        }

    @classmethod
    def from_json(cls, name: str, values: Mapping[str, Any]) -> "Prompt":
        """The prompt that `as_json` gave."""
        parts: dict[str, Any] = {
            part: tuple(v) if isinstance(v, list) else v for part, v in values.items()
        }
        return cls(name, **parts)

    def with_sampling(self, **sampling: Any) -> "Prompt":
        """The same prompt with these sampling settings put over its own."""
        _check_sampling(sampling, self.name)
        return replace(self, sampling={**self.sampling, **sampling})

    def render(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        """The chat messages for one row: an optional system message and the user message.

        Raises PromptError for a variable that the row does not hold, with name, file and line.
        """
        system, *others = (self._templates[part].render(row).strip() for part in PARTS)
        user = {"role": "user", "content": "\n\n".join(part for part in others if part)}
        return [{"role": "system", "content": system}, user] if system else [user]

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
        self,
        reply: str,
        columns: Sequence[str],
        *,
        cut_off: bool = False,
        keep_fences: bool = False,
    ) -> ParsedReply:
        """The records in a reply, by its tags.

        Forgiving where the meaning is certain: white space, letter case and bold marks around tags, a <think> part,
        code fences around a whole value (unless keep_fences), a missing end tag before the next tag or, if the reply
        was not cut off, at its end. Whatever is not a complete record is left out.
        """
        thinks = reply.lstrip().startswith("<think>")
        _, thought, rest = reply.partition("</think>")
        if (
            thinks or thought
        ):  # chat templates that open the part themselves leave only its end in the reply
            parsed = self._read(rest, columns, cut_off, keep_fences)
            if thinks or parsed.rows:
                return parsed
        return self._read(reply, columns, cut_off, keep_fences)

    def _read(
        self, text: str, columns: Sequence[str], cut_off: bool, keep_fences: bool
    ) -> ParsedReply:
        starts, ends = ([_plain(tag) for tag in tags] for tags in (self.start_tags, self.end_tags))
        pieces = self._tags.split(text) if self._tags else [text]  # text, tag, text, tag, text …
        tagged = [*zip(["", *map(_plain, pieces[1::2])], pieces[::2], strict=True), (None, "")]
        rows: list[dict[str, str]] = []
        record: dict[str, str] = {}
        stray = False
        for (tag, value), (closing, _) in pairwise(tagged if starts[0] == "" else tagged[1:]):
            if tag not in starts:
                continue  # an end tag, and what follows it
            column = starts.index(tag)
            if column != len(record):  # the record before it is incomplete
                stray, record = True, {}
            # Where a value ends is anybody's guess if the reply was cut off in it, or if its own tag begins it again.
            unsure = cut_off if closing is None else closing == tag != ends[column]
            text = _tidy(value, keep_fences)
            if (
                unsure or not text or column != len(record)
            ):  # only the first column can begin a new record
                stray, record = True, {}
                continue
            record[columns[column]] = text
            if len(record) == len(columns):
                rows.append(record)
                record = {}
        return ParsedReply(rows, stray or bool(record))

    @cached_property
    def _templates(self) -> dict[str, Any]:
        from sdgkit.prompts.template import (
            Template,
        )  # with Jinja2, which a command's --help can do without

        return {
            part: Template(
                getattr(self, part),
                where=f"{self.name}.yaml ({part})",
                line=self._lines.get(part, 1),
            )
            for part in PARTS
        }

    @cached_property
    def _tags(self) -> re.Pattern[str] | None:
        """The tags in whatever white space, letter case and bold marks; a split leaves them in."""
        tags = sorted({*self.start_tags, *self.end_tags} - {""}, key=len, reverse=True)
        spaced = [r"\s{0,3}".join(map(re.escape, re.findall(r"\w+|[^\w\s]", tag))) for tag in tags]
        any_tag = f"(?:{'|'.join(spaced)})"
        pattern = rf"(\*\*\s{{0,3}}{any_tag}\s{{0,3}}\*\*|{any_tag})"
        return re.compile(pattern, re.IGNORECASE | re.ASCII) if tags else None


def load_prompt(path: str | Path) -> Prompt:
    """The prompt in a YAML file, named after the file. Raises PromptError."""
    path = Path(path)
    return Prompt.from_yaml(read_text(path), path.stem, path.name)


def read_text(path: Path) -> str:
    """The text of a prompt's file. Raises PromptError."""
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", "it is not UTF-8 text")
        raise PromptError(f"Cannot read the prompt {path}: {words}.") from None


def load_prompts(
    names: Sequence[str],
    method: str,
    folder: str | Path | None = None,
    given: Mapping[str, Prompt] | None = None,
) -> dict[str, Prompt]:
    """The prompts of these names: from `folder` where it holds NAME.yaml, else those given, else the method's shipped.

    What is nowhere is left out. method: "grounded" or "freeform"; the folder may hold a folder of that name. Raises
    PromptError if a prompt cannot be used, or if the folder is missing or holds a file that no stage is named after.
    """
    files = {path.stem: path for path in (shipped("prompts") / method).glob("*.yaml")}
    found = dict(given or {})
    if folder is not None:
        own = Path(folder)
        if not own.is_dir():
            raise PromptError(
                f"There is no folder of prompts at {own}. Make it, or leave --prompts out."
            )
        known = {*names, *(path.stem for path in shipped("prompts").glob("*/*.yaml"))}
        for path in sorted((own / method if (own / method).is_dir() else own).glob("*.y*ml")):
            if path.stem not in known or path.suffix == ".yml":  # most likely a typing error
                wanted = ", ".join(f"{name}.yaml" for name in names)
                raise PromptError(
                    f"{path} is named after no stage, so it would never be used. Prompts here: {wanted}."
                )
            files[path.stem] = path
            found.pop(path.stem, None)
    return {
        name: found.get(name) or load_prompt(files[name])
        for name in names
        if name in {*found, *files}
    }


def _check_sampling(sampling: Mapping[str, Any], where: str) -> None:
    """Raises SettingsError for a sampling setting that is unknown or out of its range."""
    for key, value in sampling.items():
        types, *bounds = SAMPLING.get(key, ((),))
        try:
            good = type(value) in types and (not bounds or bounds[0] <= value <= bounds[1])
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            good = False
        if not good:
            raise SettingsError(
                f"{where}: sampling {key} cannot be {in_short(value)}. There are {', '.join(SAMPLING)}."
            )


# YAML -----------------------------------------------------------------------------------------------------------------

# A variable as older InstructLab files write it, with str.format's braces; to a Jinja2 template it would be text.
_SINGLE = re.compile(
    r"(?<!\{)\{(task_description|num_samples|(?:seed_)?(?:context|question|response))\}(?!\})"
)
_FOLDED = re.compile("[\r\x85\u2028\u2029]")  # line ends, which YAML keeps in double quotes only


class _Loader(yaml.SafeLoader):
    """Without aliases, by which a few lines can stand for millions."""

    def fetch_alias(self) -> None:
        problem = "aliases are not read; a text that begins with * needs quotes"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as a block."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = '"' if _FOLDED.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_block)


def yaml_keys(source: str | yaml.Node) -> dict[str, Any]:
    """The keys of a YAML text or mapping, each with the node of its value, which knows its line. Raises YAMLError."""
    node = yaml.compose(source, Loader=_Loader) if isinstance(source, str) else source
    if not isinstance(node, yaml.MappingNode):
        raise yaml.MarkedYAMLError(
            problem="a mapping is wanted", problem_mark=node.start_mark if node else None
        )
    keys: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key.value, str) or key.value in keys:
            problem = f"the key {key.value!s:.40} stands there twice, or is not text"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        keys[key.value] = value
    return keys


def yaml_trouble(error: BaseException, text: str) -> str:
    """What went wrong in reading a YAML text, and in which line."""
    mark = getattr(error, "problem_mark", None)
    line = mark.line if mark else text.count("\n", 0, getattr(error, "position", 0))
    words = (
        getattr(error, "problem", None) or (str(error).splitlines() or [type(error).__name__])[0]
    )
    return f"line {line + 1}: not valid YAML ({words}). Correct the line."


# Reading a reply ------------------------------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A fence that says no more than "this is text" is the teacher's manner; one that names a programming language is
# content.
_FENCE = re.compile(
    r"```[^\S\n]*(?:(?:markdown|md|te?xt|plain(?:text)?)[^\S\n]*)?\n((?:(?!```).)*)```", re.S | re.I
)
_NUMBER = re.compile(r"(?<![\w.,\u2013\u2014-])-?\d+(?:[.,]\d+)?(?!\w|[-\u2013\u2014]\d)")
OUT_OF = re.compile(r"(?:/|\bout\s+of\b|\bvon\b|\bof\b)\s*(\d+(?:\.0)?)", re.IGNORECASE)


def _plain(tag: str) -> str:
    return re.sub(r"[\s*]", "", tag).lower()


def _tidy(value: str, keep_fences: bool) -> str:
    """A value without white space, control characters and a plain fence around it."""
    text = _CONTROL.sub("", value.replace("\r\n", "\n")).strip()
    fence = None if keep_fences else _FENCE.fullmatch(text)
    return fence[1].strip() if fence else text


def read_score(text: str, scale: Sequence[float]) -> float | None:
    """The score in a judge's text ("3", "**2**", "Score: 3/3", "2.0"), or None unless it is certain and on the
    scale."""
    plain = re.sub(r"[*`_]", " ", text[:2_000])
    highest = OUT_OF.search(plain)
    if highest:
        plain = plain.replace(highest[0], "", 1)
    scores = {float(number.replace(",", ".")) for number in _NUMBER.findall(plain)}
    certain = (
        len(scores) == 1 and len(text) <= 2_000 and (not highest or float(highest[1]) == max(scale))
    )
    return scores.pop() if certain and scores <= {*scale} else None
