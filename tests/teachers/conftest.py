"""Real servers for these tests: vLLM with a tiny and a small model, and Llama Stack before it.

A machine on which they cannot be installed skips, saying why. Each worker of a parallel run has
servers of its own.
"""

import json
import sys
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from servers import free_port
from teachers import real_servers
from teachers.environments import (
    LLAMA_STACK,
    OGX,
    OLD_LLAMA_STACK,
    VLLM,
    Environment,
    Unavailable,
    clean_environment,
    small_model,
    tiny_model,
)
from teachers.real_servers import (
    CONTEXT_TOKENS,
    KEY,
    SEEN,
    SMALL_CONTEXT_TOKENS,
    RealServer,
    available,
)

import sdgkit as sk
from sdgkit.teachers import Teacher

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))  # the fault set
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "OTEL_SDK_DISABLED": "true",
    "PYTHONUNBUFFERED": "1",
}
# For a terminal, Llama Stack prints each error with all values around it: 12 seconds an error, one
# after the other.
PLAIN_LOG = {"LLAMA_STACK_LOG_FORMAT": "json", "OGX_LOG_FORMAT": "json"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for the installation; the one that kills the server comes last."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(900))
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: runs after all others of its worker")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and HERE in item.path.parents:
        report.sections += [
            (f"The end of {one.name}'s log", one.tail()) for one in real_servers.RUNNING
        ]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SEEN:
        terminalreporter.section("real servers")
        for line in SEEN:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


def serving(server: RealServer, version_path: str) -> Iterator[RealServer]:
    """The server, started, for as long as the fixture lives; its version goes into the report."""
    try:
        server.start()
        with urllib.request.urlopen(
            f"{server.ready.rpartition('/')[0]}/{version_path}", timeout=20
        ) as answer:
            server.version = json.loads(answer.read())["version"]
        SEEN.append(f"{server.name} {server.version} at {server.url}")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def vllm(logs: Path) -> Iterator[RealServer]:
    """The real vLLM, on the CPU, with the tiny model, which it serves as `tiny`; it wants KEY."""
    yield from serving(vllm_with(tiny_model, "tiny", CONTEXT_TOKENS, logs), "version")


@pytest.fixture(scope="session")
def small_vllm(logs: Path) -> Iterator[RealServer]:
    """The same with SmolLM2-135M-Instruct, which it serves as `smollm2`."""
    yield from serving(vllm_with(small_model, "smollm2", SMALL_CONTEXT_TOKENS, logs), "version")


def vllm_with(
    make_model: Callable[[], Path], name: str, context_tokens: int, logs: Path
) -> RealServer:
    """A vLLM that serves a model on the CPU; skips the test where it cannot be had."""
    try:
        python = available(VLLM)
        model = make_model()
    except Unavailable as error:
        pytest.skip(str(error))
    port = free_port()
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += [
        "--served-model-name",
        name,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--api-key",
        KEY,
    ]
    command += ["--max-model-len", str(context_tokens), "--dtype", "bfloat16", "--enforce-eager"]
    # On a CPU, vLLM 0.32.0 dies of a request with a seed whose prompt it reads in parts ("CPU
    # Generator does not use offset"), so it has to read each as a whole.
    command += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(context_tokens)]
    environment = clean_environment(**OFFLINE, VLLM_NO_USAGE_STATS="1", VLLM_CPU_KVCACHE_SPACE="1")
    root = f"http://127.0.0.1:{port}"
    return RealServer(
        f"vLLM with {name}",
        command,
        url=f"{root}/v1",
        ready=f"{root}/health",
        log=logs / f"vllm-{name}.log",
        environment=environment,
    )


@pytest.fixture(scope="session")
def start_stack(logs: Path) -> Callable[..., Iterator[RealServer]]:
    """Starts a server of Llama Stack's kin in front of a vLLM.

    It is given an environment, its program, its configuration and the vLLM.
    """

    def start(
        environment: Environment, words: list[str], config: str, vllm: RealServer
    ) -> Iterator[RealServer]:
        python = available(environment)
        port = free_port()
        name = f"{environment.name}-{port}"
        state = logs / f"{name}-state"
        state.mkdir()
        text = (HERE / "recipes" / config).read_text(encoding="utf-8")
        for sign, value in {
            "VLLM_URL": vllm.url,
            "KEY": KEY,
            "STATE": str(state),
            "PORT": str(port),
        }.items():
            text = text.replace(f"@{sign}@", value)
        file = logs / f"{name}.yaml"
        file.write_text(text, encoding="utf-8")
        command = [str(python.parent / words[0]), *words[1:], str(file), "--port", str(port)]
        root = f"http://127.0.0.1:{port}"
        home = clean_environment(
            **OFFLINE, **PLAIN_LOG, LLAMA_STACK_CONFIG_DIR=str(state), SQLITE_STORE_DIR=str(state)
        )
        server = RealServer(
            environment.name,
            command,
            url=root,
            ready=f"{root}/v1/health",
            log=logs / f"{name}.log",
            environment=home,
        )
        yield from serving(server, "version")

    return start


@pytest.fixture(scope="session")
def llama_stack(
    start_stack: Callable[..., Iterator[RealServer]], vllm: RealServer
) -> Iterator[RealServer]:
    """Llama Stack with its new API."""
    yield from start_stack(LLAMA_STACK, ["llama", "stack", "run"], "stack.yaml", vllm)


@pytest.fixture(scope="session")
def small_stack(
    start_stack: Callable[..., Iterator[RealServer]], small_vllm: RealServer
) -> Iterator[RealServer]:
    """The same with SmolLM2-135M-Instruct behind it."""
    yield from start_stack(LLAMA_STACK, ["llama", "stack", "run"], "stack.yaml", small_vllm)


@pytest.fixture(scope="session")
def ogx(start_stack: Callable[..., Iterator[RealServer]], vllm: RealServer) -> Iterator[RealServer]:
    """OGX, as Llama Stack is called now."""
    yield from start_stack(OGX, ["ogx", "run", "--insecure"], "stack.yaml", vllm)


@pytest.fixture(scope="session")
def old_llama_stack(
    start_stack: Callable[..., Iterator[RealServer]], vllm: RealServer
) -> Iterator[RealServer]:
    """Llama Stack with its old API."""
    yield from start_stack(OLD_LLAMA_STACK, ["llama", "stack", "run"], "old_stack.yaml", vllm)


@pytest.fixture
def teacher(vllm: RealServer) -> Iterator[Teacher]:
    """The real vLLM, connected to as a user does it."""
    made = sk.connect("vllm", base_url=vllm.url, api_key=KEY)
    yield made
    made.close()
