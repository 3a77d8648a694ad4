"""Pictures that organizers upload, over the API and at the desk; seen by everybody, deleted when unused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response

from evently import organizing
from evently.audit import inspect
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.pictures import stored
from tests.api.test_transfers import somebody
from tests.db.test_audit import found
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.desk import address_of
from tests.support.forms import form_of
from tests.support.pictures import SECRET, draw, encode, photograph, read
from tests.support.visitor import Visitor

MEGABYTE = 1024 * 1024


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


def path_of(event: Event) -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}"


async def put(
    office: BoxOffice,
    event: Event,
    headers: dict[str, str],
    content: Any,
    kind: str = "image/jpeg",
    version: str = "*",
) -> Response:
    sent = headers | {"content-type": kind, "if-match": version}
    return await office.client.put(f"{path_of(event)}/picture", content=content, headers=sent)


async def stage(office: BoxOffice) -> tuple[Event, dict[str, str]]:
    return await office.open_event(), await office.as_member("manager")


async def pictures_in(office: BoxOffice) -> int:
    count: int = await office.context.database.fetch_value("SELECT count(*) FROM pictures")
    return count


async def forget(office: BoxOffice, days: float) -> None:
    """Delete what nothing shows, as so many days later."""
    await organizing.forget_unshown_pictures(office.context.database, utc_now() + timedelta(days=days))


# Uploaded ---------------------------------------------------------------------------------------------------


async def test_a_picture_is_uploaded_and_everybody_sees_it(office: BoxOffice) -> None:
    event, manager = await stage(office)
    answer = await put(office, event, manager, photograph())
    assert answer.status_code == 200, answer.text
    address = answer.json()["image_url"]
    public = office.context.options.public_url
    assert address.startswith(f"{public}/pictures/")
    path = address.removeprefix(public)
    small, wide = (path.replace(".jpg", f"-{size}.webp") for size in ("small", "wide"))
    for each, kind in ((path, "image/jpeg"), (small, "image/webp"), (wide, "image/webp")):
        shown = await office.client.get(each)
        assert shown.status_code == 200
        assert shown.headers["content-type"] == kind
        assert shown.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert SECRET not in shown.content
        assert read(shown.content).size[0] <= 1_600
        again = await office.client.get(each, headers={"if-none-match": shown.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    event_id = show_id("evt", event.event_id)
    page = await Visitor(office).read(f"/events/{event_id}/x")
    assert f'src="{small}"' in page
    assert f"{wide} 1600w" in page
    assert f'content="{address}"' in page, "what other sites show with a link"
    assert (await office.client.get(path_of(event))).json()["image_url"] == address
    listed = (await office.client.get("/v1/events")).json()["data"]
    assert [each["image_url"] for each in listed if each["id"] == event_id] == [address]
    assert f'src="{small}"' in await Visitor(office).read("/events")
    assert found(await inspect(office.context.database)) == {}


async def test_the_type_may_be_left_open(office: BoxOffice) -> None:
    event, manager = await stage(office)
    for kind, content in (
        ("application/octet-stream", photograph("PNG")),
        ("image/webp; charset=binary", photograph("WEBP")),
    ):
        answer = await put(office, event, manager, content, kind)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"<svg/>", "image/svg+xml", 415, "unsupported-media-type"),
        (b"{}", "application/json", 415, "unsupported-media-type"),
        (b"<svg/>", "image/png", 422, "unusable-picture"),
        (b"", "image/png", 422, "unusable-picture"),
        (photograph("PNG"), "image/jpeg", 422, "unusable-picture"),
        (photograph()[:900], "image/jpeg", 422, "unusable-picture"),
        (encode(draw(), "GIF"), "application/octet-stream", 422, "unusable-picture"),
        (b"\xff" * (8 * MEGABYTE + 1), "image/jpeg", 413, "too-large"),
    ],
)
async def test_what_is_no_picture_is_refused(
    office: BoxOffice, content: bytes, kind: str, status: int, code: str
) -> None:
    event, manager = await stage(office)
    assert problem_of(await put(office, event, manager, content, kind), status) == code
    assert await pictures_in(office) == 0


async def test_a_body_without_a_length_is_refused_while_it_is_read(office: BoxOffice) -> None:
    event, manager = await stage(office)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"\xff" * MEGABYTE

    assert problem_of(await put(office, event, manager, endless()), 413) == "too-large"


async def test_who_may_and_which_version(office: BoxOffice) -> None:
    event, manager = await stage(office)
    sent = photograph()
    for role, status in (("door", 403), ("owner", 200)):
        assert (await put(office, event, await office.as_member(role), sent)).status_code == status
    stranger = (await somebody(office)).headers
    assert (await put(office, event, stranger, sent)).status_code == 403
    assert (await put(office, event, {}, sent)).status_code == 401
    assert problem_of(await put(office, event, manager, sent, version='"1"'), 412) == "stale"
    missing = await office.client.put(
        f"{path_of(event)}/picture", content=sent, headers=manager | {"content-type": "image/jpeg"}
    )
    assert problem_of(missing, 428) == "if-match-missing"
    await office.post(f"{path_of(event)}/cancel", manager)
    assert problem_of(await put(office, event, manager, sent), 409) == "event-cancelled"


async def test_two_at_once_leave_one_of_both(office: BoxOffice) -> None:
    event, manager = await stage(office)
    answers = await asyncio.gather(
        *[put(office, event, manager, encode(draw(400 + 20 * number))) for number in range(3)],
        *[put(office, event, manager, encode(draw(400))) for _ in range(2)],
    )
    assert [answer.status_code for answer in answers] == [200] * 5
    shown = (await office.client.get(path_of(event))).json()["image_url"]
    assert shown in {answer.json()["image_url"] for answer in answers}
    assert await pictures_in(office) == 3, "the same file is the same picture"


async def test_an_organizer_stores_a_limited_number_in_a_day(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "STORED_MAX", 1)
    event, manager = await stage(office)
    assert (await put(office, event, manager, encode(draw(400)))).status_code == 200
    assert problem_of(await put(office, event, manager, encode(draw(420))), 409) == "too-many-pictures"
    assert (await put(office, event, manager, encode(draw(400)))).status_code == 200, "it is there already"


# Named again, and deleted -----------------------------------------------------------------------------------


async def test_a_picture_stays_as_long_as_an_event_shows_it(office: BoxOffice) -> None:
    event, manager = await stage(office)
    address = (await put(office, event, manager, photograph())).json()["image_url"]
    start = (utc_now() + timedelta(days=9)).isoformat()
    copy = await office.post(f"{path_of(event)}/copies", manager, starts_at=start)
    assert copy.json()["image_url"] == address
    headers = manager | {"if-match": "*"}
    gone = await office.client.delete(f"{path_of(event)}/picture", headers=headers)
    assert (gone.status_code, gone.content) == (204, b"")
    again = await office.client.delete(f"{path_of(event)}/picture", headers=headers)
    assert again.headers["etag"] == gone.headers["etag"], "nothing changed"
    assert (await office.client.get(path_of(event))).json()["image_url"] is None
    await forget(office, 2)
    assert await pictures_in(office) == 1, "the copy shows it"
    await office.client.delete(f"/v1/events/{copy.json()['id']}", headers=headers)
    await forget(office, 0.5)
    assert await pictures_in(office) == 1, "other sites may still load it"
    await forget(office, 4)
    assert await pictures_in(office) == 0


async def test_another_event_names_an_uploaded_picture(office: BoxOffice) -> None:
    event, manager = await stage(office)
    other = await office.open_event()
    address = (await put(office, event, manager, photograph())).json()["image_url"]
    headers = manager | {"if-match": "*"}
    named = await office.client.patch(path_of(other), json={"image_url": address}, headers=headers)
    assert named.json()["image_url"] == address
    await office.client.delete(f"{path_of(event)}/picture", headers=headers)
    await forget(office, 2)
    assert await pictures_in(office) == 1
    unknown = address.replace(address[-36:], f"{'0' * 32}.jpg")
    refused = await office.client.patch(path_of(other), json={"image_url": unknown}, headers=headers)
    assert problem_of(refused, 422) == "invalid"
    assert [each["code"] for each in refused.json()["errors"]] == ["no-such-picture"]
    elsewhere = "https://images.example/jazz.jpg"
    moved = await office.client.patch(path_of(other), json={"image_url": elsewhere}, headers=headers)
    assert moved.json()["image_url"] == elsewhere
    await forget(office, 4)
    assert await pictures_in(office) == 0


async def test_a_picture_that_is_named_meanwhile_is_not_deleted(office: BoxOffice) -> None:
    event, manager = await stage(office)
    address = (await put(office, event, manager, photograph())).json()["image_url"]
    digest = stored.digest_in(f"/pictures/{address.rpartition('/')[2]}")
    assert digest is not None
    before, now = utc_now() + timedelta(days=1), utc_now() + timedelta(days=2)
    database = office.context.database
    assert await stored.list_unchecked(database, before) == [digest]
    async with database.transaction() as naming:
        assert await stored.keep(naming, digest, now)
        deleting = asyncio.create_task(delete(office, digest, before))
        while not await database.fetch_value(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%pictures%'"
        ):
            await asyncio.sleep(0.01)
    await deleting
    assert await pictures_in(office) == 1


async def delete(office: BoxOffice, digest: str, before: Any) -> None:
    async with office.context.database.transaction() as tx:
        await stored.forget(tx, [], [digest], before, before)


@pytest.mark.parametrize("name", ["x.jpg", f"{'0' * 32}.jpg", f"{'0' * 32}.png", "..%2Fsecret"])
async def test_other_addresses_have_no_picture(office: BoxOffice, name: str) -> None:
    answer = await office.client.get(f"/pictures/{name}", headers={"accept": "image/webp"})
    assert problem_of(answer, 404) == "not-found"


# At the desk ------------------------------------------------------------------------------------------------


async def upload(desk: Visitor, event: Event, content: bytes, **more: str) -> str:
    """Send the form of the page as a browser does, with a file whose name is hostile."""
    address = f"{address_of(event)}/picture"
    fields = desk.form(address)
    fields.pop("picture", None)
    lines = [
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in {**fields, **more}.items()
    ]
    name = 'form-data; name="picture"; filename="<b>--B.jpg"\r\nContent-Type: image/jpeg'
    lines.append(f"--B\r\nContent-Disposition: {name}\r\n\r\n".encode() + content + b"\r\n--B--\r\n")
    headers = desk.headers | {
        "content-type": "multipart/form-data; boundary=B",
        "sec-fetch-site": "same-origin",
    }
    desk.page = await desk.client.post(
        address, content=b"".join(lines), headers=headers, follow_redirects=True
    )
    return desk.text


async def test_a_picture_is_uploaded_at_the_desk_and_removed(office: BoxOffice) -> None:
    event, manager = await stage(office)
    desk = Visitor(office, manager)
    await desk.read(f"{address_of(event)}/edit")
    assert "this poster is drawn" in desk.text
    await upload(desk, event, photograph())
    assert "The picture is uploaded, and buyers see it." in desk.text
    shown = (await office.client.get(path_of(event))).json()["image_url"]
    small = shown.removeprefix(office.context.options.public_url).replace(".jpg", "-small.webp")
    assert f'src="{small}"' in desk.text
    edit = f"{address_of(event)}/edit"
    await desk.send(edit, form_of(desk.text, edit) | {"title": "Another title"})
    after = (await office.client.get(path_of(event))).json()
    assert (after["title"], after["image_url"]) == ("Another title", shown), "the other form keeps it"
    await desk.read(edit)
    await upload(desk, event, b"", remove="yes")
    assert "The picture is removed" in desk.text
    assert (await office.client.get(path_of(event))).json()["image_url"] is None


async def test_the_desk_says_why_a_picture_cannot_be_used(office: BoxOffice) -> None:
    event, manager = await stage(office)
    desk = Visitor(office, manager)
    await desk.read(f"{address_of(event)}/edit")
    for content, said in (
        (b"", "Choose a file."),
        (b"\r\n--Bx no boundary", "This is no JPEG, PNG or WebP file, or it is broken."),
        (encode(draw(100, 100)), "The picture must be at least 200 pixels wide and high."),
        (b"\xff" * (8 * MEGABYTE + 1), "The file may have at most 8 MB."),
    ):
        await upload(desk, event, content)
        assert desk.status == 422
        assert said in desk.text
        assert 'href="#picture"' in desk.text, "the summary leads to the field"
    door = Visitor(office, await office.as_member("door"))
    await door.send(f"{address_of(event)}/picture", {"remove": "yes"})
    assert door.status == 403
