"""Web push without a network: the encryption of the RFC, proofs, which addresses may be called."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import httpcore2
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from evently.config import ConfigError, read_config
from evently.kit.public_network import NotPublic, PublicNetwork, is_public
from evently.push.encrypting import (
    CONTENT_BYTES_MAX,
    Proofs,
    decoded,
    encrypt,
    is_key,
    load_key,
    new_key_bytes,
    public_text,
    read_device_key,
    read_key,
    seal,
)
from evently.push.endpoints import is_contact, is_endpoint
from tests.support.push import HOST, Phone, Received, bytes_of, check_proof, decrypt, text_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

# Encryption -------------------------------------------------------------------------------------------------

# RFC 8291, 5 and appendix A
TEXT = b"When I grow up, I want to be a watermelon"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
RECEIVER = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
RECEIVER_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SALT, AUTH = "DGv6ra1nlYgDCS1FRnbzlw", "BTBZMqHH6r4Tts7J_aSIgg"
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK"
    "6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_a_message_is_encrypted_as_the_rfc_shows() -> None:
    key, auth = bytes_of(RECEIVER_PUBLIC), bytes_of(AUTH)
    assert text_of(seal(TEXT, key, auth, read_key(SENDER), bytes_of(SALT))) == SEALED
    assert decrypt(bytes_of(SEALED), read_key(RECEIVER), auth) == TEXT


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, CONTENT_BYTES_MAX])
def test_a_device_reads_its_message_and_no_other_does(length: int) -> None:
    phone, other = Phone("phone"), Phone("other")
    content = secrets.token_bytes(length).replace(b" ", b"_")
    sealed = encrypt(content, read_device_key(phone.form["p256dh"]), phone.auth)
    assert phone.read(sealed).rstrip(b" ") == content
    assert len(phone.read(sealed)) % 256 == 0, "the length says little"
    assert sealed != encrypt(content, read_device_key(phone.form["p256dh"]), phone.auth)
    with pytest.raises(InvalidTag):
        other.read(sealed)
    with pytest.raises(InvalidTag):
        phone.read(sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_keys_are_read_as_tools_and_browsers_write_them() -> None:
    raw = new_key_bytes()
    assert public_text(read_key(text_of(raw))) == public_text(load_key(raw))
    assert is_key(base64.urlsafe_b64encode(raw).decode())  # with its padding
    for wrong in ("", "a", text_of(raw[:-1]), text_of(raw + b"x"), "ä" * 43, "*" * 43, text_of(bytes(32))):
        assert not is_key(wrong), wrong
    public = Phone("phone").form["p256dh"]
    assert read_device_key(public) == bytes_of(public)
    for wrong in (public[:-3], text_of(b"\4" + bytes(64)), text_of(b"\2" + bytes(64)), "x" * 100_000):
        with pytest.raises(ValueError):  # noqa: PT011  # of several kinds
            read_device_key(wrong)
    with pytest.raises(ValueError, match="another length"):
        decoded(text_of(bytes(15)), 16)


def test_a_proof_names_the_service_the_sender_and_an_end() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    proofs = Proofs(key, "mailto:admin@evently.example")

    def proof(endpoint: str, at: datetime) -> str:
        return proofs.header_for(endpoint, at)

    first = proof(f"https://{HOST}/send/1", NOW)
    claims = check_proof(Received("/", {"authorization": first}, b""), NOW)
    assert claims["sub"] == "mailto:admin@evently.example"
    assert f"k={public_text(key)}" in first
    assert proof(f"https://{HOST}/send/2", NOW + timedelta(hours=5)) == first, "it is used again"
    assert proof(f"https://{HOST}/send/2", NOW + timedelta(hours=7)) != first
    assert proof("https://another.example/send/1", NOW) != first


# Addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/dpH5lCsTSSM:APA91bHqjZxM0VImWWqDRN7U0a3AycjUf",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABk-_~x",
        "https://web.push.apple.com/QGRHL",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%2b",
        "https://push.example.org:443/a",
        "https://xn--bcher-kva.example.org/a",
    ],
)
def test_endpoints_of_browsers_may_be_called(endpoint: str) -> None:
    assert is_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    """
    http://push.example.org/a       https://push.example.org:8443/a   https://push.example.org:22/a
    https://localhost/a             https://localhost./a              https://push.localhost/a
    https://127.0.0.1/a             https://127.1/a                   https://2130706433/a
    https://0x7f.0.0.1/a            https://0x7f000001/a              https://017700000001/a
    https://[::1]/a                 https://[::ffff:127.0.0.1]/a      https://[fe80::1%25eth0]/a
    https://169.254.169.254/latest  https://10.0.0.1/a                https://8.8.8.8/a
    https://metadata.google.internal/a  https://printer.local/a       https://router.lan/a
    https://intranet/a              https://push.example.org./a       https://-push.example.org/a
    https://user@push.example.org/a https://user:pw@push.example.org/ https://push.example.org@127.0.0.1/a
    https://push.example.org#@127.0.0.1/    https://push.example.org\\@127.0.0.1/ https:///a
    https://push.example.org:/a     https://push.example.org:99999/a  https://push.example.org:x/a
    https://1.2.3.4.5/a             https://push.example.123/a        https://push_x.example.org/a
    https://pushｘ.example.org/a    ftp://push.example.org/a          file:///etc/passwd
    gopher://push.example.org/a     HTTPS://PUSH.EXAMPLE.ORG/a        //push.example.org/a
    https://push.example.org%00.evil.example/ https://１２７.0.0.1/a  https://127.0.0.1.in-addr.arpa/a
    """.split(),
)
def test_no_other_address_may_be_called(endpoint: str) -> None:
    assert not is_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "https://push.example.org/ a",
        "https://push.example.org/\r\nx: y",
        f"https://a.example/{'x' * 1000}",
    ],
)
def test_nor_may_one_that_is_no_address(endpoint: str) -> None:
    assert not is_endpoint(endpoint)


@pytest.mark.parametrize(
    "address",
    """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.254 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1
    172.31.255.255 192.0.0.1 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
    239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::7f00:1 64:ff9b::7f00:1
    64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1
    """.split(),
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2a00:1450:4001:830::200a", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700::1111", "::1"], ["fe80::1%eth0"], []],
)
async def test_a_name_that_leads_inside_is_not_called(found: list[str]) -> None:
    async def find(_host: str, _port: int) -> list[str]:
        return found

    with pytest.raises(NotPublic):
        await PublicNetwork(find).connect_tcp("rebinding.example.org", 443, timeout=5)


async def test_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    """A name that changes after the look-up changes nothing: it is looked up once."""
    asked: list[str] = []
    called: list[tuple[str, int]] = []

    async def find(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["192.0.2.7", "127.0.0.1"] if len(asked) > 1 else ["8.8.8.8", "9.9.9.9"]

    class Spying(httpcore2.AnyIOBackend):
        async def connect_tcp(self, host: str, port: int, *more: Any, **named: Any) -> Any:  # noqa: ARG002
            called.append((host, port))
            raise httpcore2.ConnectError("nobody is there")

    network = PublicNetwork(find)
    network._network = Spying()
    with pytest.raises(httpcore2.ConnectError):
        await network.connect_tcp("rebinding.example.org", 443, timeout=5)
    assert (asked, called) == (["rebinding.example.org"], [("8.8.8.8", 443), ("9.9.9.9", 443)])


# Settings ---------------------------------------------------------------------------------------------------


def test_a_contact_is_an_address_or_a_page() -> None:
    for text in ("mailto:admin@evently.example", "https://tickets.example/contact"):
        assert is_contact(text)
    for text in ("admin@evently.example", "mailto:admin", "http://tickets.example", "https://", ""):
        assert not is_contact(text)


def test_wrong_settings_are_named_without_the_secret() -> None:
    with pytest.raises(ConfigError, match="EVENTLY_PUSH_CONTACT"):
        read_config({"EVENTLY_PUSH_CONTACT": "admin"})
    with pytest.raises(ConfigError, match="EVENTLY_PUSH_KEY") as refused:
        read_config({"EVENTLY_PUSH_KEY": "not-a-key-but-secret"})
    assert "secret" not in str(refused.value)
    assert read_config({}).push_options().contact is None
