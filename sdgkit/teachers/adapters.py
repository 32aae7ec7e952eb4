"""Adapters: how a request reaches a server. One class, one method.

`OpenAICompatible` speaks to any server with the OpenAI API (vLLM first); `replicas.Replicas` makes
several servers of one model look like one.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sdgkit.teachers.answering_model import AnsweringModel
from sdgkit.teachers.body import BodyRefused
from sdgkit.teachers.diagnosis import (
    Trouble,
    TroubleCause,
    diagnose_broken_off,
    diagnose_exception,
    diagnose_reply,
    diagnose_response,
)
from sdgkit.teachers.endings import Ending, ending_of
from sdgkit.teachers.exchange import Reply, encode_body
from sdgkit.teachers.http_client import SUCCESS, HttpClient
from sdgkit.teachers.model_lists import entries_of
from sdgkit.teachers.network import proxy_for, ssl_context_for
from sdgkit.teachers.prompt_cuts import PromptWatch
from sdgkit.teachers.refused_parameters import RefusedParameters
from sdgkit.teachers.reply_body import ReplyBody
from sdgkit.teachers.secrets import HIDDEN
from sdgkit.teachers.server import Server
from sdgkit.teachers.settings import REHEARSAL
from sdgkit.teachers.streams import ReplyStream, Show
from sdgkit.teachers.system_role import (
    USER,
    has_system,
    may_be_about_roles,
    tells_of_roles,
    with_system_in_user,
)

MODELS_SECONDS = 60.0
METRICS_SECONDS = 5.0


class Adapter(ABC):
    """What a teacher needs from a server.

    To support another kind of server, write `exchange`; the rest has defaults.

    Attributes:
        server: The server that is asked.
    """

    server: Server

    @abstractmethod
    async def exchange(
        self, body: Mapping[str, Any], seconds: float | None = None, seed: str = ""
    ) -> Reply:
        """Send one chat request and return the reply.

        Args:
            body: The body of POST /v1/chat/completions.
            seconds: A limit for this request, in place of the usual one.
            seed: The lineage id of its seed; of several servers, one seed's requests prefer one.

        Raises:
            Trouble: It failed. The retry policy decides what happens next.
        """

    async def exchange_streamed(
        self, body: Mapping[str, Any], show: Show, seconds: float | None = None
    ) -> Reply:
        """The same as `exchange`, shown piece by piece, or as a whole where there are no pieces.

        Args:
            body: The body of POST /v1/chat/completions.
            show: Called with each piece of the reply's text.
            seconds: A limit for this request, in place of the usual one.

        Raises:
            Trouble: It failed; pieces may have been shown.
        """
        reply = await self.exchange(body, seconds)
        show(reply.text)
        return reply

    @property
    def left_out(self) -> dict[str, str]:
        """The servers that get no requests at the moment: base URL and reason."""
        return {}

    async def metrics(self) -> str:
        """The text of the server's page /metrics, empty if it has none. Raises Trouble."""
        return ""

    async def close(self) -> None:
        """Close all connections."""
        return


class OpenAICompatible(Adapter):
    """One server that speaks the OpenAI API.

    A parameter that the server refuses is left out of all later requests: learned once, from the
    server's own message. A request's key, its name in the journal, covers what the plan asks for,
    so it does not depend on what a server accepts.

    Raises:
        SettingsError: The certificates to trust cannot be read.
    """

    def __init__(self, server: Server, timeout: float) -> None:
        self.server = replace(server, proxy=proxy_for(server.base_url))
        self._timeout = timeout
        self._client = HttpClient(self.server.proxy, ssl_context_for(server.base_url))
        self._refused_parameters = RefusedParameters(self.server.notes)
        self._puts_system_into_user = False
        self._takes_system = False  # known once a request with a system message was answered
        self._prompt_watch = PromptWatch(self._count_tokens)
        self._answering_model = AnsweringModel()

    async def exchange(
        self, body: Mapping[str, Any], seconds: float | None = None, seed: str = ""
    ) -> Reply:
        """One chat completion. Sent again only when the server refuses a part it can do without."""
        started = time.monotonic()
        data = await self._complete(body, seconds)
        reply = self._parse_reply(data, time.monotonic() - started)
        await self._refuse_cut_prompt(body, reply)
        return reply

    async def exchange_streamed(
        self, body: Mapping[str, Any], show: Show, seconds: float | None = None
    ) -> Reply:
        """The same, shown piece by piece while it is written, where the server can."""
        started = time.monotonic()
        streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
        stream = ReplyStream(show, self.server.credentials.secrets)
        try:
            data = await self._complete(streamed, seconds, stream.add)
        except Trouble as refusal:
            # 200 is the status of a stream: what went wrong then is about the reply.
            if refusal.status not in (400, 404, 415, 422, 500, 501) or stream.has_begun:
                raise
            data = await self._complete(body, seconds)
        stream.end(data)
        return self._parse_reply(stream.body(data), time.monotonic() - started)

    async def _complete(
        self,
        body: Mapping[str, Any],
        seconds: float | None,
        on_piece: Callable[[bytes], None] | None = None,
    ) -> Any:
        """The parsed body of one chat completion, without what the server refuses in a request."""
        accepted = self._accepted(body)
        try:
            data = await self._post(accepted, seconds, on_piece)
            self._takes_system = self._takes_system or has_system(accepted)
            return data
        except Trouble as refusal:
            if has_system(accepted) and tells_of_roles(refusal):
                return await self._complete_without_system(accepted, refusal, seconds, on_piece)
            if not self._refused_parameters.learn_from(refusal, accepted):
                if self._takes_system or not has_system(accepted):
                    raise
                if not may_be_about_roles(refusal):
                    raise
                return await self._try_without_system(accepted, refusal, seconds, on_piece)
        return await self._complete(body, seconds, on_piece)

    async def _try_without_system(
        self,
        body: Mapping[str, Any],
        refusal: Trouble,
        seconds: float | None,
        on_piece: Callable[[bytes], None] | None,
    ) -> Any:
        """Find out whether a refusal that does not say so is about the system message.

        It is if the same request is refused again, and answered without such a message.
        """
        try:
            data = await self._post(body, seconds, on_piece)
            self._takes_system = True
            return data
        except Trouble:
            return await self._complete_without_system(body, refusal, seconds, on_piece)

    async def _complete_without_system(
        self,
        body: Mapping[str, Any],
        refusal: Trouble,
        seconds: float | None,
        on_piece: Callable[[bytes], None] | None,
    ) -> Any:
        """Ask without a system message; where that is answered, it was what the server refused."""
        merged = {**body, "messages": with_system_in_user(body["messages"])}
        try:
            data = await self._post(merged, seconds, on_piece)
        except Trouble:
            raise refusal from None
        self._puts_system_into_user = True
        self.server.note(
            f"The model at {self.server.base_url} has no system role; the prompts' system text is "
            "put at the beginning of the user's message."
        )
        return data

    async def _post(
        self,
        body: Mapping[str, Any],
        seconds: float | None,
        on_piece: Callable[[bytes], None] | None = None,
    ) -> Any:
        url = f"{self.server.base_url}/chat/completions{self.server.query}"
        content = encode_body(body)
        data = await self._send("POST", url, seconds or self._timeout, content, on_piece)
        if isinstance(data, dict) and data.get("error") and not data.get("choices"):
            raise diagnose_reply(data, self.server)  # a refusal behind status 200
        return data

    async def _refuse_cut_prompt(self, body: Mapping[str, Any], reply: Reply) -> None:
        """Raise Trouble where the server has cut the prompt of this reply."""
        says_its_limit = self.server.models.get(self.server.model) is not None
        if says_its_limit or self.server.model == REHEARSAL or body.get("max_tokens") == 1:
            return
        await self._prompt_watch.look_at(body, reply.prompt_tokens)
        if self._prompt_watch.finding:
            raise Trouble(TroubleCause.CUT_PROMPT, self._prompt_watch.finding)

    async def _count_tokens(self, text: str) -> int:
        """How many tokens a message of this text has, as the server counts; 0 if it does not."""
        body = probe_body(self.server.model) | {"messages": [{"role": USER, "content": text}]}
        try:
            data = await self._complete(body, None)
            return self._parse_reply(data, 0.0).prompt_tokens
        except Trouble:
            return 0

    async def list_models(self, base_url: str) -> list[dict[str, Any]]:
        """The entries of the list of models at this base URL, as the server writes them.

        Raises:
            Trouble: There is no such list.
        """
        url = f"{base_url}/models{self.server.query}"
        data = await self._send("GET", url, min(self._timeout, MODELS_SECONDS))
        entries = entries_of(data)
        if entries is None:
            raise diagnose_response(200, data, self.server)
        return entries

    async def metrics(self) -> str:
        """The text of the server's page /metrics. Raises Trouble."""
        url = f"{self.server.base_url.removesuffix('/v1')}/metrics"
        return str(await self._send("GET", url, METRICS_SECONDS))

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        await self._client.close()

    async def _send(
        self,
        method: str,
        url: str,
        seconds: float,
        content: bytes | None = None,
        on_piece: Callable[[bytes], None] | None = None,
    ) -> Any:
        """The JSON of a response, or its text. Raises Trouble.

        Args:
            method: GET or POST.
            url: Where to send it.
            seconds: How long it may take.
            content: The body to send.
            on_piece: Called with each piece of the response's body as it comes.
        """
        credentials = self.server.credentials
        headers: dict[str, str] = {}
        if key := credentials.key:
            headers["authorization"] = f"Bearer {key}"
        for name, value in credentials.headers.items():
            headers[name.lower()] = value  # replaces the key, if it is one
        try:
            response = await self._client.request(
                method, url, seconds, headers=headers, content=content, on_piece=on_piece
            )
        except BodyRefused as refusal:
            raise Trouble(TroubleCause.BAD_REQUEST, str(refusal), refusal.status) from None
        except Exception as error:
            raise diagnose_exception(error, self.server) from error
        try:
            data = json.loads(response.body)
        except (ValueError, RecursionError):
            data = response.body.decode("utf-8", "replace")
        if response.status not in SUCCESS:
            raise diagnose_response(response.status, data, self.server, response.retry_after)
        return data

    def _parse_reply(self, data: object, seconds: float) -> Reply:
        """A Reply from the parsed body; every part that is used is checked here. Raises Trouble."""
        try:
            body = ReplyBody(data)
            if body.error or ending_of(body.ending) is Ending.BROKEN_OFF:
                raise diagnose_broken_off(body.ending, body.error, self.server)
            reply = Reply(
                text=self._without_keys(body.text),
                finish_reason=self._without_keys(body.finish_reason),
                reasoning=self._without_keys(body.reasoning),
                prompt_tokens=body.prompt_tokens,
                completion_tokens=body.completion_tokens,
                seconds=seconds,
            )
        except (LookupError, TypeError, ValueError, AttributeError):
            raise diagnose_reply(data, self.server) from None
        self._note_another_model(body.model)
        return reply

    def _note_another_model(self, name: object) -> None:
        """Tell the user if a reply comes from another model than the first one did."""
        first_name = self._answering_model.change_to(name)
        if first_name:
            self.server.note(
                f"The server answered as {self.server.redact(first_name)} at first and now as "
                f"{self.server.redact(str(name))}: its model may have been swapped at "
                f"{self.server.base_url}. The run continues with replies from both; to have all "
                "of them from one model, run it again in a new folder."
            )

    def _without_keys(self, text: str) -> str:
        """A text from the server that may be stored: if it holds the key, a note says so."""
        hidden = self.server.credentials.patterns.hide_keys(text)
        if hidden != text:
            self.server.note(
                f"A reply from {self.server.base_url} contained your key, which was replaced by "
                f"{HIDDEN}. Change the key, and ask its operator why the server repeats keys."
            )
        return hidden

    def _accepted(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body without the parameters that the server refuses."""
        if self._puts_system_into_user:
            body = {**body, "messages": with_system_in_user(body["messages"])}
        return self._refused_parameters.accepted(body)


def probe_body(model: str) -> dict[str, Any]:
    """The body of a tiny request, to find out whether a server answers."""
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
