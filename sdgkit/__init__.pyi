"""The public names of sdgkit and where they live.

For type checkers, and for `__init__.py`, which loads them late.
"""

from . import checks as checks
from .errors import ProfileError as ProfileError
from .errors import PromptError as PromptError
from .errors import RunError as RunError
from .errors import SdgkitError as SdgkitError
from .errors import SeedError as SeedError
from .errors import SettingsError as SettingsError
from .errors import TeacherError as TeacherError
from .evaluation.calibration import calibrate as calibrate
from .evaluation.comparison import compare as compare
from .evaluation.estimate import estimate as estimate
from .evaluation.prompt_trials import try_on as try_on
from .evaluation.run_comparison import compare_runs as compare_runs
from .evaluation.seed_check import check_seeds as check_seeds
from .evaluation.students import Answers as Answers
from .evaluation.students import evaluate as evaluate
from .evaluation.students import held_out_questions as held_out_questions
from .files import shipped as shipped
from .method import FREEFORM as FREEFORM
from .method import GROUNDED as GROUNDED
from .method import combine_question_and_context as combine_question_and_context
from .method import eval_grounded_questions as eval_grounded_questions
from .method import eval_questions as eval_questions
from .method import evaluate_grounded_qa_pair as evaluate_grounded_qa_pair
from .method import evaluate_qa_pair as evaluate_qa_pair
from .method import filter_grounded_qa_pair as filter_grounded_qa_pair
from .method import filter_grounded_questions as filter_grounded_questions
from .method import filter_qa_pair as filter_qa_pair
from .method import filter_questions as filter_questions
from .method import gen_contexts as gen_contexts
from .method import gen_grounded_questions as gen_grounded_questions
from .method import gen_grounded_responses as gen_grounded_responses
from .method import gen_questions as gen_questions
from .method import gen_responses as gen_responses
from .method import generate as generate
from .method import notebook_settings as notebook_settings
from .method import plan as plan
from .method import run_pipeline as run_pipeline
from .panels import ComparePanel as ComparePanel
from .panels import ExportPanel as ExportPanel
from .panels import ProfilePanel as ProfilePanel
from .panels import PromptPanel as PromptPanel
from .panels import ReviewPanel as ReviewPanel
from .panels import RunPanel as RunPanel
from .panels import SeedPanel as SeedPanel
from .panels import StudioPanel as StudioPanel
from .panels import TeacherPanel as TeacherPanel
from .panels import studio as studio
from .panels.versions import check_kernel as check_kernel
from .pipeline import Pipeline as Pipeline
from .profile import Criterion as Criterion
from .profile import Profile as Profile
from .prompts import Prompt as Prompt
from .prompts import load_prompt as load_prompt
from .publish import merge as merge
from .publish import push as push
from .quality import diversity as diversity
from .report.tables import as_table as as_table
from .report.tables import beside_seeds as beside_seeds
from .review import Review as Review
from .run import Run as Run
from .run import open_run as open_run
from .seeds import load_seeds as load_seeds
from .seeds import save_seeds as save_seeds
from .shelf import Shelf as Shelf
from .shelf import generate_shelf as generate_shelf
from .shelf import open_shelf as open_shelf
from .shelf.mix import mix as mix
from .stages import Check as Check
from .stages import Combine as Combine
from .stages import Drop as Drop
from .stages import Generate as Generate
from .stages import GenerateMany as GenerateMany
from .stages import Judge as Judge
from .stages import Keep as Keep
from .stages import Stage as Stage
from .studies import study as study
from .teachers import Teacher as Teacher
from .teachers import connect as connect
from .teachers import find_servers as find_servers

__version__: str
__all__: list[str]
