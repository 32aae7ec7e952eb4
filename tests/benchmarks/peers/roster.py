"""Who is compared: each with its environment and the settings that served it best."""

import json
import os
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from teachers.environments import Environment

HERE = Path(__file__).parent
REPO = HERE.parents[2]


@dataclass(frozen=True)
class PeerEnvironment(Environment):
    """The environment of a peer: exact versions in `recipes/` here, kept in the cache folder."""

    @property
    def versions(self) -> Path:
        return HERE / "recipes" / f"{self.name}.txt"


@dataclass(frozen=True)
class Contender:
    """One way to run the job.

    Attributes:
        name: Its script is `contenders/run_NAME.py`.
        label: How the page calls it.
        package: The package whose version is told; "" for none.
        has_environment: Whether it runs in an environment of its own.
        settings: What the script is told beside the job.
        kill_settings: The same where it is to be killed and to go on.
    """

    name: str
    label: str
    package: str = ""
    has_environment: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    kill_settings: dict[str, Any] = field(default_factory=dict)

    def python(self) -> Path:
        """The Python that runs it. Raises Unavailable."""
        if not self.has_environment:
            return Path(sys.executable)
        return PeerEnvironment(self.name, "3.11").ready()

    def version(self) -> str:
        """The version that is compared; "" for a script."""
        if not self.package:
            return ""
        if not self.has_environment:
            return version(self.package)
        for line in PeerEnvironment(self.name, "3.11").versions.read_text().splitlines():
            if line.startswith(f"{self.package}=="):
                return line.partition("==")[2]
        raise ValueError(f"The recipe of {self.name} does not name {self.package}.")

    def command(self, job: Path, folder: Path) -> list[str]:
        """The words that start it."""
        script = HERE / "contenders" / f"run_{self.name}.py"
        return [str(self.python()), str(script), str(job), str(folder)]

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables of its process: a home of its own, and nothing asked of the network."""
        kept = {}
        for name, value in os.environ.items():
            if not name.startswith(("PYTHON", "SDGKIT", "VIRTUAL_ENV")):
                kept[name] = value
        quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "HOME": str(folder)}
        path = {} if self.has_environment else {"PYTHONPATH": str(REPO)}
        return {**kept, **quiet, **path}

    def write_settings(self, job: Path, *, killed: bool) -> None:
        """Put its settings into the file of the job."""
        content = json.loads(job.read_text("utf-8"))
        content["settings"] = self.kill_settings if killed else self.settings
        job.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


ROSTER = (
    Contender("sdgkit", "sdgkit", "sdgkit", has_environment=False),
    Contender("by_hand", "a script by hand", has_environment=False),
    Contender("sdg_hub_old", "sdg_hub, with its flow", "sdg-hub"),
    Contender("sdg_hub", "sdg_hub, newest", "sdg-hub", kill_settings={"save_freq": 1}),
    Contender("data_designer", "data-designer", "data-designer", kill_settings={"buffer": 5}),
    Contender(
        "distilabel",
        "distilabel",
        "distilabel",
        settings={"batch": 100},
        kill_settings={"batch": 16},
    ),
    Contender("curator", "curator", "bespokelabs-curator"),
)
