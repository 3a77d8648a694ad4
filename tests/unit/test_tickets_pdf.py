"""Tickets as PDF and as QR codes: what is printed, what a scanner reads, how much at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from xml.etree import ElementTree as ET

import pytest
import zxingcpp
from msgspec.structs import replace

from evently.kit.errors import Busy
from evently.sales.commands.bookings import UNITS_MAX
from evently.tickets import IssuedTickets, Press, TicketPrinter, label_of, pdf_tag, press, qr_svg
from evently.tickets.qr import modules_of_code
from evently.tickets.typefaces import Family, Typefaces, open_typefaces
from evently.tickets.wording import address_of, hours_of, zone_of
from tests.support.issued import STARTS_AT, codes_of, issue, texts_of
from tests.unit.test_tickets_typefaces import FULL

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def printer() -> AsyncIterator[TicketPrinter]:
    opened = TicketPrinter(Press())
    yield opened
    opened.press.close()


async def test_a_page_has_everything_that_is_needed(printer: TicketPrinter) -> None:
    issued = issue(2)
    first, second = texts_of(await printer.pdf_of(issued))
    for said in (
        "Jazz by night",
        "Thursday, 20 May 2027",
        "20:00 – 23:00",
        "Europe/Berlin, UTC+2",
        "Tempodrom",
        "10963 Berlin",
        "Stalls, row C, seat 12",
        "Regular",
        "42.50 EUR",
        "Ada Lovelace",
        "Klangwerk",
        issued.reference,
        "1 of 2",
        "At the door",
    ):
        assert said in first, said
    assert "2 of 2" in second
    code = issued.tickets[0].code or ""
    assert code in "".join(first.split()), "the code is also there in letters"


async def test_a_scanner_reads_the_code_of_each_page(printer: TicketPrinter) -> None:
    issued = issue(3)
    pdf = await printer.pdf_of(issued)
    assert [codes_of(pdf, page) for page in range(3)] == [[ticket.code] for ticket in issued.tickets]


async def test_equal_tickets_give_equal_bytes() -> None:
    issued, made = issue(2), []
    for _ in range(2):
        printer = TicketPrinter(Press())
        made.append(await printer.pdf_of(issued))
        printer.press.close()
    assert made[0] == made[1]


async def test_the_tag_names_all_that_is_printed() -> None:
    issued = issue(2)
    ticket = issued.tickets[0]
    changed = [
        replace(issued, buyer_name="Grace Hopper"),
        replace(issued, organizer_name="Nachtmusik"),
        replace(issued, event=replace(issued.event, title="Blues")),
        replace(issued, venue=replace(issued.venue, address="Elsewhere 1")),
        replace(issued, tickets=(replace(ticket, state="void", code=None), issued.tickets[1])),
        replace(issued, tickets=(replace(ticket, returning=True), issued.tickets[1])),
    ]
    assert len({pdf_tag(each) for each in [issued, *changed]}) == len(changed) + 1
    assert pdf_tag(replace(issued)) == pdf_tag(issued)


async def test_void_tickets_are_left_out_and_used_ones_say_so(printer: TicketPrinter) -> None:
    issued = issue(3)
    void, used, valid = issued.tickets
    issued = replace(
        issued, tickets=(replace(void, state="void", code=None), replace(used, state="used"), valid)
    )
    pages = texts_of(await printer.pdf_of(issued))
    assert len(pages) == 2
    assert "was used" in pages[0]
    assert "was used" not in pages[1]
    assert all("2 of 3; 1 cancelled" in page for page in pages)


async def test_a_ticket_says_what_is_paid_at_the_door(printer: TicketPrinter) -> None:
    due, paid = issue(payment="door"), issue(payment="online")
    for issued, label in ((due, "To pay at the door"), (paid, "Price")):
        (page,) = texts_of(await printer.pdf_of(issued))
        assert f"{label} 42.50 EUR" in " ".join(page.split())
    (free,) = texts_of(await printer.pdf_of(issue(payment="door", total_minor=0)))
    assert "Price Free" in " ".join(free.split())
    settled = replace(due, booking=replace(due.booking, payment_id=due.booking.booking_id))
    assert pdf_tag(settled) != pdf_tag(due)


async def test_a_returned_ticket_says_until_when_it_is_valid(printer: TicketPrinter) -> None:
    (page,) = texts_of(await printer.pdf_of(issue(returning=True)))
    assert "until another buyer takes it" in page


@pytest.mark.parametrize(
    "text", ['#import "/etc/passwd" *bold* `code` $x$ <label> @ref // no', "#panic()", '"#{', "\\u{41}"]
)
async def test_text_is_never_markup(printer: TicketPrinter, text: str) -> None:
    issued = issue(title=text, venue=text, address=text, buyer=text, type_name=text, seat=text)
    (page,) = texts_of(await printer.pdf_of(issued))
    assert "".join(page.replace("\u200b", "").split()).count("".join(text.split())) >= 6


async def test_the_longest_texts_stay_on_one_page(printer: TicketPrinter) -> None:
    for word in ("W" * 200, "Wörter " * 28, "漢" * 200, "line\n" * 40):
        issued = issue(
            title=word, venue=word, address=f"{word}\n{word}", seat=word, buyer=word, type_name=word
        )
        pdf = await printer.pdf_of(issued)
        assert len(texts_of(pdf)) == 1
        assert codes_of(pdf) == [issued.tickets[0].code]


@FULL
@pytest.mark.parametrize(
    "name",
    [
        "山田 太郎",
        "홍길동",
        "李小龙",
        "สมชาย ใจดี",
        "Жанна д’Арк",
        "Ελένη",
        "प्रिया शर्मा",
        "Nguyễn Văn Đức",
        "X Æ A-12 🎷",
    ],
)
async def test_the_name_of_the_attendee_is_printed_in_its_script(printer: TicketPrinter, name: str) -> None:
    issued = issue(attendee_name=name, name_version=1)
    (page,) = texts_of(await printer.pdf_of(issued))
    assert "[?]" not in page
    assert "Name" in page
    assert "Booked by" in page
    if "ि" not in name:  # whose marks are stored in the order in which they are drawn
        assert name in page
    assert pdf_tag(issued) != pdf_tag(without_names(issued))


def without_names(issued: IssuedTickets) -> IssuedTickets:
    return replace(
        issued, tickets=tuple(replace(each, attendee_name=None, name_version=0) for each in issued.tickets)
    )


async def test_a_long_hostile_name_stays_on_its_page(printer: TicketPrinter) -> None:
    issued = issue(2, attendee_name="#pagebreak() " * 15 + "$x$", name_version=1)
    pages = texts_of(await printer.pdf_of(issued))
    assert len(pages) == 2
    assert "#pagebreak()" in pages[0]
    assert codes_of(await printer.pdf_of(issued)) == [issued.tickets[0].code]


@FULL
@pytest.mark.parametrize(
    ("title", "zone"),
    [
        ("春の夜のジャズ", "Asia/Tokyo"),
        ("한여름 밤의 재즈", "Asia/Seoul"),
        ("爵士之夜", "Asia/Shanghai"),
        ("ค่ำคืนแห่งดนตรี", "Asia/Bangkok"),
        ("Вечер джаза 🎷", "Europe/Kyiv"),
        ("Βραδιά", "Europe/Athens"),
    ],
)
async def test_titles_of_all_scripts_are_printed(printer: TicketPrinter, title: str, zone: str) -> None:
    pdf = await printer.pdf_of(issue(title=title, zone=zone))
    (page,) = texts_of(pdf)
    assert "".join(title.split()) in "".join(page.split())
    assert "[?]" not in page
    assert len(pdf) < 60_000, "typefaces are embedded as far as they are used"


async def test_characters_that_cannot_be_printed_are_named(printer: TicketPrinter) -> None:
    (page,) = texts_of(await printer.pdf_of(issue(title="தமிழ் Night", buyer="Ada")))
    assert "[?] Night" in page
    assert "characters that we cannot print: U+0BA4" in page
    assert "The ticket is valid" in " ".join(page.split())


async def test_a_typeface_that_promises_too_much_leaves_no_box() -> None:
    """The second guard: typst refuses the page, and it is printed with fewer characters."""
    printer = TicketPrinter(Press())
    honest = open_typefaces()
    printer.press._typefaces = Typefaces(honest.fonts, [Family("Libertinus Serif", (0x20,), (0x10FFFF,))])
    (page,) = texts_of(await printer.pdf_of(issue(title="Jazz தமிழ்")))
    assert "Jazz [?]" in page
    assert "cannot print" in page
    printer.press.close()


async def test_the_largest_booking_does_not_stop_the_loop(printer: TicketPrinter) -> None:
    await printer.pdf_of(issue())  # opens the typefaces
    issued, pauses = issue(UNITS_MAX), []
    printing = asyncio.create_task(printer.pdf_of(issued))
    while not printing.done():
        before = time.thread_time()
        await asyncio.sleep(0)
        pauses.append(time.thread_time() - before)
    pdf = await printing
    assert len(texts_of(pdf)) == UNITS_MAX
    assert len(pauses) > 100, "the loop went on while typst worked"
    assert len(pdf) < 2_000_000


async def test_equal_requests_share_one_drawing_and_too_many_are_refused(
    printer: TicketPrinter, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issue()
    first, second = await asyncio.gather(printer.pdf_of(issued), printer.pdf_of(issued))
    assert first is second
    monkeypatch.setattr(press, "WAITING_MAX", 2)
    answers = await asyncio.gather(*(printer.pdf_of(issue()) for _ in range(4)), return_exceptions=True)
    assert [isinstance(each, Busy) for each in answers] == [False, False, True, True]
    assert await printer.pdf_of(issue()), "there is room again"


def test_hours_and_zones_in_words() -> None:
    event = issue().event
    assert hours_of(replace(event, ends_at=event.ends_at.replace(hour=23))) == "20:00 – 01:00"
    three_days = replace(event, ends_at=event.ends_at.replace(day=23))
    assert hours_of(three_days) == "20:00 – 23 May, 23:00"
    assert zone_of(replace(event, time_zone="Asia/Kolkata")) == "Asia/Kolkata, UTC+5:30"
    assert zone_of(replace(event, time_zone="America/New_York")) == "America/New_York, UTC-4"
    assert zone_of(replace(event, time_zone="UTC")) == "UTC, UTC+0"
    assert event.starts_at == STARTS_AT


def test_a_city_stands_once() -> None:
    assert address_of(issue().venue) == ["Möckernstraße 10", "10963 Berlin"]
    assert address_of(issue(address="Main street 1").venue) == ["Main street 1", "Berlin"]


# QR codes ---------------------------------------------------------------------------------------------------


def modules_of(path: str, side: int) -> memoryview:
    """Draw the rectangles of a path, 4 pixels for each module, black on white."""
    scale = 4
    rows = [bytearray(b"\xff" * side * scale) for _ in range(side * scale)]
    for rectangle in path.removeprefix("M").removesuffix("z").split("zM"):
        start, _, length = rectangle.partition("h")
        x, y = map(int, start.split())
        width = int(length.partition("v")[0])
        for row in rows[y * scale : (y + 1) * scale]:
            row[x * scale : (x + width) * scale] = bytes(width * scale)
    return memoryview(b"".join(rows)).cast("B", (side * scale, side * scale))


def test_a_drawing_is_the_code_with_its_quiet_zone() -> None:
    code = issue().tickets[0].code or ""
    path, side = modules_of_code(code)
    assert side == 29 + 2 * 4
    picture = modules_of(path, side)
    (found,) = zxingcpp.read_barcodes(picture)
    assert found.text == code
    assert found.ec_level == "Q"
    edges = [
        picture[y, x] for y in range(side * 4) for x in range(side * 4) if min(x, y) < 16 or max(x, y) >= 132
    ]
    assert set(edges) == {0xFF}


def test_a_qr_code_says_what_it_is() -> None:
    issued = issue(title='<script>"&')
    svg = qr_svg(issued.tickets[0].code or "", label_of(issued, issued.tickets[0]))
    root = ET.fromstring(svg)  # noqa: S314  # our own
    assert root.attrib["role"] == "img"
    assert root.attrib["viewBox"] == "0 0 37 37"
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == 'Ticket 1 of 1, Stalls, row C, seat 12, <script>"&'
    assert qr_svg("A" * 42, "x") != svg
