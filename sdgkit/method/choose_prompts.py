"""The prompts of a run: your own, the shipped ones for the rest, with your sampling settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgkit.errors import SettingsError
from sdgkit.method.options import PlanOptions, Prompts, Sampling
from sdgkit.method.pipelines import GROUNDED, METHODS
from sdgkit.pipeline import Pipeline
from sdgkit.prompts import Prompt, load_prompt, load_prompts
from sdgkit.studies import STUDY, choose_study_prompts


def study_prompts(pipeline: Pipeline, options: PlanOptions) -> dict[str, Prompt] | None:
    """The prompts by which the run studies its seeds for a profile; None if it need not.

    A pipeline of your own is left alone, unless you ask for it with `profile=True`.
    """
    wants_profile = options.get("profile")
    is_by_default = wants_profile is None and pipeline.name in METHODS
    if wants_profile is not True and not is_by_default:
        return None
    prompts = options.get("prompts")
    if not isinstance(prompts, Mapping):
        return choose_study_prompts(prompts, pipeline.prompted)
    own_prompts = {}
    for name, prompt in prompts.items():
        if name in STUDY.prompted:
            own_prompts[name] = _loaded(prompt)
    return choose_study_prompts(own_prompts)


def _loaded(prompt: Prompt | str | Path) -> Prompt:
    return prompt if isinstance(prompt, Prompt) else load_prompt(prompt)


def choose_prompts(
    pipeline: Pipeline, prompts: Prompts, sampling: Sampling, max_tokens: int | None
) -> dict[str, Prompt]:
    """The prompts of the stages that ask: yours, then the pipeline's own, then the shipped ones.

    Args:
        pipeline: The stages.
        prompts: Your prompts or their files by stage name, or a folder of them.
        sampling: Sampling settings by stage name, over those of the prompts.
        max_tokens: The longest reply, in tokens; None for what the prompts say.

    Raises:
        SettingsError: A name is not that of a stage that asks, or a sampling setting cannot be
            used.
        PromptError: A prompt cannot be used.
    """
    sampling = sampling or {}
    if not _is_by_stage(sampling):
        raise SettingsError(
            "sampling must be settings by stage: {'gen_contexts': {'temperature': 0.9}}.",
            setting="sampling",
        )
    _refuse_unknown_stages("sampling", sampling, pipeline)
    own_prompts = dict(pipeline.prompts)
    folder = None
    if isinstance(prompts, Mapping):
        of_stages = {}
        for name in prompts:
            if name not in STUDY.prompted:
                of_stages[name] = prompts[name]
        _refuse_unknown_stages("prompts", of_stages, pipeline)
        for name, prompt in of_stages.items():
            own_prompts[name] = _loaded(prompt)
    else:
        folder = prompts
    chosen = load_prompts(pipeline.prompted, _method_of(pipeline), folder, own_prompts)
    common = {}
    if max_tokens is not None:
        common = {"max_tokens": max_tokens}
    sampled = {}
    for name, prompt in chosen.items():
        sampled[name] = prompt.with_sampling(**{**common, **sampling.get(name, {})})
    for stage in pipeline.stages:
        if stage.repeats_judge in sampled:
            sampled[stage.name] = sampled[stage.repeats_judge]
    return sampled


def _is_by_stage(sampling: object) -> bool:
    if not isinstance(sampling, Mapping):
        return False
    return all(isinstance(settings, Mapping) for settings in sampling.values())


def _refuse_unknown_stages(option: str, values: Mapping[str, Any], pipeline: Pipeline) -> None:
    stages = []
    for stage in pipeline.stages:
        if stage.role and not stage.repeats_judge:
            stages.append(stage.name)
    for name in sorted(values):
        if name not in stages:
            raise SettingsError(
                f"{option}: there is no stage {name!r} that asks a teacher. "
                f"Choose from {', '.join(stages)}.",
                setting=option,
                choices=stages,
            )


def _method_of(pipeline: Pipeline) -> str:
    """The method whose shipped prompts fit a pipeline: the one with a stage of the same name."""
    for method in METHODS.values():
        if not set(method.prompted).isdisjoint(pipeline.prompted):
            return method.name
    return GROUNDED.name
