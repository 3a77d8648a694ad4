"""Questions to the buyers of an event: what is asked, added, changed with what that does, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from msgspec.structs import asdict

from evently import questions
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import EventId, QuestionId, find_id, reference_of, show_id
from evently.questions import AnswerOf, Question, QuestionChanges, QuestionDraft
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import find_sale
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, FormError, read_form, sentence_of_field
from evently.web.pages.organize.desk import MANAGERS, event_address, open_event, render_desk
from evently.web.pages.organize.saving import Version, name_of_editor, show_versions
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

KINDS: Final = {
    "text": "A text",
    "choice": "One of several choices",
    "number": "A number",
    "date": "A date",
    "consent": "Consent: a box to tick",
}
_SAVED: Final = {
    "added": "The question is added. Buyers are asked from now on.",
    "changed": "The question is changed.",
    "deleted": "The question is deleted, with its answers.",
}
_BOXES: Final = {"required": "Required", "at_door": "Shown at the door", "retired": "Ask it no more"}
_NUMBER_DIGITS_MAX: Final = 15
_COUNTED: Final = ("choice", "consent")
ANSWERS_SHOWN: Final = 50  # more than a screen
After = Annotated[str, QueryParameter(max_length=500)]
Saved = Annotated[str, QueryParameter(max_length=10)]
Page = Response[str] | Response[None]


class Given(NamedTuple):
    """An answer in the list of a question."""

    answer: AnswerOf
    reference: str
    address: str
    at: datetime


@show("/organize/events/{event_id}/questions", **policy(MANAGERS))
async def show_questions(request: Request, event_id: FromPath[EventId], saved: Saved = "") -> Response[str]:
    """Return the questions of an event, and the form that adds one."""
    return await _page(request, event_id, done=_SAVED.get(saved, ""))


@act("/organize/events/{event_id}/questions", **policy(MANAGERS))
async def add_question(request: Request, event_id: FromPath[EventId]) -> Page:
    """Add a question."""
    form, context = await read_form(request), request.context
    values, errors = _read(form)
    kind = form.text("kind")
    if kind in KINDS and kind != "choice":
        values["choices"] = []  # its field is hidden
    if kind in KINDS and kind != "number":
        values |= {"smallest": None, "largest": None}
        errors = [each for each in errors if each.field not in ("smallest", "largest")]
    if kind not in KINDS:
        errors.insert(0, FormError("kind", "Choose what kind of answer you want."))
    if form.text("asked_per") not in ("booking", "ticket"):
        errors.append(FormError("asked_per", "Choose how often it is asked."))
    if errors:
        return await _page(request, event_id, form, errors)
    values |= {"kind": kind, "asked_per": form.text("asked_per")}
    try:
        async with context.database.transaction() as tx:
            await questions.add_question(
                tx, event_id, msgspec.convert(values, QuestionDraft, dec_hook=_as_is), context.clock()
            )
    except Invalid as exc:
        return await _page(request, event_id, form, _errors_of(exc))
    except Refused as exc:
        if exc.refusal not in (SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED):
            raise
        return await _page(request, event_id, form, [FormError("main", sentence_of(exc))], exc)
    context.questions.forget(event_id)
    return see_other(f"{event_address(event_id, 'questions')}?saved=added")


@show("/organize/events/{event_id}/questions/{question_id}", **policy(MANAGERS))
async def show_question(
    request: Request, event_id: FromPath[EventId], question_id: FromPath[QuestionId], after: After = ""
) -> Response[str]:
    """Return a question with its answers, the newest first, and the form that changes it."""
    return await _edit_page(request, event_id, question_id, after=after)


@act("/organize/events/{event_id}/questions/{question_id}", **policy(MANAGERS))
async def change_question(
    request: Request, event_id: FromPath[EventId], question_id: FromPath[QuestionId]
) -> Page:
    """Change a question; where another person has changed it meanwhile, show both versions."""
    form, context = await read_form(request), request.context
    values, errors = _read(form)
    if errors:
        return await _edit_page(request, event_id, question_id, form, errors)
    found = await questions.find_question(context.database, event_id, question_id)
    values |= {"retired": "retired" in dict(form.pairs), "position": _position(form, found)}
    if found.kind != "choice":
        del values["choices"]
    if found.kind != "number":
        del values["smallest"], values["largest"]
    try:
        async with context.database.transaction() as tx:
            changes = msgspec.convert(values, QuestionChanges, dec_hook=_as_is)
            await questions.change_question(
                tx,
                event_id,
                question_id,
                changes,
                context.clock(),
                partial(_check_version, form),
                request.actor.id,
            )
    except Invalid as exc:
        return await _edit_page(request, event_id, question_id, form, _errors_of(exc))
    except Refused as exc:
        if exc.refusal is CommonRefusal.STALE:
            return await _show_versions(request, event_id, question_id, form)
        if exc.refusal is not SalesRefusal.EVENT_CANCELLED:
            raise
        return await _edit_page(request, event_id, question_id, form, refused=exc)
    context.questions.forget(event_id)
    return see_other(f"{event_address(event_id, 'questions')}?saved=changed")


@show("/organize/events/{event_id}/questions/{question_id}/delete", **policy(MANAGERS))
async def show_deleting(
    request: Request, event_id: FromPath[EventId], question_id: FromPath[QuestionId]
) -> Response[str]:
    """Return the page that says what is deleted with a question."""
    return await _deleting(request, event_id, question_id)


@act("/organize/events/{event_id}/questions/{question_id}/delete", **policy(MANAGERS))
async def delete_question(
    request: Request, event_id: FromPath[EventId], question_id: FromPath[QuestionId]
) -> Page:
    """Delete a question with its answers."""
    form, context = await read_form(request), request.context
    try:
        async with context.database.transaction() as tx:
            await questions.delete_question(tx, event_id, question_id, partial(_check_version, form))
    except Refused as exc:
        if exc.refusal is not CommonRefusal.STALE:
            raise
        return await _deleting(request, event_id, question_id, changed=True)
    context.questions.forget(event_id)
    return see_other(f"{event_address(event_id, 'questions')}?saved=deleted")


async def _deleting(
    request: Request, event_id: UUID, question_id: UUID, *, changed: bool = False
) -> Response[str]:
    """Return the page that asks before a question is deleted. `changed`: by another editor, meanwhile."""
    desk, database = await open_event(request, event_id), request.context.database
    counts = await questions.count_answers(database, event_id)
    last = await questions.find_last_edit(database, event_id, question_id)
    return render_desk(
        request,
        desk,
        "delete_question.html",
        status=PROBLEMS[CommonRefusal.STALE].status if changed else 200,
        question=await questions.find_question(database, event_id, question_id),
        answers=counts.get(question_id, 0),
        changed=changed,
        editor=await name_of_editor(request, last.editor_id) if changed else "",
        changed_at=None if last.edited_at is None else last.edited_at.astimezone(desk.zone),
    )


def _check_version(form: Form, version: int) -> None:
    if form.text("version") != str(version):
        raise Refused(CommonRefusal.STALE)


def _read(form: Form) -> tuple[dict[str, Any], list[FormError]]:
    """Return the values of the form as the API takes them, and what cannot be read."""
    errors = list[FormError]()
    choices = [line.strip() for line in form.raw("choices").splitlines() if line.strip()]
    values: dict[str, Any] = {
        "label": form.raw("label"),
        "hint": form.raw("hint"),
        "required": "required" in dict(form.pairs),
        "at_door": "at_door" in dict(form.pairs),
        "choices": choices,
        "ticket_type_ids": None,
    }
    for name in ("smallest", "largest"):
        typed = form.text(name).replace(" ", "")
        digits = typed.removeprefix("-")
        if typed and not (digits.isascii() and digits.isdigit() and len(digits) <= _NUMBER_DIGITS_MAX):
            errors.append(FormError(name, "Enter a whole number, or nothing."))
        values[name] = int(typed) if typed and not errors else None
    if form.text("types") == "some":
        values["ticket_type_ids"] = [
            found for text in form.all("type") if (found := find_id("tty", text)) is not None
        ]
        if not values["ticket_type_ids"]:
            errors.append(FormError("types", "Choose the ticket types, or ask for all of them."))
    return values, errors


def _position(form: Form, found: Question) -> int:
    typed = form.text("position")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 9 else found.position  # noqa: PLR2004


def _as_is(_shape: type, value: object) -> object:
    """Ids are read already: a form has them as texts."""
    return value


def _errors_of(exc: Invalid) -> list[FormError]:
    """Return the errors of a question, each at its field: choices are lines of one field."""
    found = list[FormError]()
    for error in exc.errors:
        field, _, place = error.pointer[1:].partition("/")
        text = sentence_of_field(error)
        if field == "choices" and place:
            text = f"Line {int(place) + 1}: {text[0].lower()}{text[1:]}"
        found.append(FormError("types" if field == "ticket_type_ids" else field, text))
    return found


async def _page(
    request: Request,
    event_id: UUID,
    form: Form | None = None,
    errors: Sequence[FormError] = (),
    refused: Refused | None = None,
    done: str = "",
) -> Response[str]:
    desk, database = await open_event(request, event_id), request.context.database
    found = await questions.list_questions(database, event_id)
    counts = await questions.count_answers(database, event_id)
    names = await _type_names(request, event_id)
    status = PROBLEMS[refused.refusal].status if refused is not None else 422 if errors else 200
    typed = form or Form([("kind", "text"), ("asked_per", "booking"), ("types", "all")])
    return render_desk(
        request,
        desk,
        "questions.html",
        status=status,
        rows=[(each, counts.get(each.question_id, 0), _for_whom(each, names)) for each in found],
        kinds=KINDS,
        form=typed,
        chosen=set(typed.all("type")),
        types=names,
        errors=list(errors),
        done=done,
    )


async def _edit_page(
    request: Request,
    event_id: UUID,
    question_id: UUID,
    form: Form | None = None,
    errors: Sequence[FormError] = (),
    refused: Refused | None = None,
    after: str = "",
) -> Response[str]:
    desk, database = await open_event(request, event_id), request.context.database
    found = await questions.find_question(database, event_id, question_id)
    page = await questions.list_answers_to(database, event_id, question_id, ANSWERS_SHOWN, after or None)
    same = await questions.count_answers_to(database, found) if found.kind in _COUNTED else {}
    counts = await questions.count_answers(database, event_id)
    if refused is not None:
        errors = [FormError("main", sentence_of(refused))]
    typed = form or _form_of(found)
    return render_desk(
        request,
        desk,
        "question.html",
        status=PROBLEMS[refused.refusal].status if refused is not None else 422 if errors else 200,
        question=found,
        answers=counts.get(question_id, 0),
        given=[
            Given(
                each,
                reference_of(each.booking_id),
                event_address(event_id, f"bookings/{show_id('bkg', each.booking_id)}"),
                each.answered_at.astimezone(desk.zone),
            )
            for each in page.data
        ],
        same=same,
        after=after,
        following=page.next_cursor and urlencode({"after": page.next_cursor}),
        kinds=KINDS,
        form=typed,
        chosen=set(typed.all("type")),
        types=await _type_names(request, event_id),
        errors=list(errors),
    )


def _form_of(question: Question) -> Form:
    """Return the form that says what a question is."""
    pairs = [
        (name, "" if value is None else str(value))
        for name, value in asdict(question).items()
        if name in ("label", "hint", "smallest", "largest", "position")
    ]
    pairs += [(name, "yes") for name in ("required", "at_door", "retired") if getattr(question, name)]
    pairs.append(("choices", "\n".join(question.choices)))
    pairs.append(("types", "all" if question.ticket_type_ids is None else "some"))
    pairs += [("type", show_id("tty", each)) for each in question.ticket_type_ids or ()]
    return Form(pairs)


async def _show_versions(request: Request, event_id: UUID, question_id: UUID, form: Form) -> Response[str]:
    """Return what was typed beside what another editor has saved."""
    desk, database = await open_event(request, event_id), request.context.database
    found = await questions.find_question(database, event_id, question_id)
    names = await _type_names(request, event_id)
    mine, theirs = _in_words(form, names), _in_words(_form_of(found), names)
    return await show_versions(
        request,
        desk,
        form,
        found.version,
        [Version(label, mine[label], theirs[label]) for label in theirs],
        await questions.find_last_edit(database, event_id, question_id),
        f"{event_address(event_id, 'questions')}/{show_id('qst', question_id)}",
    )


def _in_words(form: Form, names: Mapping[str, str]) -> dict[str, str]:
    """Return what a form says of a question, by the label of each field. `names`: of ticket types."""
    types = sorted(names.get(each, "a retired ticket type") for each in form.all("type"))
    return {
        "Question": form.raw("label"),
        "Explanation": form.raw("hint"),
        "Choices": form.raw("choices"),
        "Smallest number": form.text("smallest"),
        "Largest number": form.text("largest"),
        "Who is asked": ", ".join(types) if form.text("types") == "some" else "everybody",
        "Place in the list": form.text("position"),
        **{label: "yes" if form.text(name) else "no" for name, label in _BOXES.items()},
    }


async def _type_names(request: Request, event_id: UUID) -> dict[str, str]:
    sale = await find_sale(request.context.database, event_id)
    sold = [terms for terms in sale.ticket_types.values() if not terms.retired]
    return {
        show_id("tty", terms.ticket_type_id): terms.name
        for terms in sorted(sold, key=lambda each: each.position)
    }


def _for_whom(question: Question, names: Mapping[str, str]) -> list[str]:
    return [
        names.get(show_id("tty", each), "a retired ticket type") for each in question.ticket_type_ids or ()
    ]


routes: Final = [
    show_questions,
    add_question,
    show_question,
    change_question,
    show_deleting,
    delete_question,
]
