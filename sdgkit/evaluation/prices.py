"""What tokens cost: prices that you give, or that `sdgkit.toml` says."""

from __future__ import annotations

from dataclasses import dataclass

from sdgkit.errors import SettingsError
from sdgkit.teachers.settings_file import job_settings

MILLION = 1_000_000  # tokens that a price is for


@dataclass(frozen=True)
class Prices:
    """Prices of a million tokens, in your currency.

    Attributes:
        prompt: Of prompt tokens.
        completion: Of completion tokens.
    """

    prompt: float
    completion: float

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What so many tokens cost.

        Example:
            >>> Prices(prompt=0.5, completion=2.0).cost(1_000_000, 250_000)
            1.0
        """
        cost_read = self.prompt * prompt_tokens
        cost_written = self.completion * completion_tokens
        return (cost_read + cost_written) / MILLION


def prices_of(price_prompt: float | None, price_completion: float | None) -> Prices | None:
    """These prices, or else those of `sdgkit.toml`; None if neither says any.

    Raises:
        SettingsError: Only one of the two is given, or `sdgkit.toml` cannot be used.
    """
    if price_prompt is None and price_completion is None:
        settings = job_settings()
        price_prompt = settings.get("price_prompt")
        price_completion = settings.get("price_completion")
    if price_prompt is None and price_completion is None:
        return None
    if price_prompt is None or price_completion is None:
        raise SettingsError(
            "A price has two parts: give both price_prompt (per million prompt tokens) and "
            "price_completion (per million completion tokens)."
        )
    return Prices(price_prompt, price_completion)
