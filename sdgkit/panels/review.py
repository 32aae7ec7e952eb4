"""The panel of a review: samples beside their seeds and the judge's words, to accept, reject or edit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.formatting import clip, format_number
from sdgkit.panels.frame import Panel
from sdgkit.review import DRAWN, SEED_FILE, STATES, Review, parts
from sdgkit.run import Run

PAGE, CLIPPED = 20, 160  # rows on a page of the table; characters of a text in it


class ReviewPanel(Panel):
    """Samples one by one and as a table, next to their seed and the judge's words.

    run: a `Run`, its folder, or a `Review`. seed_file: where *Make this a seed* adds to (default my_seeds.jsonl).
    review: the `Review` that the panel shows. Raises RunError for a folder without a run.
    """

    kind = "review"

    def __init__(
        self, run: Run | Review | str | Path, *, seed_file: str | Path = SEED_FILE
    ) -> None:
        super().__init__()
        self.review = run if isinstance(run, Review) else Review(run, later=True)
        self.seed_file = str(seed_file)
        self.filters = {"show": "drawn", "score": "", "seed": "", "reason": "", "text": ""}
        self.page, self.current = 0, ""
        self.on_filter()
        undecided = (id for id in self.ids if self.review.state(id) == "undecided")
        self.current = next(undecided, self.current)

    # Clicks -----------------------------------------------------------------------------------------------------------

    def on_filter(self, **filters: str) -> None:
        """Show other samples: `show` is drawn, all or a state; score, seed, reason and text narrow that down."""
        self.filters |= filters
        show = self.filters["show"]
        wanted: dict[str, Any] = {
            name: value for name, value in self.filters.items() if value and name != "show"
        }
        if "score" in wanted:
            wanted["score"] = float(wanted["score"])
        if show in STATES:
            wanted["state"] = show
        found = self.review.find(**wanted)
        self.ids = [id for id in self.review.drawn() if id in found] if show == "drawn" else found
        self.page = 0
        if self.current not in self.ids:
            self.current = self.ids[0] if self.ids else ""

    def on_page(self, number: int) -> None:
        """Turn to a page of the table."""
        self.page = number

    def on_go(self, id: str) -> None:
        """Show this sample."""
        self.current = id

    def on_step(self, by: int) -> None:
        """Go on or back."""
        at = self.ids.index(self.current) + by if self.current in self.ids else 0
        if 0 <= at < len(self.ids):
            self.current = self.ids[at]

    def on_accept(self) -> None:
        """Accept the sample that is shown, and go on."""
        self.review.accept(self._here())
        self._decided("accepted")

    def on_reject(self, reason: str = "") -> None:
        """Reject it, and go on."""
        self.review.reject(self._here(), reason)
        self._decided("rejected")

    def _decided(self, word: str) -> None:
        self.told = f"{self.current} {word}."
        self.on_step(1)

    def on_edit(self, texts: Mapping[str, str]) -> None:
        """Accept it with these texts, and stay."""
        self.review.edit(self._here(), **texts)
        self.told = f"{self.current} saved as edited."

    def on_undo(self) -> None:
        """Take the newest decision back, and show its sample."""
        id = self.review.undo()
        self.told = f"The decision about {id} is taken back." if id else "There is nothing to undo."
        if id in self.review.by_id:
            self.current = id

    def on_seed(self, path: str) -> None:
        """Add the sample to the file of seeds."""
        self.seed_file = path.strip() or self.seed_file
        number = self.review.make_seed(self._here(), self.seed_file)
        self.told = f"{self.current} is a seed now: {self.seed_file} has {number}."

    def _here(self) -> str:
        if not self.current:
            raise SettingsError("No sample is shown. Choose other filters.")
        return self.current

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        review, progress, reasons = self.review, self.review.progress, self.review.reasons()
        words = [
            f"{format_number(progress['decided'])} of {format_number(progress['samples'])} reviewed"
        ]
        words += [
            f"{progress[name]} {name}"
            for name in ("edited", "rejected", "outdated")
            if progress[name]
        ]
        facts = [review.facts(id) for id in review.by_id]
        known_scores = sorted({one["score"] for one in facts if one["score"] is not None})
        scores, lengths = review.figures(self.ids)
        return {
            "sign": "done" if progress["decided"] == progress["samples"] > 0 else "none",
            "words": " \u00b7 ".join(filter(None, [*words, review.implied()])),
            "folder": str(review.run.out or "in memory"),
            "filters": self.filters,
            "choices": {
                "show": [
                    ("drawn", f"{DRAWN} drawn"),
                    ("all", "all"),
                    *((state, state) for state in STATES),
                ],
                "score": [
                    ("", "any"),
                    *((str(float(score)), format_number(score)) for score in known_scores),
                ],
                "seed": [
                    ("", "any"),
                    *((seed, seed) for seed in dict.fromkeys(one["seed"] for one in facts)),
                ],
                "reason": [
                    ("", "any"),
                    *((why, f"{why} ({number})") for why, number in reasons.items()),
                ],
            },
            "samples": progress["samples"],
            "total": len(self.ids),
            "at": self.ids.index(self.current) + 1 if self.current in self.ids else 0,
            "sample": self._sample() if self.current else None,
            "can_undo": bool(review.decisions),
            "seed_file": self.seed_file,
            "page": self.page,
            "pages": max(1, -(-len(self.ids) // PAGE)),
            "rows": [self._row(id) for id in self.ids[self.page * PAGE : (self.page + 1) * PAGE]],
            "figures": [
                {"title": "Scores", "words": "solid: kept, hollow: rejected", "drawing": scores},
                {
                    "title": "Length of the response",
                    "words": "characters; marks below: the seeds",
                    "drawing": lengths,
                },
            ],
        }

    def _row(self, id: str) -> dict[str, Any]:
        texts = parts(self.review.as_decided(id))
        return self.review.facts(id) | {
            name: clip(texts.get(name, ""), CLIPPED) for name in ("question", "response")
        }

    def _sample(self) -> dict[str, Any]:
        written, texts = (
            self.review.sample(self.current),
            parts(self.review.as_decided(self.current)),
        )
        return (
            written | self.review.facts(self.current) | {"texts": texts, "written": parts(written)}
        )
