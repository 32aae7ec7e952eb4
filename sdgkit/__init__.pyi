"""The public names of sdgkit and where they live, for type checkers and for `__init__.py`, which loads them at their first
use."""

from sdgkit import checks as checks
from sdgkit.errors import PromptError as PromptError
from sdgkit.errors import RunError as RunError
from sdgkit.errors import SdgkitError as SdgkitError
from sdgkit.errors import SeedError as SeedError
from sdgkit.errors import SettingsError as SettingsError
from sdgkit.errors import TeacherError as TeacherError
from sdgkit.method import FREEFORM as FREEFORM
from sdgkit.method import GROUNDED as GROUNDED
from sdgkit.method import combine_question_and_context as combine_question_and_context
from sdgkit.method import eval_grounded_questions as eval_grounded_questions
from sdgkit.method import eval_questions as eval_questions
from sdgkit.method import evaluate_grounded_qa_pair as evaluate_grounded_qa_pair
from sdgkit.method import evaluate_qa_pair as evaluate_qa_pair
from sdgkit.method import filter_grounded_qa_pair as filter_grounded_qa_pair
from sdgkit.method import filter_grounded_questions as filter_grounded_questions
from sdgkit.method import filter_qa_pair as filter_qa_pair
from sdgkit.method import filter_questions as filter_questions
from sdgkit.method import gen_contexts as gen_contexts
from sdgkit.method import gen_grounded_questions as gen_grounded_questions
from sdgkit.method import gen_grounded_responses as gen_grounded_responses
from sdgkit.method import gen_questions as gen_questions
from sdgkit.method import gen_responses as gen_responses
from sdgkit.method import generate as generate
from sdgkit.method import plan as plan
from sdgkit.panels import ComparePanel as ComparePanel
from sdgkit.panels import PromptPanel as PromptPanel
from sdgkit.panels import ReviewPanel as ReviewPanel
from sdgkit.panels import RunPanel as RunPanel
from sdgkit.panels import SeedPanel as SeedPanel
from sdgkit.panels import TeacherPanel as TeacherPanel
from sdgkit.panels.versions import check_kernel as check_kernel
from sdgkit.pipeline import Pipeline as Pipeline
from sdgkit.prompts import Prompt as Prompt
from sdgkit.prompts import load_prompt as load_prompt
from sdgkit.prompts import shipped as shipped
from sdgkit.publish import merge as merge
from sdgkit.publish import push as push
from sdgkit.quality import diversity as diversity
from sdgkit.report.tables import as_table as as_table
from sdgkit.report.tables import beside_seeds as beside_seeds
from sdgkit.review import Review as Review
from sdgkit.run import Run as Run
from sdgkit.run import open_run as open_run
from sdgkit.seeds import load_seeds as load_seeds
from sdgkit.seeds import save_seeds as save_seeds
from sdgkit.stages import Check as Check
from sdgkit.stages import Combine as Combine
from sdgkit.stages import Drop as Drop
from sdgkit.stages import Generate as Generate
from sdgkit.stages import GenerateMany as GenerateMany
from sdgkit.stages import Judge as Judge
from sdgkit.stages import Keep as Keep
from sdgkit.stages import Stage as Stage
from sdgkit.teachers import Teacher as Teacher
from sdgkit.teachers import connect as connect
from sdgkit.trials.calibration import calibrate as calibrate
from sdgkit.trials.comparing import compare as compare
from sdgkit.trials.estimates import estimate as estimate
from sdgkit.trials.evaluation import evaluate as evaluate
from sdgkit.trials.seed_check import check_seeds as check_seeds
from sdgkit.trials.trying import try_on as try_on

__version__: str
__all__: list[str]
