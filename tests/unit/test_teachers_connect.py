"""Finding a teacher: which address, which key, which model, and a clear sentence when it fails."""

import asyncio
import dataclasses
import inspect
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from servers import FaultServer, completion, free_port, page, status

from sdgkit.errors import SettingsError, TeacherError, TeacherRefused, TeacherUnreachable
from sdgkit.rehearsal.options import Options
from sdgkit.teachers import Teacher, connect
from sdgkit.teachers.credentials import Credentials
from sdgkit.teachers.diagnosis import Trouble, TroubleCause, explain
from sdgkit.teachers.server import Server
from sdgkit.teachers.settings import Settings

PEM = Path(__file__).parent.parent / "loopback.pem"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `sdgkit.toml` of somebody else's."""
    monkeypatch.chdir(tmp_path)


# ---- the address


@pytest.mark.parametrize("ending", ["/v1", "/v1/", "", "/"])
def test_an_address_works_with_and_without_its_final_v1(server: FaultServer, ending: str) -> None:
    teacher = connect(base_url=server.base_url.removesuffix("/v1") + ending)
    assert (teacher.base_url, teacher.model, teacher.kind) == (server.base_url, "tiny", "vllm")
    reply = teacher.ask("Hello", max_tokens=7)
    assert (reply.text, reply.finish_reason, reply.prompt_tokens, reply.completion_tokens) == (
        "hello",
        "stop",
        3,
        5,
    )
    assert server.requests[-1]["max_tokens"] == 7


@pytest.mark.parametrize("ending", ["/team/llm/v1", "/team/llm"])
def test_a_server_may_live_under_a_path(ending: str) -> None:
    with FaultServer(path="/team/llm/v1") as server:
        teacher = connect(base_url=f"http://127.0.0.1:{server.port}{ending}")
        assert teacher.base_url == server.base_url


def test_a_list_of_messages_can_be_sent_too_in_a_running_loop(server: FaultServer) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]

    async def cell() -> str:
        return connect(base_url=server.base_url).ask(messages).text

    assert asyncio.run(cell()) == "hello"
    assert server.requests[-1]["messages"] == messages


@pytest.mark.parametrize(
    "url",
    "localhost:8000 ftp://host/v1 http:// http://h/v1?key=1 http://ada:lovely@h/v1 "
    "http://[::1:8000/v1 "
    "http://h:80a0/v1 http://h:99999/v1".split(),
)
def test_an_invalid_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="must look like http://host:8000/v1") as caught:
        connect(base_url=url)
    assert "key=1" not in str(caught.value) and "lovely" not in str(caught.value)


def test_a_redirect_is_not_followed_to_another_address(server: FaultServer) -> None:
    with FaultServer() as other:
        server.pages["/v1/models"] = lambda: web.Response(
            status=307, headers={"Location": other.base_url + "/models"}
        )
        with pytest.raises(TeacherUnreachable, match="no OpenAI-compatible API at this path"):
            connect(base_url=server.base_url)
        assert other.paths == []


# ---- the six sentences


def test_every_cause_has_a_sentence_of_its_own_that_says_where() -> None:
    server = Server("http://gpu-7:8000/v1", "vllm", Credentials(Settings()), [])
    sentences = {cause: str(explain(Trouble(cause), server)) for cause in TroubleCause}
    assert len(set(sentences.values())) == len(TroubleCause)
    # These are about one request, and become the reason of a drop, which names no address.
    of_one_request = {TroubleCause.WITHHELD, TroubleCause.BAD_REQUEST}
    assert {
        cause for cause, sentence in sentences.items() if "gpu-7" not in sentence
    } == of_one_request
    assert not any("{" in sentence for sentence in sentences.values())


def test_a_refused_connection_says_that_nothing_is_listening_there() -> None:
    url = f"http://localhost:{free_port()}/v1"
    with pytest.raises(
        TeacherUnreachable,
        match=rf"Nothing is listening at {url} \(connection refused\)\. Start the server",
    ):
        connect(base_url=url)


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(TeacherUnreachable, match=r"The host 'gpu-7\.invalid' .* cannot be found"):
        connect(base_url="http://gpu-7.invalid:8000/v1")


@pytest.fixture
def tls_server() -> Iterator[FaultServer]:
    server = FaultServer()
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.tls.load_cert_chain(PEM)
    with server:
        yield server


def test_an_untrusted_certificate_says_where_to_name_its_authority(tls_server: FaultServer) -> None:
    with pytest.raises(
        TeacherRefused, match=r"certificate of https.* is not trusted \(self.signed.*SSL_CERT_FILE"
    ):
        connect(base_url=tls_server.base_url)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_your_own_authority_is_trusted_when_you_name_it(
    tls_server: FaultServer, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(variable, str(PEM))
    assert connect(base_url=tls_server.base_url).ask("Hello").text == "hello"


def test_a_missing_certificate_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(SettingsError, match=r"certificates in /nowhere/ca\.pem cannot be read"):
        connect(base_url="https://127.0.0.1:1/v1")


def test_https_to_an_http_server_hints_at_the_scheme(server: FaultServer) -> None:
    with pytest.raises(TeacherUnreachable, match="should begin with http:// or https://"):
        connect(base_url=server.base_url.replace("http", "https"))


def test_a_wrong_path_says_that_a_server_is_there(server: FaultServer) -> None:
    with pytest.raises(
        TeacherUnreachable, match=r"A server answers at .*/api/v1.* \(404: Not Found\).*end in /v1"
    ):
        connect(base_url=server.base_url.replace("/v1", "/api/v1"))


def test_a_web_page_instead_of_a_list_of_models_is_a_wrong_path(server: FaultServer) -> None:
    server.pages["/v1/models"] = lambda: page("Company &amp; Co: please log in")
    with pytest.raises(
        TeacherUnreachable, match=r"no OpenAI-compatible API.*\(200: Company & Co: please log in\)"
    ):
        connect(base_url=server.base_url)


@pytest.mark.parametrize(
    ("given", "said"),
    [("sk-wrong", "does not accept the key"), (None, "requires a key, but none was")],
)
def test_a_wrong_key_says_where_to_put_a_right_one(given: str | None, said: str) -> None:
    with FaultServer(key="sk-right") as server, pytest.raises(TeacherRefused) as caught:
        connect(base_url=server.base_url, api_key=given)
    assert said in str(caught.value) and "Put a valid key into SDGKIT_API_KEY." in str(caught.value)


def test_a_wrong_model_is_answered_with_those_there_are(server: FaultServer) -> None:
    server.models = ["tiny", "large"]
    with pytest.raises(TeacherRefused, match="has no model 'huge'; it has tiny, large"):
        connect(base_url=server.base_url, model="huge")


def test_a_slow_list_of_models_says_that_the_server_does_not_answer_in_time(
    server: FaultServer,
) -> None:
    server.pages["/v1/models"] = lambda: web.StreamResponse()  # a body that never ends
    with pytest.raises(TeacherUnreachable):
        connect(base_url=server.base_url, timeout=0.3)


def test_a_server_that_is_just_starting_gets_a_few_tries(server: FaultServer) -> None:
    answers = [
        status(503, "loading"),
        status(503, "loading"),
        web.json_response({"data": [{"id": "tiny"}]}),
    ]
    server.pages["/v1/models"] = lambda: answers.pop(0)
    assert connect(base_url=server.base_url).model == "tiny"


def test_a_server_without_a_model_is_still_loading(server: FaultServer) -> None:
    server.models = []
    with pytest.raises(TeacherUnreachable, match="lists no model"):
        connect(base_url=server.base_url)


# ---- the model


def test_entries_that_name_no_language_model_are_skipped(server: FaultServer) -> None:
    server.rows = [
        {},
        {"id": None},
        {"id": 5},
        {"id": "\x1b[31mred"},
        {"id": "minilm", "custom_metadata": {"model_type": "embedding"}},
        {"id": "tiny", "custom_metadata": "none", "max_model_len": "many"},
    ]
    teacher = connect(base_url=server.base_url)
    assert (teacher.model, teacher.context_length) == ("tiny", None)


def test_of_several_models_one_must_be_chosen(server: FaultServer) -> None:
    server.models = [f"model-{n}" for n in range(20)]
    with pytest.raises(
        SettingsError, match=r"several models. Choose one with --model.*: model-0, .* and 8 more"
    ):
        connect(base_url=server.base_url)
    assert connect(base_url=server.base_url, model="model-19").model == "model-19"


@pytest.mark.parametrize("kind", ["vllm", "rehearsal", None])
def test_a_rehearsal_is_never_mistaken_for_a_model(server: FaultServer, kind: str) -> None:
    server.models = ["rehearsal"]
    teacher = connect(kind, base_url=server.base_url)
    assert teacher.is_rehearsal and teacher.kind == "rehearsal"


def test_a_real_server_is_not_taken_for_a_rehearsal(server: FaultServer) -> None:
    assert not connect(base_url=server.base_url).is_rehearsal
    with pytest.raises(SettingsError, match="is not a rehearsal teacher"):
        connect("rehearsal", base_url=server.base_url)


def test_the_models_can_be_listed(server: FaultServer) -> None:
    server.models = ["tiny", "large"]
    assert connect(base_url=server.base_url, model="tiny").models() == ["tiny", "large"]


# ---- what comes back


def text_of(server: FaultServer, text: Any, **message: Any) -> tuple[str, str]:
    server.behave = lambda body, n: completion(text, **message)
    reply = connect(base_url=server.base_url).ask("Hello")
    return reply.text, reply.reasoning


def test_a_reply_without_content_is_empty_and_reasoning_is_kept(server: FaultServer) -> None:
    assert text_of(server, None, reasoning_content="Hm.") == ("", "Hm.")
    assert text_of(server, "Yes", reasoning="Hm.") == ("Yes", "Hm.")


def test_content_in_parts_is_joined(server: FaultServer) -> None:
    assert (
        text_of(server, [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])[0] == "ab"
    )


def test_broken_text_is_repaired_in_both_directions(server: FaultServer) -> None:
    assert text_of(server, "a \ud800 b")[0] == "a ? b"
    connect(base_url=server.base_url).ask("c \udfff d ü")
    assert server.requests[-1]["messages"][0]["content"] == "c ? d ü"


# ---- keys, proxies, settings


def test_the_key_is_never_shown_even_if_the_server_repeats_it(server: FaultServer) -> None:
    server.key = "sk-secret"
    teacher = connect(base_url=server.base_url, api_key="sk-secret")
    server.behave = lambda body, n: status(400, "I got your sk-secret and do not like it")
    with pytest.raises(TeacherError, match=r"400: I got your \*\*\* and do not like it") as caught:
        teacher.ask("Hello")
    assert "sk-secret" not in f"{teacher!r} {vars(teacher)} {caught.value!r}"


def authorization(server: FaultServer, kind: str, **settings: Any) -> str | None:
    connect(kind, base_url=server.base_url, **settings)
    return server.headers[-1].get("Authorization")


def test_openais_key_goes_to_the_kind_openai_only(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Own: 1")
    assert "sk-openai" not in (authorization(server, "vllm") or "")
    assert not {"OpenAI-Organization", "X-Own"} & set(server.headers[-1])
    assert authorization(server, "openai") == "Bearer sk-openai"
    monkeypatch.setenv("SDGKIT_API_KEY", "sk-ours")
    assert authorization(server, "openai") == authorization(server, "vllm") == "Bearer sk-ours"
    assert authorization(server, "vllm", api_key="sk-given") == "Bearer sk-given"


def test_an_impossible_key_is_refused_without_being_repeated(server: FaultServer) -> None:
    with pytest.raises(SettingsError, match="SDGKIT_API_KEY") as caught:
        connect(base_url=server.base_url, api_key="sk-ö")
    assert "sk-ö" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_never_goes_through_a_proxy(
    server: FaultServer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert connect(base_url=server.base_url.replace("127.0.0.1", host)).ask("Hello").text == "hello"


def test_other_hosts_go_through_the_proxy_unless_no_proxy_names_them(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    assert connect(base_url="http://teacher.test/v1").ask("Hello").text == "hello"
    assert server.headers[-1]["Host"] == "teacher.test"
    monkeypatch.setenv("no_proxy", "teacher.test")
    with pytest.raises(TeacherUnreachable, match=r"host 'teacher\.test'"):
        connect(base_url="http://teacher.test/v1")


def test_arguments_override_the_environment_which_overrides_the_file(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.models = ["a", "b", "c"]
    Path("sdgkit.toml").write_text(
        f'base_url = "{server.base_url}"\nmodel = "a"\n', encoding="utf-8"
    )
    assert connect().model == "a"
    monkeypatch.setenv("SDGKIT_MODEL", "b")
    assert connect().model == "b"
    assert connect(model="c").model == "c"


def test_an_address_without_a_kind_means_a_real_server(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDGKIT_BASE_URL", server.base_url)
    assert connect().kind == "vllm"
    monkeypatch.delenv("SDGKIT_BASE_URL")
    monkeypatch.setenv("SDGKIT_TEACHER", "rehearsal")
    assert connect(base_url=server.base_url).kind == "vllm"
    Path("sdgkit.toml").write_text('teacher = "openai"', encoding="utf-8")
    assert (
        connect(base_url=server.base_url).kind == "vllm"
    )  # not openai, whose key would be sent there


def test_another_servers_address_does_not_get_openais_key(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("SDGKIT_BASE_URL", server.base_url)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TeacherUnreachable, match=r"https://api\.openai\.com/v1"):
        connect("openai")
    assert server.headers == []


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("vlm", "Did you mean 'vllm'?"),
        ("lama-stack", "Did you mean 'llama-stack'?"),
        ("claude", "Choose from vllm, openai, llama-stack, rehearsal."),
    ],
)
def test_an_unknown_kind_is_answered_with_the_nearest_one_or_with_all(
    kind: str, advice: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        connect(kind)
    assert str(caught.value) == f"{kind!r} is not a kind of teacher. {advice}"
    assert caught.value.setting == "kind" and "vllm" in caught.value.choices


@pytest.mark.parametrize(
    ("misspelt", "right"),
    [("mean_latency", "mean_latency_ms"), ("base_ur", "base_url"), ("concurency", "concurrency")],
)
def test_a_misspelt_argument_is_answered_with_the_nearest_one(misspelt: str, right: str) -> None:
    with pytest.raises(SettingsError, match=f"Did you mean '{right}'") as caught:
        connect("rehearsal", **{misspelt: 3})  # type: ignore[arg-type]
    assert caught.value.setting == misspelt


def test_the_signature_of_connect_shows_every_rehearsal_option_with_its_default() -> None:
    shown = inspect.signature(connect).parameters
    for option in dataclasses.fields(Options):
        assert (shown[option.name].annotation, shown[option.name].default) == (
            option.type,
            option.default,
        )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base_url = ", "cannot be read"),
        ('url = "http://h"', "url cannot be used. The settings are teacher, base_url, model"),
        ("model = 3", "model cannot be used"),
        ('api_key = "sk-secret"', "api_key cannot be used"),
    ],
)
def test_a_broken_settings_file_says_what_is_wrong_with_it(text: str, words: str) -> None:
    Path("sdgkit.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"sdgkit\.toml") as caught:
        connect()
    assert words in str(caught.value) and "sk-secret" not in str(caught.value)


def test_rehearsal_options_are_refused_for_a_real_server(server: FaultServer) -> None:
    with pytest.raises(
        SettingsError, match=r"^slots: these options are only for a rehearsal teacher"
    ):
        connect(base_url=server.base_url, slots=3)


def test_without_settings_a_rehearsal_is_started_and_ends_with_its_teacher() -> None:
    teacher = connect(slots=3)
    assert teacher.is_rehearsal and teacher.kind == "rehearsal" and teacher.ask("Hello").text
    teacher.close()
    teacher.close()
    with pytest.raises(TeacherUnreachable, match="Nothing is listening"):
        connect(base_url=teacher.base_url)


def test_an_unknown_rehearsal_option_is_named() -> None:
    with pytest.raises(SettingsError, match="speed"):
        connect("rehearsal", speed=3)  # type: ignore[call-arg]


# ---- Llama Stack


def stack(server: FaultServer, *, generation: str) -> Teacher:
    """A Llama Stack of the old or the new generation, connected."""
    language = {"model_type": "llm", "provider_id": "vllm"}
    embedding = {"model_type": "embedding", "provider_id": "st"}
    if generation == "old":
        server.path = "/v1/openai/v1"
        rows = [{"identifier": "vllm/tiny", **language}, {"identifier": "minilm", **embedding}]
        server.pages["/v1/models"] = lambda: web.json_response({"data": rows})
        server.rows = [{"id": "vllm/tiny"}, {"id": "minilm"}]
    else:
        server.rows = [
            {"id": "vllm/tiny", "owned_by": "x", "created": 1, "custom_metadata": language},
            {"id": "st/minilm", "owned_by": "x", "created": 1, "custom_metadata": embedding},
        ]
    return connect("llama-stack", base_url=f"http://127.0.0.1:{server.port}")


@pytest.mark.parametrize(("generation", "path"), [("old", "/v1/openai/v1"), ("new", "/v1")])
def test_both_generations_of_llama_stack_are_detected(
    server: FaultServer, generation: str, path: str
) -> None:
    teacher = stack(server, generation=generation)
    assert (teacher.model, teacher.base_url, teacher.kind) == (
        "vllm/tiny",
        f"http://127.0.0.1:{server.port}{path}",
        "llama-stack",
    )
    assert teacher.notes == []
    assert teacher.ask("Hello").text == "hello"
    assert server.paths[-1] == path + "/chat/completions"


def test_an_incompatible_client_version_does_not_prevent_generation(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "Client version 0.2.12 is not compatible with server version 0.7.3. Please "
        "upgrade your client."
    )
    rows = {"data": [{"id": "vllm/tiny", "owned_by": "x", "created": 1}]}

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        server.paths.append(request.path)
        if request.headers.get("X-LlamaStack-Client-Version"):
            return web.json_response({"detail": words}, status=426)
        return (
            web.json_response(rows)
            if request.path.endswith("/models")
            else await server._chat(request)
        )

    server.down()
    monkeypatch.setattr(server, "_handle", handle)
    server.also_served = ("vllm/tiny",)
    server.up()
    teacher = connect("llama-stack", base_url=f"http://127.0.0.1:{server.port}/v1", model="tiny")
    assert teacher.ask("Hello").text == "hello"
    [note] = teacher.notes
    assert (
        "not compatible with server version 0.7.3" in note and "'llama-stack-client==0.7.*'" in note
    )
