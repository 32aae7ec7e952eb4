"""What a model thought, in the forms in which servers leave it in a reply, and how to leave it out.

`FORMS` is the one table of them: a model that thinks in another form needs a row there. Each form
has been seen in the replies of the models named.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

_ANYWHERE = ""
_AT_THE_BEGINNING = r"\A\s*"

_GAP = r"[_\u2581 -]?"  # between the words of a name; U+2581 is DeepSeek's
_WORDS = (
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|reflect|scratch" + _GAP + r"pad"
    r"|analysis|analy[sz](?:e|ing)|cot|chain" + _GAP + "of" + _GAP + r"thoughts?|rationale"
    r"|deliberat(?:e|ion|ing)|planning|ponder(?:ing)?|contemplat(?:e|ion|ing)|introspection"
    r"|brainstorm(?:ing)?|(?:inner|internal)?" + _GAP + r"(?:monologue|thoughts?)|anti?thinking"
    r"|self" + _GAP + r"talk|mental" + _GAP + r"notes?|considerations?"
    r"|step" + _GAP + "by" + _GAP + "step"
    r"|思考|推理|思维链)"
)  # fmt: skip
_NAMES = (
    rf"(?!(?:end|stop|close){_GAP}(?:of)?)"
    r"(?:[\w.-]{1,30}[:_-])?"  # a name space, or a word before it: seed:think, longcat_think
    + _WORDS
    # what of a thought it is: thought_process, reasoning_content, think1
    + rf"(?:{_GAP}(?:process|steps?|content|trace|block|section|chain|text|log"
    rf"|budget{_GAP}reflect|过程|過程|\d{{1,3}})){{0,2}}"
)
_BEFORE_NAME = rf"(?:begin|start){_GAP}(?:of)?{_GAP}"
_END_BEFORE_NAME = rf"(?:/\s*|(?:end|stop|close){_GAP}(?:of)?{_GAP})"
_LEFT = r"(?:<|&lt;|\uff1c)"
_RIGHT = r"(?:>|&gt;|\uff1e)"
_PIPE = r"[|\uff5c]"
_ATTRIBUTES = r"(?:\s[^<>\[\]]{0,300}?)?"
# Everyday words, which name a thought only where a reply begins with them.
_WORKING = r"(?:plan|draft|notes?|working|critique|outline)"


@dataclass(frozen=True)
class ThoughtForm:
    """A form in which servers leave what a model thought in its reply.

    Attributes:
        models: Who writes it.
        begins: A regular expression for what begins a thought; `\\A` where it counts at the
            beginning of the reply only.
        ends: A regular expression for what ends it.
        ends_alone: Whether the end alone marks a thought, whose beginning some chat templates
            write themselves: then everything before it was thought.
    """

    models: str
    begins: str
    ends: str
    ends_alone: bool = True


FORMS = (
    ThoughtForm(
        "DeepSeek-R1, Qwen3, QwQ, Phi-4, Nemotron, EXAONE, Seed-OSS, LongCat, Reflection, and any "
        "tag of these names",
        begins=rf"{_LEFT}\s*{_NAMES}{_ATTRIBUTES}\s*{_RIGHT}",
        ends=rf"{_LEFT}\s*{_END_BEFORE_NAME}{_NAMES}\s*{_RIGHT}",
    ),
    ThoughtForm(
        "models told to plan first, in tags of everyday names",
        begins=_AT_THE_BEGINNING + rf"<\s*{_WORKING}\s*>",
        ends=rf"<\s*/\s*{_WORKING}\s*>",
        ends_alone=False,
    ),
    ThoughtForm(
        "Magistral",
        begins=r"\[(?:THINK|THINKING|REASONING|THOUGHTS?)\]",
        ends=r"\[/\s*(?:THINK|THINKING|REASONING|THOUGHTS?)\]",
    ),
    ThoughtForm(
        "models that put other names in brackets",
        begins=_AT_THE_BEGINNING
        + rf"(?:\[(?:{_BEFORE_NAME})?{_NAMES}\]|【{_NAMES}】|\{{{{1,2}}{_NAMES}\}}{{1,2}})",
        ends=rf"(?:\[{_END_BEFORE_NAME}{_NAMES}\]|【/\s*{_NAMES}】"
        rf"|\{{{{1,2}}/\s*{_NAMES}\}}{{1,2}})",
        ends_alone=False,
    ),
    ThoughtForm(
        "Sky-T1, OpenThinker, Command A, Apertus, and any special token of these names",
        begins=rf"<{_PIPE}(?:inner_prefix|(?:{_BEFORE_NAME})?{_NAMES}(?:{_GAP}(?:start|begin))?)"
        rf"{_PIPE}>",
        ends=rf"<{_PIPE}(?:inner_suffix|{_END_BEFORE_NAME}{_NAMES}|{_NAMES}{_GAP}(?:end|stop)"
        rf"|{_BEFORE_NAME}(?:solution|response|answer)){_PIPE}>",
    ),
    ThoughtForm(
        "models that think in a turn of their own",
        begins=rf"<\|im_start\|>\s*{_NAMES}\s*\n",
        ends=r"<\|im_end\|>\s*<\|im_start\|>[^\n<]{0,40}\n",
        ends_alone=False,
    ),
    ThoughtForm("Kimi-VL", begins="◁think▷", ends="◁/think▷"),
    ThoughtForm("MedGemma", begins=r"<unused94>(?:thought)?", ends="<unused95>"),
    ThoughtForm("Gemma", begins=r"<\|channel>\s*(?:thought|analysis)", ends=r"<channel\|>"),
    ThoughtForm(
        "Granite",
        begins=_AT_THE_BEGINNING + r"Here(?: i|')s my thought process\s*:",
        ends=r"Here(?: i|')s my response\s*:",
        ends_alone=False,
    ),
    ThoughtForm(
        "Apriel",
        begins=_AT_THE_BEGINNING + r"Here are my reasoning steps\s*:",
        ends=r"\[BEGIN FINAL RESPONSE\]",
    ),
    ThoughtForm(
        "Ollama's terminal",
        begins=_AT_THE_BEGINNING + r"Thinking\.\.\.[ \t]*\n",
        ends=r"\.\.\.done thinking\.",
    ),
    ThoughtForm(
        "Open WebUI",
        begins=r"<details\b[^<>]{0,300}\btype=[\"']?reasoning\b[^<>]{0,300}>"
        r"|<details\b[^<>]{0,300}>\s*<summary>[^<>]{0,80}\b(?:thinking|thought|reasoning)\b"
        r"[^<>]{0,80}</summary>",
        ends=r"</details>",
        ends_alone=False,
    ),
    ThoughtForm(
        "models that fence their thoughts",
        begins=rf"```{_NAMES}[ \t]*\n",
        ends=r"```",
        ends_alone=False,
    ),
    ThoughtForm(
        "models that fence their thoughts with tildes",
        begins=rf"~~~{_NAMES}[ \t]*\n",
        ends=r"~~~",
        ends_alone=False,
    ),
    ThoughtForm(
        "models that put marks of their thoughts into comments",
        begins=rf"<!--\s*{_NAMES}\s*-->",
        ends=rf"<!--\s*(?:/|end\b)\s*{_NAMES}\s*-->",
    ),
    ThoughtForm(
        "models that put their thoughts into comments",
        begins=rf"<!--\s*{_NAMES}\s*[:\n]",
        ends="-->",
        ends_alone=False,
    ),
    ThoughtForm(
        "gpt-oss, where the server took its special tokens out",
        begins=_AT_THE_BEGINNING + r"(?-i:(?:assistant)?(?:analysis|commentary)(?=[A-Z\"'\[<]))",
        ends=r"(?-i:assistantfinal)",
    ),
)
"""All known forms but the channels of `_CHANNEL`."""

# gpt-oss (harmony): `<|start|>assistant<|channel|>analysis<|message|>…<|end|>`. The answer is the
# message on the channel `final`, and there may be none.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_MESSAGE_ENDS = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_FINAL = "final"

# What some models put around the answer that follows their thoughts.
_AROUND_ANSWER = tuple(
    re.compile(rf"\s*{begins}(.*?)(?:{ends}\s*)?", re.DOTALL | re.IGNORECASE)
    for begins, ends in (
        ("<answer>", "</answer>"),
        ("<response>", "</response>"),
        ("<output>", "</output>"),
        (r"<\|START_RESPONSE\|>", r"<\|END_RESPONSE\|>"),
        (r"<\|begin_of_solution\|>", r"<\|end_of_solution\|>"),
        (r"\[BEGIN FINAL RESPONSE\]", r"\[END FINAL RESPONSE\]"),
    )
)
_LEFT_OVER = re.compile(
    r"(?:<\|(?:end_of_solution|END_RESPONSE|return|end)\|>|\[END FINAL RESPONSE\]"
    r"|<\|end_of_(?:response|answer)\|>)\s*\Z",
    re.IGNORECASE,
)

# What else may stand between a thought and the answer.
_SPECIAL_TOKEN = re.compile(r"<\|start\|>\w*|<\|[^<>|\n]*\|>")
_BEFORE_ANSWER = re.compile(
    r"(?:<(?:answer|response|output)>|\[BEGIN FINAL RESPONSE\])\s*\Z", re.IGNORECASE
)


@dataclass(frozen=True)
class FinalAnswer:
    """A reply without what the model thought.

    Attributes:
        text: The answer; empty where the model only thought.
        has_thoughts: Whether there was anything to leave out.
    """

    text: str
    has_thoughts: bool


@dataclass(frozen=True)
class _Mark:
    """The beginning or the end of a thought in a reply."""

    form: ThoughtForm
    is_beginning: bool
    start: int
    end: int


@cache
def _marks() -> re.Pattern[str]:
    """What finds any mark, with one group for each form's beginning and one for each end.

    Compiled on first use, since that takes some 30 ms and few commands need it.
    """
    choices = []
    for number, form in enumerate(FORMS):
        choices.append(f"(?P<b{number}>{form.begins})")
        choices.append(f"(?P<e{number}>{form.ends})")
    return re.compile("|".join(choices), re.IGNORECASE)


# A mark is at the beginning of a reply, begins with one of these signs, or is one of the ends
# in words. To try every form at every character took a sixth of a run's time.
_SIGN = re.compile(
    r"[<\uff1c](?=\s*[^\W\d]|\s*[/|\uff5c!])|\[(?=[^\W\d]|/)|`(?=``)|~(?=~~)|\u25c1|&(?=lt;)"
    r"|\u3010(?=/)|\{(?=\{?/)"
)
_END_IN_WORDS = re.compile(r"my response|done thinking|assistantfinal|-->", re.IGNORECASE)


def final_answer(
    reply: str,
    *,
    is_own_tag: Callable[[str], bool] = lambda mark: False,
    keeps_inner: bool = False,
) -> FinalAnswer:
    """Leave out what the model thought, whether a thought was closed or not.

    Args:
        reply: The text of the reply.
        is_own_tag: Says of a mark whether the prompt asked for it: then it is no thought's.
        keeps_inner: Only what was thought before the answer is left out. For a task whose own
            texts hold such marks.

    Example:
        >>> final_answer("<think>A draft.</think>The answer.").text
        'The answer.'
        >>> final_answer("The answer. <thinking>Is it right?").text
        'The answer. '
        >>> final_answer("[THINK]It never ended").text
        ''
    """
    answer = _on_final_channel(reply)
    has_thoughts = answer is not None
    text = reply
    if answer is not None:
        text = answer
    marks = []
    for match in _find_marks(text):
        if not is_own_tag(match[0].strip()):
            marks.append(_mark(match))
    if not marks:
        return FinalAnswer(text, has_thoughts)
    if keeps_inner:
        pieces = _leading_cut(text, marks)
    else:
        pieces = _all_cut(text, marks)
    outside = "".join(pieces)
    if outside == text:
        return FinalAnswer(text, has_thoughts)
    return FinalAnswer(_unwrapped(outside), has_thoughts=True)


def has_thought_marks(text: str) -> bool:
    """Whether a text of the user's holds marks that would be mistaken for those of a thought.

    Example:
        >>> has_thought_marks("<think>2 + 2</think> 4")
        True
        >>> has_thought_marks("I think so.")
        False
    """
    return any(_find_marks(text)) or _CHANNEL.search(text) is not None


def without_thought_marks(text: str) -> str:
    """What a model thought, without the marks around it and what leads from it to the answer.

    Args:
        text: The text before the answer in a reply.

    Example:
        >>> without_thought_marks("[THINK]Is it 4? Yes.[/THINK]")
        'Is it 4? Yes.'
        >>> without_thought_marks("<|channel|>analysis<|message|>It is 4.<|end|><|start|>assistant")
        'It is 4.'
    """
    pieces = []
    begin = 0
    open_forms: list[ThoughtForm] = []
    for match in _find_marks(text):
        mark = _mark(match)
        if mark.is_beginning:
            open_forms.append(mark.form)
        elif mark.form in open_forms:
            open_forms.remove(mark.form)
        elif not mark.form.ends_alone:
            continue  # the end of something else, such as of a code fence
        pieces.append(text[begin : mark.start])
        begin = mark.end
    pieces.append(text[begin:])
    thought = _CHANNEL.sub("", "".join(pieces))
    return _BEFORE_ANSWER.sub("", _SPECIAL_TOKEN.sub("", thought)).strip()


def _find_marks(text: str) -> Iterator[re.Match[str]]:
    """The marks in a text, as `_marks().finditer` finds them."""
    if _END_IN_WORDS.search(text):
        yield from _marks().finditer(text)
        return
    end = 0
    first = _marks().match(text)
    if first is not None:
        yield first
        end = first.end()
    for sign in _SIGN.finditer(text, end):
        if sign.start() < end:
            continue
        mark = _marks().match(text, sign.start())
        if mark is not None:
            yield mark
            end = mark.end()


def _on_final_channel(reply: str) -> str | None:
    """The message on the last final channel, "" if there is none; None without channels."""
    answer: str | None = None
    for match in _CHANNEL.finditer(reply):
        answer = answer or ""
        if match[1].lower() == _FINAL:
            ending = _MESSAGE_ENDS.search(reply, match.end())
            if ending:
                end = ending.start()
            else:
                end = len(reply)
            answer = reply[match.end() : end]
    return answer


def _mark(match: re.Match[str]) -> _Mark:
    group = match.lastgroup or ""
    return _Mark(FORMS[int(group[1:])], group.startswith("b"), match.start(), match.end())


def _all_cut(text: str, marks: list[_Mark]) -> list[str]:
    """The pieces of a text outside of all thoughts."""
    pieces: list[str] = []
    begin = 0
    thought: ThoughtForm | None = None
    for mark in marks:
        if thought is None and mark.is_beginning:
            pieces.append(text[begin : mark.start])
            thought = mark.form
        elif thought is mark.form and not mark.is_beginning:
            begin = mark.end
            thought = None
        elif thought is None and mark.form.ends_alone:
            pieces = []  # a thought whose beginning is not in the reply
            begin = mark.end
    if thought is None:
        pieces.append(text[begin:])
    return pieces


def _leading_cut(text: str, marks: list[_Mark]) -> list[str]:
    """The text after the thought with which it begins; all of it where it begins with none."""
    depth = 0
    begins_with_thought = not text[: marks[0].start].strip() and marks[0].is_beginning
    for mark in marks:
        depth += 1 if mark.is_beginning else -1
        is_end_of_leading = begins_with_thought and depth == 0
        if is_end_of_leading or (depth < 0 and mark.form.ends_alone):
            return [text[mark.end :]]
        depth = max(0, depth)
    if begins_with_thought:
        return []
    return [text]


def _unwrapped(answer: str) -> str:
    """An answer that followed a thought, without what the model put around it."""
    for around in _AROUND_ANSWER:
        match = around.fullmatch(answer)
        if match is not None:
            return match[1]
    left_over = _LEFT_OVER.search(answer)
    return answer if left_over is None else answer[: left_over.start()].rstrip()
