"""The table and the picture on the guide's page about peers, from what was measured."""

import re
from collections.abc import Callable
from pathlib import Path

import jinja2
from figures import Comparison, Figures

GUIDE = Path(__file__).resolve().parents[3] / "notebooks" / "guide"
PICTURE = Path(__file__).with_name("picture.svg")
BEGIN = "<!-- The table, by tests/benchmarks/peers/compare.py -->"
END = "<!-- The end of the table -->"
UNKNOWN = "–"
COLUMNS: dict[str, Callable[[Figures], str]] = {
    "": lambda line: line.label,
    "whole process": lambda line: f"{line.process_s:.0f} s",
    "generation ÷ bound": lambda line: f"{line.to_bound:.2f}",
    "generation ÷ ideal": lambda line: f"{line.to_ideal:.2f}",
    "requests per sample": lambda line: f"{line.requests:.1f}",
    "tokens per sample": lambda line: f"{line.tokens:,.0f}",
    "CPU per request": lambda line: f"{line.cpu_ms:.1f} ms",
    "memory": lambda line: f"{line.memory_mb:.0f} MB",
    "lost to 5% errors": lambda line: _share(line.lost_to_errors),
    "lost to 10% malformed": lambda line: _share(line.lost_to_form),
    "repeated after a kill": lambda line: _number(line.repeated),
}


def table(comparison: Comparison) -> str:
    """The table as Markdown, and who is not in it."""
    rows = [list(COLUMNS), ["---"] * len(COLUMNS)]
    for line in comparison.lines():
        rows.append([show(line) for show in COLUMNS.values()])
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    for label, reason in comparison.not_run.items():
        text += f"\n\n{label} could not be run: {' '.join(reason.split())}"
    return text


def picture(comparison: Comparison) -> str:
    """Bars: generation time against the bound, and processor time a request."""
    template = jinja2.Template(PICTURE.read_text("utf-8"), trim_blocks=True, lstrip_blocks=True)
    lines = comparison.lines()
    text: str = template.render(
        lines=lines,
        most_bound=max(line.to_bound for line in lines),
        most_cpu=max(line.cpu_ms for line in lines),
        day=comparison.day,
    )
    return text


def with_table(page: str, comparison: Comparison) -> str:
    """A page with this table between its marks."""
    between = f"{BEGIN}\n\n{table(comparison)}\n\n{END}"
    whole = f"{re.escape(BEGIN)}.*{re.escape(END)}"
    changed, number = re.subn(whole, lambda _: between, page, flags=re.DOTALL)
    if number != 1:
        raise ValueError("The page has no place for the table.")
    return changed


def write_page(comparison: Comparison, guide: Path) -> None:
    """Write table and picture into the guide."""
    page = guide / "peers.md"
    page.write_text(with_table(page.read_text("utf-8"), comparison), "utf-8")
    (guide / "peers.svg").write_text(f"{picture(comparison).strip()}\n", "utf-8")


def _share(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.0%}"


def _number(number: int | None) -> str:
    return UNKNOWN if number is None else str(number)
