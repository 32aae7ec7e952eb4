"""Damaged inputs for every loader and parser: each is read or refused in one sentence.

CI tries a few of each; `nox -s fuzz` thousands (SDGKIT_TEST_FUZZ_EXAMPLES).
"""

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import seeds

import sdgkit as sk
from sdgkit.checks import RULES, CheckedText
from sdgkit.errors import SdgkitError
from sdgkit.flows import read_flow
from sdgkit.method.lists_file import read_lists
from sdgkit.prompts import Prompt, load_prompt
from sdgkit.run.folder import read_config, read_summary, write_calibrated, write_reviewed
from sdgkit.teachers.credentials import Credentials
from sdgkit.teachers.settings import Settings, resolve_settings

EXAMPLES = int(os.environ.get("SDGKIT_TEST_FUZZ_EXAMPLES", "20"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 100,
    suppress_health_check=list(HealthCheck),
    database=None,
)

PIECES = [
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"NaN", b"-Infinity", b"1e999", b"9" * 30, b"-1",
    b"null", b"true", b"[]", b"{}", b'""', b"[", b"]", b"{", b"}", b'"', b"'", b",", b":", b"\n",
    b"\r\n", b"\t", b"- ", b"* ", b"&a ", b"*a", b"!!int ", b"!!binary ",
    b"!!timestamp ", b"!!set ",
    b"!!python/name:os.system ", b"<<: ", b"? ", b"| ", b"> ", b"---\n", b"%YAML 1.1\n", b"{{ x }}",
    b"{% for", b"%}", b"../../etc/passwd", b"2020-13-45", b"1:1:1", b"0o9", b".inf",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae", b"~", b"yes", b"\x1b[31m", b"[" * 300, b'{"a":' * 200,
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, base: bytes) -> bytes:
    """A text with a few edits: bytes changed, removed, doubled, or replaced by something odd."""
    data = bytearray(base)
    for _ in range(draw(st.integers(1, 5))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.sampled_from([0, 1, 2, 5, 20, 100])))
        edit = draw(st.sampled_from(["put", "cut", "double", "end", "byte"]))
        if edit == "put":
            data[begin:end] = draw(st.sampled_from(PIECES))
        elif edit == "cut":
            del data[begin:end]
        elif edit == "double":
            data[begin:begin] = bytes(data[begin:end]) * draw(st.sampled_from([1, 2, 30]))
        elif edit == "end":
            del data[begin:]
        else:
            data[begin:begin] = bytes([draw(st.integers(0, 255))])
    return bytes(data)


ODD = st.sampled_from(
    [None, True, 5, -1, 1.5, 10**30, "", "x", "../x", "\ud800", "a\0b", [], {}, [1], {"": None}]
)


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value in which something is missing, added, or of another type."""
    if not value or not isinstance(value, dict | list) or draw(st.integers(0, 3)) == 0:
        return draw(ODD)
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(changed(value[at])), *value[at + 1 :]]
    name = draw(st.sampled_from(sorted(value)))
    rest = {other: inner for other, inner in value.items() if other != name}
    edit = draw(st.sampled_from(["remove", "rename", "change", "change", "change"]))
    if edit == "remove":
        return rest
    if edit == "rename":
        return {**rest, draw(st.sampled_from(["", "x", "checks", "contexts", "name"])): value[name]}
    return {**rest, name: draw(changed(value[name]))}


ROWS = [{name: value[:60] for name, value in row.items()} for row in seeds(2)]


def as_csv() -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROWS[0]))
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode()


def as_parquet() -> bytes:
    file = io.BytesIO()
    rows = [{**row, "n": 1, "l": ["a"], "d": {"x": 1}} for row in ROWS]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


PROMPT = b"""introduction: Write.
generation: "{{ seed_context }}{% if vary is defined %}{{ vary.mood|upper }}{% endif %}"
start_tags: ["[S]"]
end_tags: ["[E]"]
sampling: {temperature: 0.5, extra_body: {a: 1}}
"""
FLOW = b"""- block_type: LLMBlock
  block_config: {block_name: gen_contexts, config_path: p.yaml, model_id: m, output_cols: [context]}
  gen_kwargs: {temperature: 0.7, max_tokens: 100, n: 3}
- block_type: FilterByValueBlock
  block_config:
    block_name: keep
    filter_column: context
    filter_value: 1.0
    operation: operator.ge
    convert_dtype: float
"""
QNA = b"""version: 3
task_description: Do it well.
seed_examples:
- context: |
    a text
  question: What?
  answer: That.
"""
TOML = b'teacher = "vllm"\nbase_url = ["http://a/v1"]\nmodel = "m"\nheaders = {X-A = "PATH"}\n'


def settle(path: Path) -> None:
    Credentials(resolve_settings(Settings()))


FILES: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "seeds.jsonl": ("".join(json.dumps(row) + "\n" for row in ROWS).encode(), sk.load_seeds),
    "seeds.json": (json.dumps(ROWS).encode(), sk.load_seeds),
    "seeds.csv": (as_csv(), sk.load_seeds),
    "seeds.parquet": (as_parquet(), sk.load_seeds),
    "qna.yaml": (QNA, sk.load_seeds),
    "gen_contexts.yaml": (PROMPT, load_prompt),
    "flow.yaml": (FLOW, read_flow),
    "vary.yaml": (b"mood: [calm, angry]\nage:\n- 7\n- 007\n", read_lists),
    "sdgkit.toml": (TOML, settle),
}


@pytest.mark.parametrize("name", FILES)
def test_whatever_a_file_holds_it_is_read_or_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, read = FILES[name]
    path = tmp_path / name
    (tmp_path / "p.yaml").write_bytes(PROMPT)
    monkeypatch.chdir(tmp_path)

    @fuzzed
    @given(damaged(base))
    def try_out(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path)
        except SdgkitError as error:
            assert len(str(error)) < 3_000

    try_out()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    with sk.connect("rehearsal") as teacher:
        run = sk.generate(ROWS[:1], teacher=teacher, num_contexts=1, num_questions=2, out=folder)
    assert list(run.samples())
    return folder


@pytest.mark.parametrize("name", ["config.json", "summary.json"])
def test_whatever_a_folder_holds_it_is_read_or_refused(
    name: str, finished: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    values = json.loads((folder / name).read_text("utf-8"))

    @fuzzed
    @given(changed(values))
    def try_out(odd: Any) -> None:
        (folder / name).write_text(json.dumps(odd), "utf-8")
        for look in (read_config, read_summary, sk.plan, write_calibrated, write_reviewed):
            with suppress(SdgkitError):
                look(folder)

    try_out()


def test_whatever_a_journal_holds_it_is_read_or_refused(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    journal = (folder / "journal.sqlite").read_bytes()

    def look_at(folder: Path) -> None:
        run = sk.open_run(folder)
        looks: list[Callable[[], object]] = [
            run.snapshot,
            run.explain,
            lambda: list(run.samples()),
            lambda: list(run.drops()),
            lambda: run.decisions.progress(run.samples()),
            lambda: [run.trace(str(sample.get("id"))) for sample in run.samples()],
            lambda: write_reviewed(folder),
        ]
        for look in looks:
            with suppress(SdgkitError):
                str(look())

    @fuzzed
    @given(damaged(journal))
    def try_out(data: bytes) -> None:
        (folder / "journal.sqlite").write_bytes(data)
        with suppress(SdgkitError):
            look_at(folder)

    try_out()


REPLY = b"<think>hm</think>\n**[Start]**\nGood.\n[End]\n[S] 3/3 [E]\n```x\n```"


@fuzzed
@given(damaged(REPLY))
def test_whatever_a_teacher_replies_it_is_parsed_and_checked(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    prompt = Prompt.from_yaml(PROMPT.decode(), "gen_contexts")
    prompt.parse(text, ["context"])
    row = {"context": text, "question": text, "seed_context": text, "seed_question": text}
    for name in ("markdown_table", "valid_json", "no_refusal", "facts_in_context"):
        RULES[name](CheckedText(text, text[:50], row))
