"""sdgkit, by its command, in the folder in which it resumes after a kill."""

import os
import sys

from job_file import FOLDER, JOB, KEY, MODEL

os.environ["SDGKIT_API_KEY"] = KEY
os.execv(
    sys.executable,
    [
        *(sys.executable, "-m", "sdgkit", "generate", str(FOLDER / "seeds.jsonl")),
        *("--teacher", "openai", "--base-url", JOB["base_url"], "--model", MODEL),
        *("--concurrency", str(JOB["slots"]), "--no-profile", "--out", str(FOLDER / "run")),
    ],
)
