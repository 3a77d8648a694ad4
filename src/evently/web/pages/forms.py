"""What people type into forms, and what is wrong with it.

A form is read leniently (spaces around a value do not count) and answered strictly: every error at once, each
at its field, and nothing that was typed is lost.
"""

from __future__ import annotations

import re
from email.message import Message
from itertools import islice, pairwise
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from evently.kit.errors import FieldError, Invalid, Refused
from evently.web.edge.refusals import EdgeRefusal
from evently.web.services import Request

_FORM: Final = "application/x-www-form-urlencoded"
_UPLOAD: Final = "multipart/form-data"
_HEAD_BYTES_MAX: Final = 4_096  # of one part: its name and that of a file
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
    parts = await _read_parts(request)
    if parts is None:
        return await read_form(request)
    pairs = [(name, content.decode("utf-8-sig", "replace")) for name, content in parts]
    if any("\x00" in text for _, text in pairs):
        raise Refused(EdgeRefusal.MALFORMED, "form")
    return Form(pairs)


async def read_file(request: Request, name: str) -> tuple[Form, bytes]:
    """Return a form with one file, and the bytes of that file; none, when it was not sent."""
    parts = await _read_parts(request)
    if parts is None:
        return await read_form(request), b""
    texts = [(given, content) for given, content in parts if given != name]
    try:
        form = Form([(given, content.decode()) for given, content in texts])
    except UnicodeDecodeError as exc:
        raise Refused(EdgeRefusal.MALFORMED, "form") from exc
    return form, b"".join(content for given, content in parts if given == name)


async def _read_parts(request: Request) -> list[tuple[str, bytes]] | None:
    """Return the parts of an upload by name; None, when the form is of the ordinary kind."""
    kind = request.header("content-type") or ""
    if not kind.lower().startswith(_UPLOAD):
        return None
    return _split_upload(kind, await request.body())


def _split_upload(kind: str, body: bytes) -> list[tuple[str, bytes]]:
    """Return the parts of an upload by name. Binary files stay as they are, which `email` cannot promise."""
    boundary = _header("content-type", kind).get_param("boundary", header="content-type")
    if not isinstance(boundary, str) or not boundary:
        raise Refused(EdgeRefusal.MALFORMED, "form")
    line = rb"\r\n--%b(?:(--)|[ \t]*\r\n)" % re.escape(boundary.encode("latin-1", "replace"))
    whole = b"\r\n" + body
    marks = list(islice(re.finditer(line, whole), _FIELDS_MAX + 2))
    if not 1 < len(marks) <= _FIELDS_MAX + 1 or marks[0].start() or marks[-1][1] is None:
        raise Refused(EdgeRefusal.MALFORMED, "form")
    return [_read_part(whole[mark.end() : after.start()]) for mark, after in pairwise(marks)]


def _read_part(section: bytes) -> tuple[str, bytes]:
    head, found, content = section.partition(b"\r\n\r\n")
    for line in head[:_HEAD_BYTES_MAX].split(b"\r\n"):
        header, _, value = line.decode("utf-8", "replace").partition(":")
        if header.strip().lower() == "content-disposition":
            name = _header("content-disposition", value).get_param("name", header="content-disposition")
            if found and isinstance(name, str):
                return name, content
    raise Refused(EdgeRefusal.MALFORMED, "form")


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message


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
