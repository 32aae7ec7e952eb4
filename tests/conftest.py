"""For all tests: nothing leaves this machine, no setting of yours gets in, CI skips nothing."""

import atexit
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parent
OFFLINE = TESTS / "offline"
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
# What .ci/run provides for; elsewhere these tests skip themselves, saying what is missing.
NEVER_SKIPPED_IN_CI = ("browser", "teachers", "cluster")
# These run when their folder is named, and at no other time.
ONLY_WHEN_NAMED = (*NEVER_SKIPPED_IN_CI, "training")

MARKS_OF_FRONT_ENDS = (
    "JPY_SESSION_NAME",
    "VOILA_KERNEL_ID",
    "KAGGLE_KERNEL_RUN_TYPE",
    "DATABRICKS_RUNTIME_VERSION",
    "DEEPNOTE_PROJECT_ID",
)

sys.path.insert(0, str(OFFLINE))
import loopback_only  # noqa: E402
from connections import Connections  # noqa: E402

# On a busy machine an example takes longer than hypothesis allows; no test asserts a time.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")


def _hear_signals() -> None:
    """Processes that tests start get the signals that nohup and `&` in a script turn off."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _keep_out_the_users_settings() -> None:
    for name in list(os.environ):
        ours = name.startswith("SDGKIT_") and not name.startswith("SDGKIT_TEST_")
        if ours or name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            del os.environ[name]
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", *MARKS_OF_FRONT_ENDS):
        os.environ.pop(name, None)


def _stay_offline() -> None:
    """Guard this process and, through the environment, every Python that it starts."""
    handle, name = tempfile.mkstemp(prefix="sdgkit-connections-", suffix=".txt")
    os.close(handle)
    record = Path(name)
    atexit.register(record.unlink, missing_ok=True)
    others = [
        entry
        for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if entry != str(OFFLINE)
    ]
    # `datasets.load_dataset` counts its uses at a host of its own, unless this is said before it is
    # imported.
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(OFFLINE), *filter(None, others)])
    os.environ[loopback_only.RECORD] = name
    loopback_only.install()


_hear_signals()
_keep_out_the_users_settings()
_stay_offline()


@pytest.fixture(autouse=True)
def connections() -> Iterator[Connections]:
    """Fails the test that tried to reach anything but loopback.

    It fails, too, when its code swallowed the refusal.
    """
    record = Connections()
    yield record
    attempts = record.attempts()
    record.forget()
    if attempts:
        pytest.fail("tried to leave this machine:\n" + "\n".join(attempts), pytrace=False)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout that these tests belong to."""
    return TESTS.parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    named = [
        Path(config.invocation_params.dir, arg.partition("::")[0]).resolve() for arg in config.args
    ]
    for item in items:
        for kind in ONLY_WHEN_NAMED:
            if TESTS / kind in item.path.parents:
                item.add_marker(kind)
                if not any(TESTS / kind in (path, *path.parents) for path in named):
                    # They take minutes and much disk: nobody who types `pytest` has asked for that.
                    item.add_marker(
                        pytest.mark.skip(reason=f"only when named: pytest tests/{kind}")
                    )
    # Papermill, fresh installations and the like take half as long as all the others together.
    is_whole = all(path in (TESTS, TESTS.parent) for path in named)
    if is_whole and not config.option.markexpr and not os.environ.get("CI"):
        for item in items:
            if item.get_closest_marker("slow") is not None:
                item.add_marker(pytest.mark.skip(reason="slow: only in CI, or nox -s slow"))
    # The long ones first, so that the workers of a parallel run end together.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    provided_for = any(item.get_closest_marker(kind) for kind in NEVER_SKIPPED_IN_CI)
    if IN_CI and provided_for and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    provided_for = any(TESTS / kind in collector.path.parents for kind in NEVER_SKIPPED_IN_CI)
    if IN_CI and provided_for and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"CI provides for this test, so it must not be skipped. {reason}"
