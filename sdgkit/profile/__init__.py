"""The profile of a skill: what its responses must meet, in how many ways its material differs."""

from sdgkit.profile.criterion import Criterion, distinct
from sdgkit.profile.profile import CHECKS_STAGE, PROFILE_COLUMN, PROFILE_FILE, Profile

__all__ = ["CHECKS_STAGE", "PROFILE_COLUMN", "PROFILE_FILE", "Criterion", "Profile", "distinct"]
