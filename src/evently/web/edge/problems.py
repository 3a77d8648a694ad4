"""The problems of the API (RFC 9457): one table of all refusal codes, and the responses to exceptions.

    PROBLEMS          code -> status, title, explanation, sentences: read from `problems.toml`. Each code is
                      documented at /problems/<code>. A new refusal adds its table there (a test checks).
    problems(...)     what a handler declares: `responses=problems(SalesRefusal.SOLD_OUT)`
    problem(...)      the response for a refusal
    sentence_of(...)  what a refusal says about its case
    respond_to(...)    the response for an exception

A status comes from this table alone; no domain knows any.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated, Any, Final

import msgspec.toml
import structlog
from msgspec.structs import replace

from evently.accounts import AccountsRefusal
from evently.kit.errors import (
    Busy,
    CommitsWait,
    CommonRefusal,
    Invalid,
    OutcomeUnknown,
    Refusal,
    Refused,
    Trouble,
    Unavailable,
    WrongClock,
)
from evently.web.edge.context import Context, Disconnected, Request, Response
from evently.web.edge.refusals import EdgeRefusal

PROBLEM_JSON: Final = "application/problem+json"
# Codes of fields whose sentence does not say which field it is about
_GENERAL: Final = frozenset({"missing", "not-as-expected", "unknown-field", "unknown-parameter"})
_log = structlog.get_logger(__name__)


class ProblemType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a refusal appears outside.

    `explanation` says what happened and what to do; `details` are sentences for particular cases, by reason.
    `members` names the data that the problem carries as members of its own.
    """

    status: int
    title: str
    explanation: str
    details: dict[str, str] = {}
    members: frozenset[str] = frozenset()


def _read_problems() -> dict[str, ProblemType]:
    text = files(__package__).joinpath("problems.toml").read_text(encoding="utf-8")
    rows = msgspec.toml.decode(text, type=dict[str, ProblemType])
    # The lines of an explanation are wrapped for the file alone.
    return {code: replace(row, explanation=" ".join(row.explanation.split())) for code, row in rows.items()}


PROBLEMS: Final = _read_problems()


class FieldErrorView(msgspec.Struct, frozen=True):
    """One wrong field.

    `pointer` is an RFC 6901 JSON pointer into the request body, `?name` of a query parameter, or the name of
    a header. `code` is stable; `detail` says in English what is wrong.
    """

    pointer: Annotated[str, msgspec.Meta(examples=["/lines/0/quantity"])]
    code: Annotated[str, msgspec.Meta(examples=["out-of-range"])]
    detail: Annotated[str, msgspec.Meta(examples=["Must be from 1 to 100."])]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem, as RFC 9457 describes it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldErrorView] = []


_ANYWHERE: Final = (*CommonRefusal, *EdgeRefusal)
_BAD_TOKEN: Final = (AccountsRefusal.TOKEN_INVALID, AccountsRefusal.TOKEN_EXPIRED)
# A kind that is not here is told as the nearest kind above it that is
_TROUBLE: Final[dict[type[Trouble], EdgeRefusal]] = {
    Trouble: EdgeRefusal.UNAVAILABLE,
    Busy: EdgeRefusal.BUSY,
    Unavailable: EdgeRefusal.DATABASE_UNAVAILABLE,
    WrongClock: EdgeRefusal.WRONG_CLOCK,
    OutcomeUnknown: EdgeRefusal.OUTCOME_UNKNOWN,
    CommitsWait: EdgeRefusal.COMMITS_WAIT,
}


def _summary(errors: Sequence[FieldErrorView]) -> str:
    """Return what is wrong with a request, so that it can be read without `errors`."""
    first = errors[0]
    if len(errors) > 1:
        return f"Several fields are wrong; the first is {first.pointer or 'the body'}: {first.detail}"
    return f"{first.pointer}: {first.detail}" if first.pointer and first.code in _GENERAL else first.detail


def problem_of(context: Context, request_id: str, exc: Refused) -> Response[Any]:
    """Return the response for a refusal."""
    row = PROBLEMS[exc.refusal]
    members = {name: value for name, value in exc.data.items() if name in row.members}
    if isinstance(exc, Invalid):
        errors = [FieldErrorView(error.pointer, error.code, error.detail) for error in exc.errors]
        return _respond(context, request_id, exc.refusal, _summary(errors), {"errors": errors})
    return _respond(context, request_id, exc.refusal, sentence_of(exc), members)


def refusal_of(exc: Refused | Trouble) -> Refusal:
    """Return the code under which an exception is told."""
    if isinstance(exc, Refused):
        return exc.refusal
    return next(_TROUBLE[each] for each in type(exc).__mro__ if each in _TROUBLE)


def sentence_of(exc: Refused | Trouble) -> str:
    """Return what a refusal says about its case, or the explanation of its code if it has no reason."""
    row = PROBLEMS[refusal_of(exc)]
    if not exc.reason:
        return row.explanation
    return row.details[exc.reason].format_map({name: _shown(value) for name, value in exc.data.items()})


def _shown(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _respond(
    context: Context, request_id: str, refusal: Refusal, detail: str, members: dict[str, Any]
) -> Response[Any]:
    """Return the response for a problem. `retry_after` among its members is also sent as a header."""
    row = PROBLEMS[refusal]
    body: dict[str, object] = {
        "type": f"{context.options.public_url}/problems/{refusal.value}",
        "title": row.title,
        "status": row.status,
        "detail": detail,
        "code": refusal.value,
        "request_id": request_id,
        **members,
    }
    headers = {}
    if "retry_after" in members:
        headers["retry-after"] = str(members["retry_after"])
    if row.status == HTTPStatus.UNAUTHORIZED:  # RFC 6750, 3
        headers["www-authenticate"] = 'Bearer error="invalid_token"' if refusal in _BAD_TOKEN else "Bearer"
    return Response(body, status_code=row.status, media_type=PROBLEM_JSON, headers=headers)


def problem(request: Request, exc: Refused) -> Response[Any]:
    """Return the response for a refusal that is too frequent to be raised as an exception."""
    return problem_of(request.context, request.exchange.request_id, exc)


def problems(*named: Refusal | str | int) -> list[str]:
    """Return the codes that a route declares; a status stands for every code that any route may have."""
    codes: dict[str, None] = {}
    for name in named:
        for code in _codes_of(name) if isinstance(name, int) else [str(name)]:
            assert code in PROBLEMS, f"there is no problem {code}"
            codes[code] = None
    return list(codes)


def _codes_of(status: int) -> list[str]:
    return [refusal.value for refusal in _ANYWHERE if PROBLEMS[refusal].status == status]


def respond_to(request: Request, exc: Exception) -> Response[Any]:
    """Return the response to an exception of a handler; log an unexpected one and respond with 500."""
    context, request_id = request.context, request.exchange.request_id
    if isinstance(exc, Refused):
        return problem_of(context, request_id, exc)
    if isinstance(exc, Trouble):
        _log.warning(
            "trouble", kind=type(exc).__name__, cause=repr(exc.__cause__ or exc), request_id=request_id
        )
        members = {"retry_after": exc.retry_after_seconds}
        return _respond(context, request_id, refusal_of(exc), sentence_of(exc), members)
    if isinstance(exc, Disconnected):
        return Response(None, status_code=499)  # only the access log shows it, as that of other servers
    _log.error("bug", request_id=request_id, exc_info=exc)
    return problem_of(context, request_id, Refused(EdgeRefusal.INTERNAL))
