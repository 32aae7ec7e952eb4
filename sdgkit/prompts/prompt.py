"""A prompt: five parts, the tags of its reply, and sampling settings.

The part `system` becomes the system message. The introduction, principles, examples, and
generation, in this order with a blank line between them, become the user message.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from sdgkit.errors import PromptError, SettingsError
from sdgkit.files import refuse_endless, write_atomically
from sdgkit.keywords import known_keywords_throughout
from sdgkit.prompts.parser import ParsedReply, ReplyParser
from sdgkit.prompts.prompt_yaml import PARTS, TAGS, check_values, read_yaml, write_yaml
from sdgkit.prompts.sampling import SamplingSettings, check_sampling
from sdgkit.prompts.tags import TagPair
from sdgkit.prompts.yaml_edits import heading_of, update_yaml

if TYPE_CHECKING:
    from sdgkit.prompts.template import Template


@known_keywords_throughout
@dataclass(frozen=True)
class Prompt:
    """What a teacher is asked at one stage, and how its reply is read.

    Attributes:
        name: The name of its stage, and of its file.
        system: The system message, a Jinja2 template; "" for none. The other parts are templates
            as well, and "" where absent.
        introduction: Who the teacher is and what the task is.
        principles: The rules to follow.
        examples: The seed example.
        generation: What to write now, and in which form.
        start_tags: The tag before each output column's value, in order. The first may be "": then
            the value begins with the reply.
        end_tags: The tag after each output column's value; "" for the end of the reply.
        sampling: The settings sent along: temperature, top_p, max_tokens, extra_body.

    Example:
        >>> prompt = Prompt(
        ...     "gen_titles",
        ...     generation="Write a title for: {{ text }}",
        ...     start_tags=("[Title]",),
        ...     end_tags=("[End]",),
        ... )
        >>> prompt.render({"text": "a report"})
        [{'role': 'user', 'content': 'Write a title for: a report'}]
        >>> prompt.parse("Sure! [title] The Report [End]", ["title"]).rows
        [{'title': 'The Report'}]
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
    def from_yaml(cls, text: str, name: str, file: str | None = None) -> "Prompt":
        """Read a prompt from YAML.

        Args:
            text: The YAML text.
            name: The name of the prompt.
            file: The name of the file, for messages; by default `{name}.yaml`.

        Raises:
            PromptError: If it cannot be used; with file, line and part.
            SettingsError: For a sampling setting that does not exist or is out of its range.
        """
        entries = read_yaml(text, file or f"{name}.yaml")
        prompt = cls(
            name,
            **entries.parts,
            start_tags=entries.start_tags,
            end_tags=entries.end_tags,
            sampling=entries.sampling,
            _lines=entries.lines,
        )
        _ = prompt._templates  # compiled now, so that a mistake in one shows when it is loaded
        return prompt

    def to_yaml(self) -> str:
        """Write the prompt as YAML; `from_yaml` gives an equal prompt back."""
        return write_yaml(self.as_json())

    def update_yaml(self, text: str) -> str:
        """Put this prompt into an existing YAML text.

        Args:
            text: The YAML text of a prompt.

        Returns:
            The text, in which only the parts that differ are rewritten; comments, order and
            everything else stay. Where an unusual layout makes that impossible, only the comment
            at the top stays.

        Raises:
            PromptError, SettingsError: If the text, or this prompt, cannot be used.
        """
        before = Prompt.from_yaml(text, self.name)
        after = Prompt.from_yaml(self.to_yaml(), self.name)
        updated = update_yaml(text, before.as_json(), after.as_json())
        try:
            if Prompt.from_yaml(updated, self.name) == after:
                return updated
        except (PromptError, SettingsError):
            pass
        return heading_of(text) + after.to_yaml()

    def save(self, path: str | Path, *, layout: str | None = None) -> Path:
        """Write the prompt to a file.

        If the file holds a prompt already, only the parts that differ are rewritten: its comments
        stay.

        Args:
            path: The file. Missing folders are created.
            layout: The YAML text of a prompt whose comments and order to take over if the file
                does not hold a prompt yet.

        Returns:
            The path.

        Raises:
            PromptError, SettingsError: If the prompt cannot be used.
            RunError: If the file cannot be written.
        """
        path = Path(path)
        prompt = Prompt.from_yaml(self.to_yaml(), self.name)
        text = prompt.to_yaml()
        for old_text in (_text_in(path), layout):
            if old_text is not None:
                with suppress(PromptError, SettingsError):  # the old text is no prompt
                    text = prompt.update_yaml(old_text)
                    break
        with write_atomically(path) as file:
            file.write(text.encode())
        return path

    def as_json(self) -> dict[str, Any]:
        """The prompt as JSON values, without its name and its empty parts."""
        values: dict[str, Any] = {part: getattr(self, part) for part in PARTS}
        values["start_tags"] = list(self.start_tags)
        values["end_tags"] = list(self.end_tags)
        values["sampling"] = self.sampling
        used = {}
        for name, value in values.items():
            if value:
                used[name] = value
        return used

    @classmethod
    def from_json(cls, name: str, values: Mapping[str, Any]) -> "Prompt":
        """The prompt of this name with the values that `as_json` gave.

        Raises:
            PromptError: There is an unknown value among them.
            SettingsError: For a sampling setting that does not exist or is out of its range.
        """
        check_values(values, name)
        fields = dict(values)
        for tags in TAGS:
            if tags in fields:
                fields[tags] = tuple(fields[tags])
        return cls(name, **fields)

    def with_sampling(self, **sampling: Unpack[SamplingSettings]) -> "Prompt":
        """Change sampling settings.

        Args:
            **sampling: Settings to use instead of, or in addition to, the prompt's own.

        Returns:
            The same prompt with these settings.

        Raises:
            SettingsError: For a setting that does not exist or is out of its range.
        """
        check_sampling(sampling, self.name)
        return replace(self, sampling={**self.sampling, **sampling})

    @property
    def tags(self) -> tuple[TagPair, ...]:
        """The tags around each output column's value, in order."""
        pairs = zip(self.start_tags, self.end_tags, strict=True)
        return tuple(TagPair(start, end) for start, end in pairs)

    def render(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        """Fill in the templates.

        Args:
            row: The values of the variables.

        Returns:
            The chat messages: the system message, if there is one, and the user message.

        Raises:
            PromptError: For a variable that the row does not hold; with file, line and part.
        """
        system, *user_parts = [self._templates[part].render(row).strip() for part in PARTS]
        texts_of_user = []
        for part in user_parts:
            if part:
                texts_of_user.append(part)
        content = "\n\n".join(texts_of_user)
        messages = [{"role": "user", "content": content}]
        if system:
            messages.insert(0, {"role": "system", "content": system})
        return messages

    def mentions(self, variable: str) -> bool:
        """Whether a template of the prompt has a variable of this name."""
        word = re.compile(rf"\{{[{{%][^}}]*\b{re.escape(variable)}\b")
        return any(word.search(getattr(self, part)) for part in PARTS)

    def check(self, columns: Sequence[str], variables: Collection[str] | None = None) -> None:
        """Check the prompt against the stage that uses it.

        Args:
            columns: The columns that the stage reads from a reply.
            variables: The columns of the rows that the stage gets, if they are certain.

        Raises:
            PromptError: If a template does not compile, if there is not one pair of tags for each
                column, or if a template needs a variable that is not among these.
        """
        if not len(self.start_tags) == len(self.end_tags) == len(columns):
            raise PromptError(
                f"The prompt {self.name} has {len(self.start_tags)} pair(s) of tags, but its stage "
                f"reads {len(columns)} column(s): {', '.join(columns)}. "
                "Use one start/end tag pair per column, in this order.",
                part="start_tags",
            )
        for template in self._templates.values():
            if variables is not None:
                template.refuse_unknown(variables)

    def parse(
        self,
        reply: str,
        columns: Sequence[str],
        *,
        cut_off: bool = False,
        end_unsaid: bool = False,
        keep_fences: bool = False,
        keep_thoughts: bool = False,
        optional: Collection[str] = (),
    ) -> ParsedReply:
        """Read the records in a reply, by the prompt's tags.

        Forgiving where the meaning is certain: white space, letter case and bold marks around
        tags, code fences around a whole value, and a missing end tag before the next tag or at the
        end of the reply. What the model thought (`sdgkit.prompts.thinking` knows the forms) is
        never read, whether the thought was closed or not.

        Args:
            reply: The text of the reply.
            columns: The names of the output columns, in the order of the tags.
            cut_off: Whether the reply ended at its limit of tokens. The last value is then left
                out, unless it has its end tag.
            end_unsaid: Whether it is not known how the reply ended. The last value then needs its
                end tag, if it has one.
            keep_fences: Whether to keep a code fence around a whole value.
            keep_thoughts: Whether marks of thinking inside the answer belong to it, as they do
                where the seeds' own texts hold them.
            optional: Columns that may be missing or empty; they are "" then.

        Returns:
            The complete records; everything else in the reply is left out.
        """
        return self._parser.parse(
            reply,
            columns,
            cut_off=cut_off,
            end_unsaid=end_unsaid,
            keep_fences=keep_fences,
            keep_thoughts=keep_thoughts,
            optional=optional,
        )

    @cached_property
    def _parser(self) -> ReplyParser:
        return ReplyParser(self.tags)

    @cached_property
    def _templates(self) -> dict[str, "Template"]:
        # Imported here, because `sdgkit --help` can do without Jinja2.
        from sdgkit.prompts.template import Template

        templates = {}
        for part in PARTS:
            templates[part] = Template(
                getattr(self, part),
                file=f"{self.name}.yaml",
                part=part,
                line=self._lines.get(part, 1),
            )
        return templates


def _text_in(path: Path) -> str | None:
    """The text of a file, or None if there is none."""
    try:
        refuse_endless(path)
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
