"""The study of a skill: a teacher reads the task and all seeds once and writes the profile."""

from sdgkit.studies.ask import Study, StudyOutcome, choose_study_prompts
from sdgkit.studies.fitting import with_fitting_reply
from sdgkit.studies.stages import STUDY
from sdgkit.studies.study import StudyOfSeeds, study

__all__ = [
    "STUDY",
    "Study",
    "StudyOfSeeds",
    "StudyOutcome",
    "choose_study_prompts",
    "study",
    "with_fitting_reply",
]
