"""Several responses to each question, of which the best is kept."""

from collections.abc import Mapping

from sdgkit.errors import SettingsError
from sdgkit.method.options import Sampling
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt
from sdgkit.stages import GenerateMany

WRITERS = ("gen_grounded_responses", "gen_responses")

TEMPERATURE = 0.7
"""The least temperature for several responses: at 0, a teacher writes the same one again."""


def with_responses(pipeline: Pipeline, responses: int) -> Pipeline:
    """The pipeline that writes so many responses to each question, each with an id of its own.

    Raises:
        SettingsError: The pipeline has no stage that writes responses.
    """
    if responses == 1:
        return pipeline
    for name in WRITERS:
        if name in pipeline.names:
            writer = GenerateMany(name=name, columns=("response",), letter="r", per_row=responses)
            return pipeline.put(name, writer)
    raise SettingsError(
        f"responses has no stage to apply to: the stages are {', '.join(pipeline.names)}.",
        setting="responses",
    )


def with_temperature_to_differ(
    prompts: Mapping[str, Prompt], responses: int, sampling: Sampling
) -> dict[str, Prompt]:
    """The prompts, with a temperature at which several responses differ.

    A temperature that you set in `sampling` stays.
    """
    changed = dict(prompts)
    for name in WRITERS:
        is_set = "temperature" in (sampling or {}).get(name, {})
        if responses > 1 and name in prompts and not is_set:
            own = prompts[name].sampling.get("temperature", 0)
            changed[name] = prompts[name].with_sampling(temperature=max(own, TEMPERATURE))
    return changed
