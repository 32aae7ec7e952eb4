"""What a server means by an error, by any vendor's words and under any status."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from servers import FaultServer, completion

import sdgkit as sk
from sdgkit.errors import TeacherRefused
from sdgkit.teachers.diagnosis import TroubleCause, diagnose_reply, diagnose_response
from sdgkit.teachers.server_words import tells_no_credit, tells_passing_trouble, tells_withheld

NO_CREDIT: dict[str, tuple[int, Any]] = {
    "a code": (429, {"error": {"message": "Quota.", "type": "exceeded_current_quota_error"}}),
    "a team without credits": (403, {"error": "Your team doesn't have any credits yet."}),
    "a spending limit": (429, {"error": "All used up: monthly spending limit reached."}),
    "Chinese": (429, {"error": {"code": "1113", "message": "余额不足,请充值。"}}),
    "arrears": (400, {"error": {"message": "Access denied.", "code": "Arrearage"}}),
    "a balance": (403, {"code": 30001, "message": "The account balance is insufficient"}),
    "unpaid invoices": (412, {"error": {"message": "Suspended: failure to pay past invoices."}}),
    "included credits": (400, {"error": "You exceeded your monthly included credits."}),
    "billing": (400, {"error": {"message": "Reached.", "code": "billing_hard_limit_reached"}}),
    "under 401": (401, {"error": {"message": "No.", "type": "insufficient_quota", "code": 401}}),
    "a budget": (400, {"error": {"message": "Budget has been exceeded! Cost: 10.2"}}),
    "depleted": (429, {"error": {"message": "Your prepayment credits are depleted."}}),
    "under 200, a code": (200, {"error": {"message": "You cannot.", "code": "insufficient_quota"}}),
    "under 200, words": (200, {"code": 7, "msg": "insufficient balance", "success": False}),
    "402 in text": (402, "Payment Required"),
}

WITHHELD: dict[str, tuple[int, Any]] = {
    "inspection": (400, {"error": {"code": "data_inspection_failed", "message": "No."}}),
    "flagged under 403": (
        403,
        {"error": {"code": 403, "message": "Your input was flagged. No credits were charged."}},
    ),
    "guidelines under 403": (403, {"error": "Content violates usage guidelines."}),
    "Chinese": (400, {"error": {"code": "1301", "message": "内容可能包含不安全或敏感内容"}}),
    "a policy": (400, {"error": {"message": "This violates our usage policy.", "code": "x"}}),
    "blocked under 200": (200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
    "moderation under 200": (200, {"error": {"message": "Content was flagged", "code": "m"}}),
}

PASSING: dict[str, tuple[int, Any]] = {
    "null": (200, None),
    "an empty list": (200, []),
    "no content": (200, ""),
    "an error as text": (200, {"error": "Overloaded"}),
    "a detail": (200, {"detail": "Service busy"}),
    "errors": (200, {"success": False, "errors": [{"message": "Capacity exceeded"}]}),
    "errors that are none": (200, {"errors": [None]}),
    "no message": (200, {"choices": [{"message": None}]}),
    "a router's 400": (
        400,
        {"error": {"message": "Provider returned error", "metadata": {"raw": "upstream"}}},
    ),
    "a loading model": (400, {"error": "The model is loading, please try again"}),
    "a closed request": (499, {"error": "client closed request"}),
}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def teacher(server: FaultServer) -> sk.Teacher:
    return sk.connect(base_url=server.base_url)


def cause_of(teacher: sk.Teacher, status: int, body: object) -> TroubleCause:
    if status == 200:
        return diagnose_reply(body, teacher._server).cause
    return diagnose_response(status, body, teacher._server).cause


@pytest.mark.parametrize(("status", "body"), NO_CREDIT.values(), ids=NO_CREDIT.keys())
def test_an_empty_account_is_known_by_any_vendors_words(
    teacher: sk.Teacher, status: int, body: object
) -> None:
    assert cause_of(teacher, status, body) is TroubleCause.NO_CREDIT


@pytest.mark.parametrize(("status", "body"), WITHHELD.values(), ids=WITHHELD.keys())
def test_a_withheld_reply_is_known_by_any_vendors_words(
    teacher: sk.Teacher, status: int, body: object
) -> None:
    assert cause_of(teacher, status, body) is TroubleCause.WITHHELD


@pytest.mark.parametrize(("status", "body"), PASSING.values(), ids=PASSING.keys())
def test_a_bad_moment_is_worth_another_try(teacher: sk.Teacher, status: int, body: object) -> None:
    assert cause_of(teacher, status, body).is_transient


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context is 4096 tokens. Shorten the prompt and try again later.",
        "temperature must be between 0 and 2",
    ],
)
def test_other_errors_are_none_of_these(message: str) -> None:
    assert not tells_no_credit(message)
    assert not tells_withheld(message)
    assert not tells_passing_trouble(message)


def test_a_rate_limit_that_speaks_of_quotas_is_no_empty_account() -> None:
    assert not tells_no_credit("Your quota of requests per minute is exhausted.")
    assert not tells_no_credit("You exceeded your quota, buy credits. Please retry in 23.4s.")


def test_an_account_that_is_empty_under_status_200_stops_the_run_and_no_row_is_burnt(
    server: FaultServer,
) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        return web.json_response({"error": {"message": "No.", "code": "insufficient_quota"}})

    server.behave = behave
    teacher = sk.connect(base_url=server.base_url)
    with pytest.raises(TeacherRefused, match="Add credit"):
        teacher.ask("Hello")


def test_a_flagged_prompt_is_a_refusal_and_the_key_is_not_doubted(server: FaultServer) -> None:
    def behave(body: dict[str, Any], n: int) -> web.StreamResponse:
        if "bad" in body["messages"][-1]["content"]:
            return web.json_response({"error": "Your input was flagged."}, status=403)
        return completion("hello")

    server.behave = behave
    teacher = sk.connect(base_url=server.base_url)
    assert teacher.ask("good").text == "hello"
    with pytest.raises(sk.TeacherError, match="withheld"):
        teacher.ask("bad")
