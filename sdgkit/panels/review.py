"""The panel of a review: samples beside their seeds and the judge's words, to accept, reject or edit."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdgkit.decisions import seed_of
from sdgkit.errors import SettingsError
from sdgkit.pages import clip, count
from sdgkit.panels.frame import Panel
from sdgkit.panels.still import Block
from sdgkit.review import DRAWN, SEED_FILE, STATES, Review, parts
from sdgkit.run import Run

PAGE, CLIPPED = 20, 160  # rows on a page of the table; characters of a text in it
FILTERS = {"show": "drawn", "score": "", "seed": "", "reason": "", "text": ""}


class ReviewPanel(Panel):
    """Samples one by one and as a table, next to their seed and the judge's words.

    run: a `Run`, its folder, or a `Review`. seed_file: where *Make this a seed* adds to (default my_seeds.jsonl).
    review: the `Review` that the panel shows. Raises RunError for a folder without a run.
    """

    kind, title = "review", "Review"

    def __init__(self, run: Run | Review | str | Path, *, seed_file: str | Path = SEED_FILE) -> None:
        super().__init__()
        self.review = run if isinstance(run, Review) else Review(run, later=True)
        self.seed_file = str(seed_file)
        self.filters = dict(FILTERS)
        self.tab, self.page = "one", 0
        self.ids = self._found()
        undecided = (id for id in self.ids if self.review.state(id) == "undecided")
        self.current = next(undecided, self.ids[0] if self.ids else "")

    # Clicks -----------------------------------------------------------------------------------------------------------

    def on_filter(self, **filters: str) -> None:
        """Show other samples: `show` is drawn, all or a state; score, seed, reason and text narrow that down."""
        self.filters |= {name: filters[name] for name in FILTERS if name in filters}
        self.ids, self.page = self._found(), 0
        if self.current not in self.ids:
            self.current = self.ids[0] if self.ids else ""

    def on_tab(self, name: str) -> None:
        """Show them one by one, as a table, or as figures."""
        self.tab = name

    def on_page(self, number: int) -> None:
        """Turn to a page of the table."""
        self.page = max(0, min(int(number), (len(self.ids) - 1) // PAGE))

    def on_go(self, id: str) -> None:
        """Show this sample."""
        self.review.sample(id)
        self.current, self.tab = id, "one"

    def on_step(self, by: int) -> None:
        """Go on or back."""
        at = self.ids.index(self.current) + int(by) if self.current in self.ids else 0
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

    def on_edit(self, texts: Mapping[str, str]) -> None:
        """Accept it with these texts, and stay."""
        self.review.edit(self._here(), **texts)
        self.told = f"{self.current} saved as edited."

    def on_undo(self) -> None:
        """Take the newest decision back, and show its sample."""
        id = self.review.undo()
        self.told = f"The decision about {id} is taken back." if id else "There is nothing to undo."
        if id and self.review.find_sample(id):
            self.current = id

    def on_seed(self, path: str) -> None:
        """Add the sample to the file of seeds."""
        self.seed_file = path.strip() or self.seed_file
        number = self.review.make_seed(self._here(), self.seed_file)
        self.told = f"{self.current} is a seed now: {self.seed_file} has {number}."

    def on_read(self) -> None:
        """Take in what the run has made meanwhile."""
        self.review.read()
        self.on_filter()

    def _decided(self, word: str) -> None:
        id = self.current
        self.on_step(1)
        self.told = f"{id} {word}."

    def _here(self) -> str:
        if not self.current:
            raise SettingsError("No sample is shown. Choose other filters.")
        return self.current

    def _found(self) -> list[str]:
        show, score = self.filters["show"], self.filters["score"]
        found = self.review.find(
            state=show if show in STATES else None,
            score=float(score) if score else None,
            **{name: self.filters[name] or None for name in ("seed", "reason", "text")},
        )
        return [id for id in self.review.drawn() if id in found] if show == "drawn" else found

    # Showing ----------------------------------------------------------------------------------------------------------

    def seen(self) -> dict[str, Any]:
        review = self.review
        return {
            "sign": "done" if review.samples and review.progress.decided == len(review.samples) else "none",
            "words": self._words(),
            "folder": str(review.run.out or "in memory"),
            "filters": self.filters,
            "choices": self._choices(),
            "tab": self.tab,
            "total": len(self.ids),
            "at": self.ids.index(self.current) + 1 if self.current in self.ids else 0,
            "sample": self._seen_sample() if self.current else None,
            "can_undo": bool(review.decisions),
            "reasons": list(review.reasons()),
            "seed_file": self.seed_file,
            "page": self.page,
            "pages": max(1, -(-len(self.ids) // PAGE)),
            "rows": [self._row(id) for id in self.ids[self.page * PAGE : (self.page + 1) * PAGE]]
            if self.tab == "table"
            else [],
            "figures": self._figures() if self.tab == "figures" else [],
            "empty": "No sample fits these filters. Show all, or take a filter away."
            if review.samples
            else "There are no samples yet. Read them again when the run has made some.",
        }

    def _words(self) -> str:
        progress, implied = self.review.progress, self.review.implied()
        words = [f"{count(progress.decided)} of {count(progress.samples)} reviewed"]
        words += [
            f"{number} {name}" for name in ("edited", "rejected", "outdated") if (number := getattr(progress, name))
        ]
        if implied:
            words.append(implied + (" of all" if "%" in implied else ""))
        return " \u00b7 ".join(words)

    def _choices(self) -> dict[str, list[tuple[str, str]]]:
        review = self.review
        scores = sorted({s["score"] for s in review.samples if isinstance(s.get("score"), int | float)})
        seeds = list(dict.fromkeys(seed_of(sample["id"]) for sample in review.samples))
        return {
            "show": [("drawn", f"{DRAWN} drawn"), ("all", "all"), *((state, state) for state in STATES)],
            "score": [("", "any"), *((str(float(score)), count(score)) for score in scores)],
            "seed": [("", "any"), *((seed, seed) for seed in seeds)],
            "reason": [("", "any"), *((why, f"{why} ({number})") for why, number in review.reasons().items())],
        }

    def _facts(self, id: str) -> dict[str, str]:
        decision, score = self.review.decision(id), self.review.sample(id).get("score")
        return {
            "id": id,
            "state": self.review.state(id),
            "score": count(score) if isinstance(score, int | float) else "",
            "reason": decision.reason if decision else "",
        }

    def _seen_sample(self) -> dict[str, Any]:
        sample = self.review.sample(self.current)
        written = parts(sample)
        return {
            **self._facts(self.current),
            "can_be_a_seed": self.review.state(self.current) in ("accepted", "edited"),
            "evaluation": str(sample.get("evaluation") or ""),
            "parts": [
                {"name": name, "text": text, "written": written[name], "seed": str(sample.get(f"seed_{name}") or "")}
                for name, text in parts(self.review.as_decided(self.current)).items()
            ],
        }

    def _row(self, id: str) -> dict[str, str]:
        texts = parts(self.review.as_decided(id))
        return {**self._facts(id), **{name: clip(texts.get(name, ""), CLIPPED) for name in ("question", "response")}}

    def _figures(self) -> list[dict[str, str]]:
        scores, lengths = self.review.scores(self.ids), self.review.lengths(self.ids)
        return [
            {"title": "Scores", "words": "solid: kept, hollow: rejected", "drawing": scores},
            {"title": "Length of the response", "words": "characters; marks below: the seeds", "drawing": lengths},
        ]

    def blocks(self) -> Iterator[Block]:
        if self.current:
            shown = self._seen_sample()
            facts = f"{shown['id']}, {shown['state']}" + (f", judged {shown['score']}" if shown["score"] else "")
            yield Block(facts, "\n\n".join(f"{part['name']}:\n{part['text']}" for part in shown["parts"]))
            yield Block("What the judge wrote", shown["evaluation"])
        yield from (Block(each["title"], drawing=each["drawing"]) for each in self._figures() if each["drawing"])
        columns = ("id", "state", "score", "question")
        rows = [tuple(self._row(id)[name] for name in columns) for id in self.ids[:PAGE]]
        if rows:
            yield Block(f"{len(rows)} of {len(self.ids)} samples", columns=columns, rows=rows)
