"""Störungsmeldung → Ticket: how a report becomes a ticket, and what reports in other words might mean."""

import random
import re
from collections.abc import Mapping
from typing import Any

from sdgkit.teachers.rehearsal.skills import Facts, Items, Skill


class Ticket(Skill):
    """The skill in `texts/ticket.toml`."""

    def laid_out(self, layout: Mapping[str, Any], items: Items, dice: random.Random, **known: Any) -> str:
        """As for any skill; one person reports all of it."""
        person = dice.choice(self.texts["slots"]["person"])
        return super().laid_out(layout, items, dice, **known, person=person)

    def response(self, source: str, example: str) -> str:
        """A line for each label of the example's first ticket."""
        labels = re.findall(r"(?m)^([A-ZÄÖÜ][\w ]{1,30}):", example.split("\n\n", 1)[0])
        ticket = self._ticket(source)
        labels = labels if len(labels) >= 3 else self.texts["labels"]
        return "\n".join(f"{label}: {ticket.get(label, self.texts['nothing'])}" for label in labels)

    def _ticket(self, text: str) -> Facts:
        """What a report says, by the ticket's labels: by its known sentences, else by the patterns of the rules."""
        found: dict[str, str] = {}
        for _, known in self.recognised(text):
            for label, said in known.facts.items() if known else ():
                found[label] = f"{found[label]}, {said}" if label in found else said
        guessed = self.guessed(text)
        for label in {"Titel", "Störung"} & guessed.keys():
            guessed[label] = guessed[label][:1].upper() + guessed[label][1:]
        return guessed | found
