"""Passkeys over HTTP: the API, and the pages with a device in software in the place of the script."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from collections.abc import AsyncIterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
import pytest

from evently.kit.ids import new_id
from evently.mail import mailbox
from evently.web.application import all_routes
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.passkeys import Device
from tests.support.visitor import Visitor

PASSWORD: Final = "nine lively herons wade"
ADA: Final = "ada@example.org"
ORIGIN: Final = "http://localhost:8000"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    """Yield a box office whose e-mails the mailbox of the demo shows; its site is localhost."""
    async with open_box_office(database_url, demo=True, rate_login=0) as opened:
        yield opened


async def log_in(office: BoxOffice, email: str = ADA) -> dict[str, str]:
    await office.context.accounts.register(email, "Ada Lovelace", PASSWORD, None)
    answer = await office.client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def add(office: BoxOffice, headers: dict[str, str], device: Device, name: str = "Telephone") -> Any:
    options = (await office.client.post("/v1/me/passkeys/options", headers=headers)).json()["public_key"]
    return await office.client.post(
        "/v1/me/passkeys", headers=headers, json={"name": name, "credential": device.create(options)}
    )


async def enter(office: BoxOffice, device: Device, **lie: Any) -> httpx2.Response:
    given = (await office.client.post("/v1/auth/passkey")).json()
    body = {"receipt": given["receipt"], "credential": device.get(given["public_key"], **lie)}
    return await office.client.post("/v1/auth/passkey/login", json=body)


async def subjects(office: BoxOffice, address: str) -> list[str]:
    """Return the subjects of the messages to an address, newest first."""
    while await office.context.mail.run_once() == 0:
        pass
    page = await mailbox.list_shown(office.context.database, address, 50, None)
    return [shown.subject for shown in page.data]


async def test_a_passkey_is_added_used_renamed_and_removed_over_the_api(office: BoxOffice) -> None:
    headers, device = await log_in(office), Device(ORIGIN)
    options = (await office.client.post("/v1/me/passkeys/options", headers=headers)).json()
    assert options["expires_in"] == 600
    key = options["public_key"]
    assert key["rp"] == {"id": "localhost", "name": "Evently"}
    assert (key["user"]["name"], key["user"]["displayName"]) == (ADA, "Ada Lovelace")
    assert key["authenticatorSelection"]["residentKey"] == "required"
    added = await add(office, headers, device)
    assert added.status_code == 201, added.text
    assert added.headers["cache-control"] == "no-store"
    view = added.json()
    assert (view["name"], view["last_used_at"], view["copied_at"]) == ("Telephone", None, None)
    entered = await enter(office, device)
    assert entered.status_code == 200, entered.text
    assert entered.json()["person"]["email"] == ADA
    mine = {"Authorization": f"Bearer {entered.json()['access_token']}"}
    [listed] = (await office.client.get("/v1/me/passkeys", headers=mine)).json()["data"]
    assert listed["last_used_at"] is not None
    path = f"/v1/me/passkeys/{listed['id']}"
    renamed = await office.client.patch(path, headers=mine, json={"name": "Old telephone"})
    assert renamed.json()["name"] == "Old telephone"
    eve = await log_in(office, "eve@example.org")
    assert (await office.client.delete(path, headers=eve)).status_code == 404
    assert (await office.client.delete(path, headers=mine)).status_code == 204
    assert (await office.client.delete(path, headers=mine)).status_code == 404
    assert (await enter(office, device)).status_code == 401
    told = await subjects(office, ADA)
    assert told == ["A passkey was removed from your account", "A passkey was added to your account"]


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "http://localhost:9000"},
        {"origin": "http://127.0.0.1:8000"},
        {"signature": b"x"},
        {"domain": "evil.example"},
        {"credential_id": b"unknown"},
    ],
    ids=str,
)
async def test_no_lie_is_told_apart_from_an_unknown_passkey(office: BoxOffice, lie: dict[str, Any]) -> None:
    headers, device = await log_in(office), Device(ORIGIN)
    await add(office, headers, device)
    unknown = await enter(office, Device(ORIGIN))
    answer = await enter(office, device, **lie)
    assert answer.status_code == unknown.status_code == 401
    bodies = [each.json() | {"request_id": ""} for each in (answer, unknown)]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "wrong-passkey"
    assert answer.headers.keys() == unknown.headers.keys()


async def test_known_and_unknown_passkeys_take_the_same_time(office: BoxOffice) -> None:
    headers, known, unknown = await log_in(office), Device(ORIGIN), Device(ORIGIN)
    await add(office, headers, known)
    unknown.user_handle = known.user_handle
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(200):  # a busy machine needs more of them
        for device in (known, unknown):
            given = (await office.client.post("/v1/auth/passkey")).json()
            credential = device.get(given["public_key"], signature=device._sign(b"other"))
            body = {"receipt": given["receipt"], "credential": credential}
            begun = time.perf_counter()
            answer = await office.client.post("/v1/auth/passkey/login", json=body)
            seconds[device is known].append(time.perf_counter() - begun)
            assert answer.status_code == 401
        quickest = [min(each) for each in seconds.values()]
        if number >= 40 and max(quickest) < 1.5 * min(quickest):
            return
    raise AssertionError({key: statistics.median(each) for key, each in seconds.items()})


async def test_a_challenge_from_another_browser_and_a_replay_are_refused(office: BoxOffice) -> None:
    headers, device = await log_in(office), Device(ORIGIN)
    await add(office, headers, device)
    mine = (await office.client.post("/v1/auth/passkey")).json()
    theirs = (await office.client.post("/v1/auth/passkey")).json()
    credential = device.get(mine["public_key"])
    for receipt, status in ((theirs["receipt"], 401), (mine["receipt"], 200), (mine["receipt"], 401)):
        body = {"receipt": receipt, "credential": credential}
        answer = await office.client.post("/v1/auth/passkey/login", json=body)
        assert answer.status_code == status, answer.text
        if status == 401:
            assert answer.json()["code"] == "passkey-expired"


async def test_asking_for_challenges_writes_nothing(office: BoxOffice) -> None:
    for _ in range(20):
        assert (await office.client.post("/v1/auth/passkey")).status_code == 200
    assert await office.context.database.fetch_value("SELECT count(*) FROM used_challenges") == 0


async def test_log_ins_with_passkeys_are_limited(database_url: str) -> None:
    async with open_box_office(database_url, rate_login=3) as office:
        answers = [await enter(office, Device(ORIGIN)) for _ in range(5)]
        assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
        assert answers[-1].json()["code"] == "rate-limited"


async def test_a_stolen_token_without_a_fresh_session_adds_no_passkey(office: BoxOffice) -> None:
    await log_in(office)
    person_id = await office.context.database.fetch_value(
        "SELECT person_id FROM people WHERE email = $1", ADA
    )
    headers = office.as_person(person_id)  # of a session that is not there
    answer = await office.client.post("/v1/me/passkeys/options", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "login-too-old")


async def test_the_host_of_a_request_has_no_say(database_url: str) -> None:
    async with open_box_office(database_url, public_url="https://tickets.example") as office:
        given = await office.client.post("/v1/auth/passkey", headers={"Host": "evil.example"})
        assert given.json()["public_key"]["rpId"] == "tickets.example"


@pytest.mark.parametrize("url", ["http://192.0.2.7", "http://tickets.example", "https://[2001:db8::1]:8443"])
async def test_where_browsers_make_no_passkeys_none_are_offered(database_url: str, url: str) -> None:
    async with open_box_office(database_url, public_url=url) as office:
        headers = office.as_person(new_id())
        for path, sent in (("/v1/auth/passkey", {}), ("/v1/me/passkeys/options", headers)):
            answer = await office.client.post(path, headers=sent)
            assert (answer.status_code, answer.json()["code"]) == (409, "no-passkeys")


async def test_what_browsers_add_to_a_credential_is_ignored_and_what_is_wrong_is_named(
    office: BoxOffice,
) -> None:
    headers, device = await log_in(office), Device(ORIGIN)
    options = (await office.client.post("/v1/me/passkeys/options", headers=headers)).json()["public_key"]
    credential = device.create(options)
    credential["response"] |= {"publicKeyAlgorithm": -7, "publicKey": "AA", "authenticatorData": "AA"}
    broken = {**credential, "response": {"clientDataJSON": 3}, "type": "password"}
    answer = await office.client.post(
        "/v1/me/passkeys", headers=headers, json={"name": "Key", "credential": broken}
    )
    assert answer.status_code == 422
    assert {each["pointer"] for each in answer.json()["errors"]} == {
        "/credential/response/clientDataJSON",
        "/credential/response/attestationObject",
        "/credential/type",
    }
    answer = await office.client.post(
        "/v1/me/passkeys", headers=headers, json={"name": "Key", "credential": credential}
    )
    assert answer.status_code == 201


# The address of an account ----------------------------------------------------------------------------------


async def code_to(office: BoxOffice, address: str) -> str:
    while await office.context.mail.run_once() == 0:
        pass
    page = await mailbox.list_shown(office.context.database, address, 1, None)
    found = re.search(r"^ {4}(\d{6})$", page.data[0].text.replace("\r\n", "\n"), re.MULTILINE)
    assert found, page.data[0].text
    return found[1]


async def test_an_address_is_changed_with_a_code_to_the_new_one(office: BoxOffice) -> None:
    headers = await log_in(office)
    sent = await office.client.post("/v1/me/email", headers=headers, json={"email": "Ada@New.Example"})
    assert sent.status_code == 202, sent.text
    code = await code_to(office, "ada@new.example")
    body = {"receipt": sent.json()["receipt"], "code": f"{(int(code) + 1) % 1_000_000:06}"}
    wrong = await office.client.post("/v1/me/email/confirm", headers=headers, json=body)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong-code")
    assert (await office.client.get("/v1/me", headers=headers)).json()["email"] == ADA
    for _ in range(2):  # the second time, because the answer was lost
        answer = await office.client.post("/v1/me/email/confirm", headers=headers, json=body | {"code": code})
        assert answer.status_code == 200, answer.text
        assert answer.json()["email"] == "ada@new.example"
        assert answer.json()["email_verified_at"] is not None
    assert (await office.client.get("/v1/me", headers=headers)).status_code == 200, "sessions stay"
    assert await subjects(office, ADA) == ["Your e-mail address was changed"]
    page = await mailbox.list_shown(office.context.database, ADA, 1, None)
    assert "new.example" not in page.data[0].text, "the old mailbox may be another person's"
    for email, status in ((ADA, 401), ("ada@new.example", 200)):
        login = await office.client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert login.status_code == status


async def test_nobody_learns_which_addresses_have_accounts_by_changing_theirs(office: BoxOffice) -> None:
    headers, _ = await log_in(office), await log_in(office, "bob@example.org")
    answers = [
        await office.client.post("/v1/me/email", headers=headers, json={"email": email})
        for email in ("bob@example.org", "nobody@example.org")
    ]
    bodies = [answer.json() | {"receipt": ""} for answer in answers]
    assert bodies[0] == bodies[1]
    assert answers[0].status_code == answers[1].status_code == 202
    assert answers[0].headers.keys() == answers[1].headers.keys()
    texts = []
    for email in ("bob@example.org", "nobody@example.org"):
        await code_to(office, email)
        page = await mailbox.list_shown(office.context.database, email, 1, None)
        texts.append(re.sub(r"\d{6}|[a-z]+@example\.org|\s+", " ", page.data[0].text))
    assert texts[0] == texts[1]
    # Who reads the e-mails of the other account may learn that it is there
    body = {"receipt": answers[0].json()["receipt"], "code": await code_to(office, "bob@example.org")}
    taken = await office.client.post("/v1/me/email/confirm", headers=headers, json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "email-taken")
    assert (await office.client.get("/v1/me", headers=headers)).json()["email"] == ADA


async def test_a_code_for_an_address_is_of_no_use_to_another_person_or_purpose(office: BoxOffice) -> None:
    ada, eve = await log_in(office), await log_in(office, "eve@example.org")
    sent = (await office.client.post("/v1/me/email", headers=ada, json={"email": "new@example.org"})).json()
    body = {"receipt": sent["receipt"], "code": await code_to(office, "new@example.org")}
    for path, headers in (
        ("/v1/me/email/confirm", eve),
        ("/v1/auth/code/login", {}),
        ("/v1/me/verify-email", ada),
    ):
        answer = await office.client.post(path, headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "code-expired"), path
    sign_in = (await office.client.post("/v1/auth/code", json={"email": "new@example.org"})).json()
    other = {"receipt": sign_in["receipt"], "code": await code_to(office, "new@example.org")}
    answer = await office.client.post("/v1/me/email/confirm", headers=ada, json=other)
    assert answer.json()["code"] == "code-expired", "a code to log in changes no address"


async def test_an_address_is_changed_only_after_a_fresh_login_and_only_where_mail_is_sent(
    office: BoxOffice, database_url: str
) -> None:
    await log_in(office)
    person_id = await office.context.database.fetch_value(
        "SELECT person_id FROM people WHERE email = $1", ADA
    )
    stolen = office.as_person(person_id)
    answer = await office.client.post("/v1/me/email", headers=stolen, json={"email": "eve@example.org"})
    assert (answer.status_code, answer.json()["code"]) == (403, "login-too-old")
    async with open_box_office(database_url) as quiet:
        answer = await quiet.client.post("/v1/me/email", headers=stolen, json={"email": "eve@example.org"})
        assert (answer.status_code, answer.json()["code"]) == (409, "no-mail")


async def test_a_password_that_is_changed_or_set_is_told_to_its_person(office: BoxOffice) -> None:
    headers = await log_in(office)
    body = {"current_password": PASSWORD, "new_password": "eleven quiet owls blink"}
    assert (await office.client.post("/v1/me/password", headers=headers, json=body)).status_code == 204
    assert await subjects(office, ADA) == ["Your password was changed"]
    sent = (await office.client.post("/v1/auth/reset", json={"email": ADA})).json()
    body = {"receipt": sent["receipt"], "code": await code_to(office, ADA), "new_password": PASSWORD}
    assert (await office.client.post("/v1/auth/reset/password", json=body)).status_code == 200
    assert (await subjects(office, ADA))[0] == "Your password was changed"
    sent = (await office.client.post("/v1/auth/reset", json={"email": "new@example.org"})).json()
    body |= {"receipt": sent["receipt"], "code": await code_to(office, "new@example.org"), "name": "New"}
    assert (await office.client.post("/v1/auth/reset/password", json=body)).status_code == 200
    assert all("changed" not in each for each in await subjects(office, "new@example.org")), "it was made"


# Pages ------------------------------------------------------------------------------------------------------


async def visitor_with_password(office: BoxOffice) -> Visitor:
    await office.context.accounts.register(ADA, "Ada Lovelace", PASSWORD, None)
    visitor = Visitor(office)
    await visitor.read("/login?way=password")
    await visitor.send("/login", {"email": ADA, "password": PASSWORD, "next": "/me"})
    assert visitor.path == "/me"
    return visitor


async def ask(visitor: Visitor, address: str) -> dict[str, Any]:
    """Return what the script of a page gets."""
    answer = await visitor.client.post(address, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


async def add_on_page(visitor: Visitor, device: Device, name: str) -> None:
    credential = device.create(await ask(visitor, "/me/passkeys/options"))
    await visitor.read("/me")
    await visitor.submit("/me/passkeys", passkey_name=name, credential=json.dumps(credential))


async def test_a_passkey_is_renamed_on_the_page(office: BoxOffice) -> None:
    visitor, device = await visitor_with_password(office), Device(ORIGIN)
    await add_on_page(visitor, device, "Phone")
    found = re.search(r'action="(/me/passkeys/(pky_[^"/]*)/name)"', visitor.text)
    assert found
    action, field = found[1], f"name-{found[2]}"
    await visitor.submit(action, name="My <i>new</i> phone")
    assert visitor.path == "/me"
    assert "The name of your passkey is saved." in visitor.text
    assert "My &lt;i&gt;new&lt;/i&gt; phone" in visitor.text
    await visitor.submit(action, name="x" * 61)
    assert visitor.status == 422
    assert f'id="{field}-wrong"' in visitor.text, "the error stands at the field"
    assert f'value="{"x" * 61}"' in visitor.text, "what was typed is kept"
    await visitor.read("/me")
    assert "My &lt;i&gt;new" in visitor.text
    stranger = Visitor(office, office.as_buyer())
    await stranger.send(action, {"name": "Mine"})
    assert stranger.status == 404
    assert "My &lt;i&gt;new" in await visitor.read("/me")


async def test_a_passkey_is_added_used_and_removed_on_pages(office: BoxOffice) -> None:
    visitor, device = await visitor_with_password(office), Device(ORIGIN)
    await add_on_page(visitor, device, "Ada's <b>phone")
    assert "Your passkey is added" in visitor.text
    assert "Ada&#39;s &lt;b&gt;phone" in visitor.text
    await visitor.submit("/logout")
    await visitor.read("/login?next=/me/waitlist")
    assert visitor.text.index('action="/login/passkey"') < visitor.text.index('name="email"'), "first"
    credential = device.get(await ask(visitor, "/login/passkey/options"))
    await visitor.submit("/login/passkey", credential=json.dumps(credential))
    assert visitor.path == "/me/waitlist"
    exported = json.loads(await visitor.read("/me/export"))
    assert [each["name"] for each in exported["passkeys"]] == ["Ada's <b>phone"]
    await visitor.read("/me")
    action = re.search(r'action="(/me/passkeys/pky_[^"]*/remove)"', visitor.text)
    assert action
    await visitor.submit(action[1])
    assert "This passkey is removed" in visitor.text
    await visitor.submit("/logout")
    await visitor.read("/login")
    credential = device.get(await ask(visitor, "/login/passkey/options"))
    await visitor.submit("/login/passkey", credential=json.dumps(credential))
    assert visitor.status == 422
    assert "not known here" in visitor.text


async def test_a_passkey_without_a_name_gets_one(office: BoxOffice) -> None:
    visitor = await visitor_with_password(office)
    for number in (1, 2):
        await add_on_page(visitor, Device(ORIGIN), "")
        assert f"Passkey {number}" in visitor.text
    await add_on_page(visitor, Device(ORIGIN), "x" * 61)
    assert visitor.status == 422
    assert 'id="passkey_name-wrong"' in visitor.text


@pytest.mark.parametrize("credential", ["", "{}", "[]", "null", '{"id":"\ud83d"}', "x" * 20_000])
async def test_a_form_without_a_passkey_is_a_page_with_a_way_on(office: BoxOffice, credential: str) -> None:
    visitor = await visitor_with_password(office)
    fields = {"credential": credential.encode("utf-8", "replace").decode()}
    await visitor.send("/me/passkeys", fields)
    assert (visitor.status, visitor.heading()) == (422, "My account")
    await visitor.submit("/logout")
    await visitor.read("/login")
    await visitor.send("/login/passkey", fields)
    assert (visitor.status, visitor.heading()) == (422, "Log in")
    assert "has sent no passkey" in visitor.text


async def test_another_site_starts_nothing_with_passkeys(office: BoxOffice) -> None:
    visitor = await visitor_with_password(office)
    for address in ("/login/passkey/options", "/login/passkey", "/me/passkeys/options", "/me/passkeys"):
        for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
            headers = {"sec-fetch-site": "cross-site", "content-type": kind}
            answer = await visitor.client.post(address, content="a=b", headers=headers)
            assert answer.status_code == 403, (address, kind)


async def test_after_an_hour_the_account_page_asks_for_a_new_login(office: BoxOffice) -> None:
    visitor = await visitor_with_password(office)
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE sessions SET created_at = created_at - interval '61 minutes'")
    await visitor.read("/me")
    assert "at most an hour old" in visitor.text
    assert 'action="/me/passkeys"' not in visitor.text
    answer = await visitor.client.post("/me/passkeys/options", headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 403
    await visitor.read("/me/email")
    await visitor.submit("/logout")
    assert str(visitor.page and visitor.page.url).endswith("/login?next=/me/email")
    await visitor.send("/login", {"email": ADA, "password": PASSWORD, "next": "/me/email"})
    assert visitor.heading() == "Change my e-mail"
    assert visitor.form("/me/email") == {"email": ""}


async def test_an_address_is_changed_on_pages(office: BoxOffice) -> None:
    visitor = await visitor_with_password(office)
    await visitor.read("/me/email")
    await visitor.submit("/me/email", email="ada at new")
    assert visitor.status == 422
    assert visitor.form("/me/email")["email"] == "ada at new"
    await visitor.submit("/me/email", email="ada@new.example")
    assert visitor.path == "/me/email/code"
    code = await code_to(office, "ada@new.example")
    for typed, said in (("12", "six digits"), (f"{(int(code) + 1) % 1_000_000:06}", "Tries left: 4")):
        await visitor.submit("/me/email/code", code=typed)
        assert visitor.status == 422
        assert said in visitor.text
    await visitor.submit("/me/email/code", code=code)
    assert "Your e-mail is changed" in visitor.text
    assert "ada@new.example" in visitor.text
    await visitor.read("/me/email/code")
    assert visitor.status == 200


async def change_address(office: BoxOffice, visitor: Visitor, email: str) -> None:
    await visitor.read("/me/email")
    await visitor.submit("/me/email", email=email)
    await visitor.submit("/me/email/code", code=await code_to(office, email))
    assert "Your e-mail is changed" in visitor.text


async def undo_link(office: BoxOffice, address: str) -> str:
    """Return the address in the newest message to an old address."""
    while await office.context.mail.run_once() == 0:
        pass
    text = (await mailbox.list_shown(office.context.database, address, 1, None)).data[0].text
    found = re.search(r"https?://\S+?(/me/email/undo\?link=evl_\w+)", text)
    assert found, text
    return found[1]


async def verified_visitor(office: BoxOffice) -> Visitor:
    visitor = await visitor_with_password(office)
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE people SET email_verified_at = created_at")
    return visitor


async def test_who_had_the_address_takes_its_change_back_and_everybody_is_out(office: BoxOffice) -> None:
    thief, device = await verified_visitor(office), Device(ORIGIN)
    await add_on_page(thief, device, "Of the owner")
    await change_address(office, thief, "thief@example.org")
    await add_on_page(thief, Device(ORIGIN), "Of the thief")
    await change_address(office, thief, "thief-2@example.org")
    link, other = await undo_link(office, ADA), await undo_link(office, "thief@example.org")
    await Visitor(office).send("/signup", {"email": ADA, "name": "Eve", "password": PASSWORD})
    count = f"SELECT count(*) FROM people WHERE email = '{ADA}'"
    assert await office.context.database.fetch_value(count) == 0, "nobody takes the address meanwhile"
    owner = Visitor(office)
    await owner.read(link)
    assert owner.heading() == "Take the change back?"
    assert ADA in owner.text
    assert "thief" not in owner.text
    assert await office.context.database.fetch_value(count) == 0, "mail servers open links"
    await owner.submit("/me/email/undo")
    assert owner.heading() == "Your account has its old address again"
    assert await office.context.database.fetch_value(count + " AND email_verified_at IS NOT NULL") == 1
    await thief.read("/me")
    assert thief.path == "/login", "every session has ended"
    names = await office.context.database.fetch("SELECT name FROM passkeys")
    assert [row["name"] for row in names] == ["Of the owner"]
    for email in (ADA, "thief-2@example.org"):
        login = await office.client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert login.status_code == 401, "the password may be the thief's"
    while await office.context.mail.run_once() == 0:
        pass
    newest = await mailbox.list_shown(office.context.database, "thief-2@example.org", 1, None)
    assert "Your account has another address now" in newest.data[0].text
    assert "undo" not in newest.data[0].text, "the thief takes nothing back"
    for used in (link, other):
        await owner.read(used)
        assert owner.status == 410
        await owner.send("/me/email/undo", {"link": used.partition("=")[2]})
        assert owner.status == 410
    assert await office.context.database.fetch_value(count) == 1


async def test_two_uses_of_a_link_at_once_are_one(office: BoxOffice) -> None:
    thief = await verified_visitor(office)
    await change_address(office, thief, "thief@example.org")
    secret = (await undo_link(office, ADA)).partition("=")[2]
    people = [Visitor(office) for _ in range(3)]
    await asyncio.gather(*[each.send("/me/email/undo", {"link": secret}) for each in people])
    assert sorted(each.status for each in people) == [200, 410, 410]


async def test_after_seven_days_a_change_stays(office: BoxOffice) -> None:
    thief = await verified_visitor(office)
    await change_address(office, thief, "new@example.org")
    link = await undo_link(office, ADA)
    async with office.context.database.transaction() as tx:
        changed = await tx.fetch(
            "UPDATE email_codes SET created_at = created_at - interval '7 days', "
            "expires_at = expires_at - interval '7 days' WHERE purpose = 'old_email' RETURNING code_id"
        )
    assert len(changed) == 1
    owner = Visitor(office)
    await owner.send("/me/email/undo", {"link": link.partition("=")[2]})
    assert owner.status == 410
    await Visitor(office).send("/signup", {"email": ADA, "name": "Ada", "password": PASSWORD})
    found = await office.context.database.fetch_value(f"SELECT count(*) FROM people WHERE email = '{ADA}'")
    assert found == 1, "the address is free again"


async def test_an_address_that_has_another_account_is_not_taken_from_it(office: BoxOffice) -> None:
    first = await verified_visitor(office)
    await change_address(office, first, "new@example.org")
    link = await undo_link(office, ADA)
    second = Visitor(office)  # who reads the e-mails to the address, and makes an account with a code
    await second.read("/login")
    await second.send("/login/send", {"email": ADA, "name": "Ada", "next": "/me"})
    await second.send("/login/code", {"code": await code_to(office, ADA), "next": "/me"})
    assert second.path == "/me"
    await second.send("/me/email/undo", {"link": link.partition("=")[2]})
    assert second.status == 409
    await second.read("/me")
    assert second.path == "/me", "nothing was changed"
    assert "new@example.org" in await first.read("/me")


async def test_an_address_that_was_never_proved_gets_no_link(office: BoxOffice) -> None:
    visitor = await visitor_with_password(office)
    await change_address(office, visitor, "new@example.org")
    while await office.context.mail.run_once() == 0:
        pass
    text = (await mailbox.list_shown(office.context.database, ADA, 1, None)).data[0].text
    assert "Your e-mail address was changed" in text or "another address now" in text
    assert "undo" not in text, "it may be another person's, who would get the account"
    count = "SELECT count(*) FROM email_codes WHERE purpose = 'old_email'"
    assert await office.context.database.fetch_value(count) == 0


async def test_the_end_of_an_account_forgets_the_address_that_it_had(office: BoxOffice) -> None:
    visitor = await verified_visitor(office)
    await change_address(office, visitor, "new@example.org")
    await visitor.read("/me/delete")
    await visitor.submit("/me/delete", password=PASSWORD)
    count = "SELECT count(*) FROM email_codes WHERE purpose = 'old_email'"
    assert await office.context.database.fetch_value(count) == 0


class Forgetful(Visitor):
    """A browser that keeps no cookies."""

    def __init__(self, office: BoxOffice) -> None:
        super().__init__(office)
        self.client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))


async def test_a_browser_that_keeps_no_cookies_is_told_so_and_not_asked_again_and_again(
    office: BoxOffice,
) -> None:
    await office.context.accounts.register(ADA, "Ada Lovelace", PASSWORD, None)
    visitor = Forgetful(office)
    for page, action, fields in (
        ("/login", "/login", {"email": ADA, "password": PASSWORD}),
        ("/login", "/login/send", {"email": ADA}),
        ("/forgot", "/forgot", {"email": ADA}),
        ("/login", "/login/code", {"code": "123456"}),
        ("/login", "/reset", {"code": "123456", "password": "eleven quiet owls blink"}),
        ("/login", "/login/passkey", {"credential": "{}"}),
    ):
        await visitor.read(page)
        await visitor.send(action, {"next": "/me/waitlist", **fields})
        assert visitor.heading() == "Your browser keeps no cookies", action
        assert 'href="/login?next=%2Fme%2Fwaitlist"' in visitor.text
        assert not visitor.client.cookies
    await visitor.read(f"/login/link?link={(await link_to(office, ADA))}")
    await visitor.submit("/login/link")
    assert visitor.heading() == "Your browser keeps no cookies"
    await visitor.read("/login/kept?next=//evil.example")
    assert "evil" not in re.sub(r"next=[^\"]*", "", visitor.text)


async def link_to(office: BoxOffice, address: str) -> str:
    while await office.context.mail.run_once() == 0:
        pass
    page = await mailbox.list_shown(office.context.database, address, 20, None)
    texts = [each.text for each in page.data if "/login/link?link=" in each.text]
    found = re.search(r"/login/link\?link=(evl_\w+)", texts[0])
    assert found
    return found[1]


async def test_a_browser_that_keeps_cookies_sees_nothing_of_that(office: BoxOffice) -> None:
    await office.context.accounts.register(ADA, "Ada Lovelace", PASSWORD, None)
    visitor = Visitor(office)
    await visitor.read("/login?next=/me/waitlist")
    answer = await visitor.client.post(
        "/login",
        content=urlencode({"email": ADA, "password": PASSWORD, "next": "/me/waitlist"}),
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "sec-fetch-site": "same-origin",
        },
    )
    assert answer.headers["location"] == "/me/waitlist", "no step between"


FORMS: Final = {
    "/me/name": "/me",
    "/me/password": "/me",
    "/me/passkeys": "/me",
    "/me/passkeys/pky_01m7y4ef72ev2sxmcnxfse27zp/remove": "/me",
    "/me/email": "/me/email",
    "/me/email/code": "/me/email/code",
    "/me/sessions/end": "/me",
    "/me/sessions/ses_01m7y4ef72ev2sxmcnxfse27zp/end": "/me",
    "/me/verify": "/me/verify",
    "/me/verify/send": "/me/verify",
    "/me/delete": "/me/delete",
    "/me/delete/send": "/me/delete",
    "/me/notifications": "/me/notifications",
    "/bookings/bkg_01m7y4ef72ev2sxmcnxfse27zp/pay": "/bookings/bkg_01m7y4ef72ev2sxmcnxfse27zp",
    "/bookings/bkg_01m7y4ef72ev2sxmcnxfse27zp/extend": "/bookings/bkg_01m7y4ef72ev2sxmcnxfse27zp",
    "/bookings/bkg_01m7y4ef72ev2sxmcnxfse27zp/cancel": "/bookings/bkg_01m7y4ef72ev2sxmcnxfse27zp/cancel",
    "/waitlist/wle_01m7y4ef72ev2sxmcnxfse27zp/accept": "/me/waitlist",
}


@pytest.mark.parametrize("action", FORMS)
async def test_after_a_session_has_expired_the_login_leads_back_to_the_page_of_the_form(
    office: BoxOffice, action: str
) -> None:
    visitor = await visitor_with_password(office)
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE sessions SET expires_at = created_at")
    visitor.client.cookies.set("evently", "evb_old.old", domain="evently.test")
    await visitor.send(action, {"name": "Ada", "code": "123456", "email": "a@b.example"})
    assert visitor.path == "/login"
    assert visitor.form("/login/send")["next"] == FORMS[action]


async def test_every_form_of_a_reader_leads_back_to_a_page_after_the_login(office: BoxOffice) -> None:
    """No page says "not there" to a reader who was logged out in the middle."""
    pages = {route.path for route in all_routes() if route.is_page and route.method == "GET"}
    visitor = Visitor(office)
    for route in all_routes():
        if not route.is_page or route.method != "POST" or route.policy.who == "public":
            continue
        path = re.sub(r"\{(\w+?)(_id)?\}", lambda found: IDS.get(found[1], "x"), route.path)
        await visitor.send(path, {})
        assert visitor.path == "/login", path
        back = visitor.form("/login/send")["next"]
        templates = [re.sub(r"\{\w+\}", "[^/]+", page) for page in pages]
        assert any(re.fullmatch(template, back) for template in templates), f"{path} -> {back}"
        assert back != "/", path


IDS: Final = {
    "booking": "bkg_01m7y4ef72ev2sxmcnxfse27zp",
    "ticket": "tkt_01m7y4ef72ev2sxmcnxfse27zp",
    "session": "ses_01m7y4ef72ev2sxmcnxfse27zp",
    "passkey": "pky_01m7y4ef72ev2sxmcnxfse27zp",
    "entry": "wle_01m7y4ef72ev2sxmcnxfse27zp",
    "event": "evt_01m7y4ef72ev2sxmcnxfse27zp",
    "organizer": "org_01m7y4ef72ev2sxmcnxfse27zp",
    "venue": "ven_01m7y4ef72ev2sxmcnxfse27zp",
}
