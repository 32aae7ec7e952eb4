"""`sdgkit flow`: another tool's flow, on rows with columns of their own."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sdgkit.cli.commands import argument, command, option
from sdgkit.cli.generate import follow, opening, without_pandas
from sdgkit.cli.options import (
    JudgeOptions,
    LimitOptions,
    OutputOptions,
    TeacherOptions,
    judge_options,
    limit_options,
    output_options,
    teacher_options,
)
from sdgkit.cli.runs import print_ending
from sdgkit.cli.terminal import say
from sdgkit.cli.value_types import COUNT, FOLDER, PATH


@command()
@argument(
    "flow", metavar="FLOW.yaml", type=PATH, help="a flow of sdg_hub 0.1, or of InstructLab SDG"
)
@argument(
    "rows",
    metavar="ROWS",
    help="rows with the columns that the flow's prompts use: any file that seeds can be in",
)
@teacher_options
@judge_options
@limit_options
@output_options
@option(
    "--prompts",
    metavar="FOLDER",
    type=FOLDER,
    help="your own prompts, one STAGE.yaml each, in place of the flow's",
)
@option("--max-tokens", metavar="N", type=COUNT, help="the longest reply, in tokens")
@option("--encoding", metavar="NAME", help="the encoding of ROWS, if it is text and not UTF-8")
def flow(
    flow: str,
    rows: str,
    teacher: TeacherOptions,
    judge: JudgeOptions,
    limits: LimitOptions,
    output: OutputOptions,
    prompts: str | None,
    max_tokens: int | None,
    encoding: str | None,
) -> int:
    """Run a flow of sdg_hub 0.1, or a pipeline of InstructLab SDG, on your rows.

    The rows need not be seeds: the flow's own prompts say which columns they use.

    Example:
      sdgkit flow annotate.yaml mails.jsonl --base-url http://localhost:8000/v1
    """
    from sdgkit.method import default_folder
    from sdgkit.method.run_pipeline import plan_pipeline
    from sdgkit.pipeline import Pipeline
    from sdgkit.teachers import connect

    pipeline = Pipeline.from_flow(flow)
    planned = plan_pipeline(
        rows, pipeline, prompts=prompts, max_tokens=max_tokens, encoding=encoding
    )
    out = Path(output.out or default_folder(rows) or "")
    teacher_arguments = teacher.typed()
    with ExitStack() as connections:
        connected = connections.enter_context(connect(**teacher_arguments, **limits.typed()))
        referee = None
        if judge:
            judge_arguments = judge.connect_arguments(teacher_arguments)
            referee = connections.enter_context(connect(**judge_arguments, **limits.typed()))
        planned = replace(planned, teacher=connected, judge=referee)
        say(opening(planned, out))
        connections.enter_context(without_pandas())
        run = follow(planned, out, output.reuse, connected.notes)
    return print_ending(run)
