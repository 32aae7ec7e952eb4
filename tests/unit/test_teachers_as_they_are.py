"""Servers that keep to OpenAI's API in part: no list of models, other paths, other ports."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from servers import FaultServer, completion, free_port, page, status

from sdgkit.errors import SettingsError, TeacherRefused, TeacherUnreachable
from sdgkit.teachers import connect, find_servers


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(models=("served",)) as server:
        yield server


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `sdgkit.toml` of somebody else's."""
    monkeypatch.chdir(tmp_path)


# ---- a list of models that says nothing

NO_LIST: dict[str, Callable[[], web.StreamResponse]] = {
    "not found": lambda: status(404, "no route"),
    "a method that is not allowed": lambda: status(405, "GET is not allowed"),
    "not implemented": lambda: status(501, "later"),
    "a failure": lambda: status(500, "list unavailable"),
    "a key that may only chat": lambda: status(403, "missing scope: models.read"),
    "an empty list": lambda: web.json_response({"object": "list", "data": []}),
    "no list at all": lambda: web.json_response({"object": "list", "data": None}),
    "patterns": lambda: web.json_response({"data": [{"id": "*"}, {"id": "team/*"}]}),
    "a page": lambda: page("Welcome"),
    "another form": lambda: web.json_response({"result": {"items": 3}}),
    "other models": lambda: web.json_response({"data": [{"id": "other"}, {"id": "third"}]}),
}


@pytest.mark.parametrize("listing", NO_LIST.values(), ids=NO_LIST)
def test_a_named_model_is_asked_whatever_the_list_of_models_says(
    server: FaultServer, listing: Callable[[], web.StreamResponse]
) -> None:
    server.pages["/v1/models"] = listing
    teacher = connect(base_url=server.base_url, model="served")
    assert teacher.model == "served"
    assert teacher.ask("Hello").text == "hello"
    [note] = teacher.notes
    assert "does not list" in note and "served" in note


@pytest.mark.parametrize("listing", NO_LIST.values(), ids=NO_LIST)
def test_a_model_that_the_server_does_not_have_is_refused_whatever_the_list_says(
    server: FaultServer, listing: Callable[[], web.StreamResponse]
) -> None:
    server.pages["/v1/models"] = listing
    with pytest.raises(TeacherRefused, match="has no model 'misspelt'"):
        connect(base_url=server.base_url, model="misspelt")


@pytest.mark.parametrize("code", [404, 405, 501, 403])
def test_without_a_list_and_a_name_you_are_told_to_name_the_model(
    server: FaultServer, code: int
) -> None:
    server.pages["/v1/models"] = lambda: status(code, "not here")
    with pytest.raises((TeacherUnreachable, TeacherRefused), match="name the model with --model"):
        connect(base_url=server.base_url)


@pytest.mark.parametrize(
    "body",
    [
        {"models": [{"name": "served"}]},
        [{"id": "served", "object": "model"}],
        {"object": "list", "data": ["served"]},
    ],
)
def test_a_list_of_models_in_another_form_is_read(server: FaultServer, body: object) -> None:
    server.pages["/v1/models"] = lambda: web.json_response(body)
    assert connect(base_url=server.base_url).model == "served"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (400, "The requested model 'misspelt' was not found"),
        (400, "misspelt is not a valid model ID"),
        (422, "Unknown model: misspelt"),
        (404, "The API deployment for this resource does not exist."),
    ],
)
def test_a_wrong_model_is_known_by_the_servers_own_words(
    server: FaultServer, code: int, words: str
) -> None:
    server.pages["/v1/models"] = lambda: status(404, "no route")
    server.pages["/v1/chat/completions"] = lambda: status(code, words)
    with pytest.raises(TeacherRefused, match="has no model 'misspelt'"):
        connect(base_url=server.base_url, model="misspelt")


def test_a_short_name_that_fits_several_models_is_refused_with_them(server: FaultServer) -> None:
    server.models = ["fast/tiny", "slow/tiny", "fast/large"]
    with pytest.raises(SettingsError, match="'tiny' could be any of") as caught:
        connect(base_url=server.base_url, model="tiny")
    assert list(caught.value.choices) == ["fast/tiny", "slow/tiny"]
    assert connect(base_url=server.base_url, model="large").model == "fast/large"


# ---- the address


@pytest.mark.parametrize(
    "ending",
    ["/v1/chat/completions", "/v1/chat/completions/", "/v1/models", "//v1/", "/v1/completions"],
)
def test_an_endpoint_pasted_as_the_address_works(server: FaultServer, ending: str) -> None:
    root = server.base_url.removesuffix("/v1")
    teacher = connect(base_url=root + ending)
    assert teacher.base_url == server.base_url
    assert teacher.ask("Hello").text == "hello"


DEPLOYMENT = "/openai/deployments/my-model"


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A server that answers only where the address says which version of its API is meant."""
    with FaultServer(models=("my-model",), path=DEPLOYMENT) as server:
        answer = server._handle

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            wants_models = request.path.endswith("/models")
            if wants_models or request.query.get("api-version") != "2030-01-01":
                return status(404, "Resource not found")
            return await answer(request)

        server.down()
        monkeypatch.setattr(server, "_handle", handle)
        server.up()
        yield server


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions"])
def test_azures_address_keeps_its_version_and_names_the_model(
    azure: FaultServer, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_KEY", "azure-secret")
    address = f"{azure.base_url}{ending}?api-version=2030-01-01"
    teacher = connect(base_url=address, headers={"api-key": "AZURE_KEY"})
    assert teacher.model == "my-model"
    assert teacher.ask("Hello").text == "hello"
    assert azure.headers[-1]["api-key"] == "azure-secret"
    assert connect(base_url=teacher.base_url).ask("Hello").text == "hello"


def test_azures_address_without_its_version_says_what_is_missing(azure: FaultServer) -> None:
    with pytest.raises(TeacherUnreachable, match=r"Azure OpenAI looks like .*\?api-version="):
        connect(base_url=azure.base_url, model="my-model")


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "sig"])
def test_a_secret_in_the_address_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(SettingsError, match="use --header") as caught:
        connect(base_url=f"http://127.0.0.1:1/v1?{name}=hush")
    assert "hush" not in str(caught.value)


# ---- the usual ports


def test_servers_on_this_machine_are_found_with_their_models(server: FaultServer) -> None:
    server.rows = [{"id": "served", "owned_by": "vllm"}]
    with FaultServer(key="secret") as locked, FaultServer() as website:
        website.pages["/v1/models"] = lambda: page("A website")
        ports = [free_port(), server.port, website.port, locked.port]
        open_one, closed_one = find_servers(ports)
    assert (open_one.name, open_one.kind, open_one.models) == ("vLLM", "vllm", ("served",))
    assert open_one.base_url == f"http://127.0.0.1:{server.port}/v1"
    assert connect(base_url=open_one.base_url).model == "served"
    assert closed_one.needs_key and closed_one.models == ()


def test_no_key_is_sent_to_whatever_listens_on_this_machine(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDGKIT_API_KEY", "sk-secret")
    server.behave = lambda body, n: completion("hello")
    find_servers([server.port])
    assert server.paths == ["/v1/models"]
    assert "sk-secret" not in str(server.headers)
