"""Servers that keep to OpenAI's API in part: no list of models, other paths, other ports."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from servers import Behaviour, FaultServer, completion, free_port, page, status

import sdgkit as sk
from sdgkit.errors import RequestRefused, SettingsError, TeacherRefused, TeacherUnreachable
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


# ---- models without a system role

NO_SYSTEM_ROLE = {
    "vllm": (400, "System role is not supported by this model"),
    "alternate": (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    "template": (500, "{{ raise_exception('Only user and assistant roles are supported!') }}"),
    "validation": (422, "messages.0.role: Input should be 'user' or 'assistant'"),
    "gemma": (400, "Developer instruction is not enabled for models/gemma-3-27b-it"),
    "openai": (400, "messages[0].role does not support 'system' with this model"),
}
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


@pytest.mark.parametrize("refusal", NO_SYSTEM_ROLE.values(), ids=NO_SYSTEM_ROLE)
def test_the_system_text_goes_to_the_user_where_a_model_has_no_system_role(
    server: FaultServer, refusal: tuple[int, str]
) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        if body["messages"][0]["role"] != "user":
            return status(*refusal)
        return completion("Because.")

    server.behave = behave
    teacher = connect(base_url=server.base_url)
    assert [teacher.ask(CHAT).text for _ in range(3)] == ["Because."] * 3
    merged = [{"role": "user", "content": "Be brief.\n\nWhy?"}]
    assert [body["messages"] for body in server.asked] == [CHAT, merged, merged, merged]
    [note] = teacher.notes
    assert "no system role" in note
    assert teacher.retries == 0


UNCLEAR_ABOUT_ROLES = {
    "another language": (400, {"error": {"message": "Diese Rolle gibt es hier nicht."}}),
    "no words": (422, None),
    "a template of its own": (424, {"error": "Template error: invalid operation"}),
}


@pytest.mark.parametrize("refusal", UNCLEAR_ABOUT_ROLES.values(), ids=UNCLEAR_ABOUT_ROLES)
def test_a_missing_system_role_is_found_out_where_the_server_does_not_say_so(
    server: FaultServer, refusal: tuple[int, object]
) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        if body["messages"][0]["role"] == "system":
            return web.json_response(refusal[1], status=refusal[0])
        return completion("Because.")

    server.behave = behave
    teacher = connect(base_url=server.base_url)
    assert [teacher.ask(CHAT).text for _ in range(2)] == ["Because."] * 2
    merged = [{"role": "user", "content": "Be brief.\n\nWhy?"}]
    assert [body["messages"] for body in server.asked] == [CHAT, CHAT, merged, merged]
    assert len(teacher.notes) == 1


def test_a_refusal_of_the_system_role_behind_status_200_is_one(server: FaultServer) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        if body["messages"][0]["role"] == "system":
            return web.json_response({"error": {"message": "System role not supported"}})
        return completion("Because.")

    server.behave = behave
    teacher = connect(base_url=server.base_url)
    assert teacher.ask(CHAT).text == "Because."
    assert "no system role" in teacher.notes[0]


def test_a_bad_request_that_succeeds_the_second_time_says_nothing_about_roles(
    server: FaultServer,
) -> None:
    server.behave = lambda body, n: status(400, "No.") if n == 1 else completion("Because.")
    teacher = connect(base_url=server.base_url)
    assert teacher.ask(CHAT).text == "Because."
    assert server.asked[-1]["messages"] == CHAT
    assert teacher.notes == []


def test_a_refusal_of_something_else_leaves_the_system_role_alone(server: FaultServer) -> None:
    server.behave = lambda body, n: status(400, "The system flagged this prompt as a role play")
    teacher = connect(base_url=server.base_url)
    with pytest.raises(RequestRefused, match="role play"):
        teacher.ask(CHAT)
    server.behave = lambda body, n: completion("Because.")
    assert teacher.ask(CHAT).text == "Because."
    assert server.asked[-1]["messages"] == CHAT
    assert teacher.notes == []


# ---- prompts that are cut


def counting(limit: int, *, bytes_per_token: float = 4.2, frame: int = 20) -> Behaviour:
    """A server that keeps so many tokens of a prompt, and counts those that it has kept."""

    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        size = sum(len(str(message["content"]).encode()) for message in body["messages"])
        tokens = min(limit, frame + int(size / bytes_per_token))
        message = {"role": "assistant", "content": "hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": tokens, "completion_tokens": 1}
        return web.json_response({"choices": [choice], "usage": usage})

    return behave


def prompt(characters: int, sign: str = "word ") -> str:
    return (sign * characters)[:characters]


@pytest.mark.parametrize("sign", ["word ", "\u5b57", "\u0e01 "])
@pytest.mark.parametrize("limit", [500, 2048])
def test_a_server_that_cuts_prompts_is_found_out_before_its_first_reply_is_used(
    server: FaultServer, limit: int, sign: str
) -> None:
    server.behave = counting(limit)
    teacher = connect(base_url=server.base_url)
    with pytest.raises(TeacherRefused, match=r"cuts long prompts .*OLLAMA_CONTEXT_LENGTH"):
        teacher.ask(prompt(15_000, sign))


def test_a_cut_that_only_longer_prompts_meet_is_found_by_equal_counts(server: FaultServer) -> None:
    server.behave = counting(4096)
    teacher = connect(base_url=server.base_url)
    assert teacher.ask(prompt(8_000)).text == "hello"
    assert teacher.ask(prompt(16_000)).text == "hello"
    with pytest.raises(TeacherRefused, match="4,096 tokens"):
        for length in (17_600, 19_000):
            teacher.ask(prompt(length))


@pytest.mark.parametrize("bytes_per_token", [1.5, 4.0, 9.0])
def test_a_server_that_keeps_its_prompts_is_asked_a_few_times_at_most(
    server: FaultServer, bytes_per_token: float
) -> None:
    server.behave = counting(10**9, bytes_per_token=bytes_per_token)
    teacher = connect(base_url=server.base_url)
    for length in (3_000, 6_000, 9_000, 30_000, 29_000):
        assert teacher.ask(prompt(length)).text == "hello"
    probes = len(server.requests) - 5
    assert probes <= 4
    assert all(body["max_tokens"] == 1 for body in server.requests if "max_tokens" in body)


def test_a_server_that_counts_nothing_or_always_the_same_is_believed(server: FaultServer) -> None:
    teacher = connect(base_url=server.base_url)
    for length in (6_000, 9_000, 30_000):
        assert teacher.ask(prompt(length)).text == "hello"


def test_a_run_stops_before_samples_are_made_of_halves(server: FaultServer) -> None:
    server.behave = counting(300)
    seed = {
        "task_description": "Sum the text up in one sentence.",
        "seed_context": prompt(6_000),
        "seed_question": "What is it about?",
        "seed_response": "It is about words.",
    }
    teacher = connect(base_url=server.base_url)
    with pytest.raises(TeacherRefused, match="made from cut prompts"):
        sk.generate([seed], teacher=teacher, profile=False, num_contexts=3)


# ---- replies piece by piece


def events(*pieces: str, done: bool = True, finish_reason: str | None = "stop") -> web.Response:
    """A reply as a stream of events."""
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        for piece in pieces
    ]
    if finish_reason is not None:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}})
    lines = [": keep-alive", *(f"data: {json.dumps(chunk)}" for chunk in chunks)]
    if done:
        lines.append("data: [DONE]")
    return web.Response(text="\n\n".join(lines), content_type="text/event-stream")


def test_a_reply_is_shown_while_it_is_written(server: FaultServer) -> None:
    server.behave = lambda body, n: events("Two ", "words")
    shown: list[str] = []
    reply = connect(base_url=server.base_url).ask("Hello", show=shown.append)
    assert shown == ["Two ", "words"]
    assert (reply.text, reply.finish_reason, reply.prompt_tokens) == ("Two words", "stop", 9)
    assert server.requests[-1]["stream"] is True


def test_a_server_without_streams_shows_its_reply_as_a_whole(server: FaultServer) -> None:
    def refuse(body: dict[str, Any], n: int) -> web.StreamResponse:
        return status(400, "stream is unknown") if body.get("stream") else completion("hello")

    for behave in (lambda body, n: completion("hello"), refuse):
        server.behave = behave
        shown: list[str] = []
        assert connect(base_url=server.base_url).ask("Hello", show=shown.append).text == "hello"
        assert shown == ["hello"]


def test_a_stream_that_ends_in_the_middle_is_asked_for_again(server: FaultServer) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        return events("Two", done=False, finish_reason=None) if n == 1 else events("Two words")

    server.behave = behave
    reply = connect(base_url=server.base_url).ask("Hello", show=lambda piece: None)
    assert (reply.text, reply.retries) == ("Two words", 1)


def test_a_key_that_comes_in_pieces_is_not_shown(server: FaultServer) -> None:
    server.behave = lambda body, n: events("Your key is sk-sec", "ret-0123456789.\n", "Bye")
    shown: list[str] = []
    teacher = connect(base_url=server.base_url, api_key="sk-secret-0123456789")
    teacher.ask("Hello", show=shown.append)
    assert "0123456789" not in "".join(shown) and "".join(shown).endswith("Bye")


# ---- an empty account


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (400, "Your credit balance is too low to access this API."),
        (403, "You are out of credits."),
        (429, "Insufficient balance: please top up."),
    ],
)
def test_an_account_that_is_empty_stops_a_request_by_the_servers_words(
    server: FaultServer, code: int, words: str
) -> None:
    server.behave = lambda body, n: status(code, words)
    with pytest.raises(TeacherRefused, match=r"The account at .* is empty .*Add credit"):
        connect(base_url=server.base_url).ask("Hello")
