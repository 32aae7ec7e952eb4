"""The contributor's entry point: `nox --list` shows the sessions, `nox` runs the required ones.

Each session makes a virtual environment of its own. `nox --no-venv -s lint` runs a session in the
environment that you are in, which must hold the package with its `test` extra; `.ci/run` does so.
"""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = ["3.11", "3.12", "3.13"]


def install(session: nox.Session, *requirements: str) -> None:
    """Install these, unless the session runs in your own environment."""
    if session.virtualenv.venv_backend != "none":
        session.install(*requirements)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests that need neither a browser nor a real server, the slow ones in CI only."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take long: notebooks under papermill, fresh installations."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-n", "2", "-m", "slow", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Feed thousands of damaged inputs to every loader and parser; CI tries a few."""
    install(session, "-e", ".[test]")
    fuzzing = ("tests/unit/test_fuzz.py", "-n", "2", "--timeout", "3600")
    session.run("pytest", *fuzzing, env={"SDGKIT_TEST_FUZZ_EXAMPLES": "5000"})


@nox.session
def audit(session: nox.Session) -> None:
    """Ask PyPI for known vulnerabilities of the dependencies; fails on an unknown one."""
    session.install("pip-audit")
    session.run("pip-audit", "--strict", ".")


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the same tests and show which branches they miss. No number is enforced."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-n", "2", "--cov", "--cov-report=term-missing", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, spelling and the one-way imports."""
    install(session, "-e", ".[test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package and its tests, strictly."""
    install(session, "-e", ".[test]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site, offline; a broken link is an error."""
    install(session, "-e", ".[docs]")
    session.run("mkdocs", "build", "--strict", "--site-dir", str(session.create_tmp()))


@nox.session
def gallery(session: nox.Session) -> None:
    """Rewrite the guide's gallery: a rehearsal of every shipped skill, and its report."""
    install(session, "-e", ".[test]")
    session.run("python", "tests/gallery.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Drive JupyterLab in Chromium. Needs Debian's chromium, or CHROMIUM=/path/to/it."""
    install(session, "-e", ".[test]")
    # Each file's tests share their server and their notebook, so they stay together.
    two_workers = ("-n", "2", "--dist", "loadfile")
    session.run("pytest", "tests/browser", *two_workers, *session.posargs)


@nox.session
def teachers(session: nox.Session) -> None:
    """Talk to real vLLM and Llama Stack servers, which are installed on first use."""
    install(session, "-e", ".[test]")
    session.run("pytest", "tests/teachers", *session.posargs)


@nox.session
def train(session: nox.Session) -> None:
    """Train a small model with tutorial 8, and load mixed sets with the trainers' own code.

    Takes a quarter of an hour on two cores; the libraries (4 GB) are installed on first use.
    """
    install(session, "-e", ".[test]")
    session.run("pytest", "tests/training", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """Run on a real Ray cluster, which is installed on first use."""
    install(session, "-e", ".[test]")
    session.run("pytest", "tests/cluster", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure stream, start-up, memory and throughput; prints ratios and never fails."""
    install(session, "-e", ".[test]")
    for name in (
        "stream",
        "throughput",
        "startup",
        "memory",
        "faults",
        "rehearsal_speed",
        "quality",
    ):
        session.run("python", f"tests/benchmarks/{name}.py")


@nox.session
def peers(session: nox.Session) -> None:
    """Run other tools at the same job and rewrite the guide's table (an hour, 1.5 GB)."""
    install(session, "-e", ".[test]")
    session.run("python", "tests/benchmarks/peers/compare.py", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel, and check them as a package index would."""
    install(session, "build", "twine")
    folder = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", folder)
    session.run("twine", "check", "--strict", f"{folder}/*.whl", f"{folder}/*.tar.gz")


@nox.session
def constraints(session: nox.Session) -> None:
    """Rewrite constraints.txt: the versions with which the tests passed."""
    session.install("-e", ".[test]")
    frozen = session.run("pip", "freeze", "--exclude-editable", silent=True)
    header = "# The versions that the tests passed with: pip install -c constraints.txt sdgkit\n"
    with open("constraints.txt", "w", encoding="utf-8") as file:
        file.write(header + str(frozen))
