"""What people type into forms, and what is wrong with it.

A form is read leniently (spaces around a value do not count) and answered strictly: every error at once, each
at its field, and nothing that was typed is lost.
"""

from __future__ import annotations

import asyncio
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from evently.kit.errors import FieldError, Invalid, Refused
from evently.web.edge.refusals import EdgeRefusal
from evently.web.services import Request

_FORM: Final = "application/x-www-form-urlencoded"
_UPLOAD: Final = "multipart/form-data"
_FIELDS_MAX: Final = 500  # a booking names at most a hundred seats


class FormError(NamedTuple):
    """What is wrong with a field: the id of its input, and a sentence."""

    field: str
    text: str


class Form:
    """The values of a form that was sent, by name; of a repeated name, the last one counts."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs
        self._values = dict(pairs)

    def text(self, name: str) -> str:
        """Return a value without spaces around it, or an empty text."""
        return self._values.get(name, "").strip()

    def raw(self, name: str) -> str:
        """Return a value as it was typed: a password may begin with a space."""
        return self._values.get(name, "")

    def all(self, name: str) -> list[str]:
        """Return every value of a name, such as the check boxes that are set."""
        return [value for given, value in self.pairs if given == name]


async def read_form(request: Request, fields_max: int = _FIELDS_MAX) -> Form:
    """Return the form in the body of a request."""
    if not (request.header("content-type") or _FORM).lower().startswith(_FORM):
        raise Refused(EdgeRefusal.MEDIA_TYPE)
    return parse_form((await request.body()).decode("latin-1"), fields_max)


async def read_upload(request: Request) -> Form:
    """Return a form that may have files (multipart/form-data, RFC 7578); a file is the text in it."""
    kind = request.header("content-type") or ""
    if not kind.lower().startswith(_UPLOAD):
        return await read_form(request)
    body = await request.body()
    return await asyncio.to_thread(_parse_upload, kind, body)


def _parse_upload(kind: str, body: bytes) -> Form:
    whole = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body
    )
    parts = list(whole.iter_parts()) if whole.is_multipart() else []
    if not 0 < len(parts) <= _FIELDS_MAX:
        raise Refused(EdgeRefusal.MALFORMED, "form")
    pairs = []
    for part in parts:
        content, name = part.get_payload(decode=True), part.get_param("name", header="content-disposition")
        if not isinstance(content, bytes) or not isinstance(name, str):
            raise Refused(EdgeRefusal.MALFORMED, "form")
        text = content.decode("utf-8-sig", "replace")
        if "\x00" in text:
            raise Refused(EdgeRefusal.MALFORMED, "form")
        pairs.append((name, text))
    return Form(pairs)


def parse_form(encoded: str, fields_max: int = _FIELDS_MAX) -> Form:
    """Return the form of an encoded query or body."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=fields_max)
    except ValueError as exc:
        raise Refused(EdgeRefusal.MALFORMED, "form") from exc
    if any("\x00" in value for _, value in pairs):
        raise Refused(EdgeRefusal.MALFORMED, "form")
    return Form(pairs)


def errors_of(exc: Refused, fields: dict[str, str]) -> list[FormError]:
    """Return the errors of a refusal, each with the id of its input; `fields` maps pointers to ids."""
    assert isinstance(exc, Invalid), "only wrong values have fields"
    return [FormError(fields.get(error.pointer, "main"), sentence_of_field(error)) for error in exc.errors]


def sentence_of_field(error: FieldError) -> str:
    """Return what is wrong with a field as a sentence."""
    text = error.detail
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def sentence_about(error: FieldError) -> str:
    """Return what is wrong with a field as the end of a sentence, after a colon."""
    text = sentence_of_field(error)
    return f"{text[0].lower()}{text[1:]}"
