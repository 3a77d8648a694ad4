"""Passes, against the rules of their formats: manifest, signature, claims; and keys that cannot be used."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from evently.config import ConfigError, read_config
from evently.kit.ids import show_id
from evently.tickets import WalletError, WalletOptions, Wallets
from evently.tickets.google import LINK
from evently.tickets.icon import icon_png
from tests.support.certificates import ACCOUNT, ISSUER, PASS_TYPE, TEAM, make_wallet_files
from tests.support.issued import issue

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> WalletOptions:
    return make_wallet_files(tmp_path_factory.mktemp("wallets"))


@pytest.fixture(scope="module")
def wallets(options: WalletOptions) -> Wallets:
    return Wallets(options)


def unpacked(wallets: Wallets, **changes: Any) -> tuple[dict[str, bytes], Any]:
    issued = issue(2, **changes)
    assert wallets.apple is not None
    archive = zipfile.ZipFile(io.BytesIO(wallets.apple.pass_of(issued, issued.tickets[0])))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}, issued


def test_the_manifest_has_the_hash_of_each_file(wallets: Wallets) -> None:
    files, _ = unpacked(wallets)
    manifest = json.loads(files["manifest.json"])
    assert set(manifest) == set(files) - {"manifest.json", "signature"}
    assert {"pass.json", "icon.png", "icon@2x.png"} <= set(manifest)
    for name, digest in manifest.items():
        assert hashlib.sha1(files[name]).hexdigest() == digest, name  # noqa: S324  # of the format


def test_the_signature_is_that_of_the_manifest(wallets: Wallets, options: WalletOptions) -> None:
    """Read the PKCS #7 structure with the openssl command: another implementation than the one that signs."""
    files, _ = unpacked(wallets)
    assert options.apple_authority is not None
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command to verify with")
    directory = options.apple_authority.parent
    (directory / "manifest.json").write_bytes(files["manifest.json"])
    (directory / "signature").write_bytes(files["signature"])

    def verify(content: str) -> subprocess.CompletedProcess[bytes]:
        command = [openssl, "smime", "-verify", "-inform", "DER", "-in", "signature", "-content", content]
        command += ["-CAfile", "authority.pem", "-purpose", "any", "-binary"]
        return subprocess.run(command, cwd=directory, capture_output=True, check=False)

    assert verify("manifest.json").returncode == 0, verify("manifest.json").stderr
    (directory / "forged.json").write_bytes(files["manifest.json"] + b" ")
    assert verify("forged.json").returncode != 0


def test_the_signature_brings_certificate_and_issuer(wallets: Wallets, options: WalletOptions) -> None:
    files, _ = unpacked(wallets)
    brought = pkcs7.load_der_pkcs7_certificates(files["signature"])
    assert options.apple_certificate is not None
    assert options.apple_authority is not None
    expected = [
        x509.load_pem_x509_certificate(path.read_bytes())
        for path in (options.apple_certificate, options.apple_authority)
    ]
    assert {each.serial_number for each in brought} == {each.serial_number for each in expected}
    key = expected[1].public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(expected[0].signature, expected[0].tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA256())
    assert files["manifest.json"] not in files["signature"], "it is detached"


def test_a_pass_has_what_the_door_and_the_holder_need(wallets: Wallets) -> None:
    files, issued = unpacked(wallets)
    said, ticket = json.loads(files["pass.json"]), issued.tickets[0]
    assert said["formatVersion"] == 1
    assert said["passTypeIdentifier"] == PASS_TYPE
    assert said["teamIdentifier"] == TEAM
    assert said["serialNumber"] == show_id("tkt", ticket.ticket_id)
    assert said["organizationName"] == "Klangwerk"
    assert said["description"] == "Ticket: Jazz by night"
    (barcode,) = said["barcodes"]
    assert barcode["format"] == "PKBarcodeFormatQR"
    assert barcode["message"] == ticket.code
    assert said["relevantDate"] == "2027-05-20T20:00:00+02:00"
    assert said["expirationDate"] == "2027-05-21T21:00:00+00:00"
    assert said["voided"] is False
    fields = [field for part in said["eventTicket"].values() for field in part]
    assert len({field["key"] for field in fields}) == len(fields), "keys are unique"
    values = {field["key"]: field["value"] for field in fields}
    assert values["seat"] == "Stalls, row C, seat 12"
    assert values["event"] == "Jazz by night"
    assert values["booking"] == issued.reference
    starts = next(field for field in fields if field["key"] == "starts")
    assert starts["ignoresTimeZone"] is True


def test_the_name_of_the_attendee_stands_on_the_pass(wallets: Wallets) -> None:
    issued = issue(2, attendee_name="Grace <Hopper>")
    assert wallets.apple is not None
    assert wallets.google is not None
    archive = zipfile.ZipFile(io.BytesIO(wallets.apple.pass_of(issued, issued.tickets[0])))
    fields = json.loads(archive.read("pass.json"))["eventTicket"]
    assert {"key": "name", "label": "Name", "value": "Grace <Hopper>"} in fields["auxiliaryFields"]
    assert any(field["value"] == "Ada Lovelace" for field in fields["backFields"])
    for ticket, holder in ((issued.tickets[0], "Grace <Hopper>"), (issue().tickets[0], "Ada Lovelace")):
        token = wallets.google.url_for(issued, ticket, NOW).removeprefix(LINK)
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["payload"]["eventTicketObjects"][0]["ticketHolderName"] == holder


def test_a_used_ticket_has_a_void_pass_and_empty_fields_are_left_out(wallets: Wallets) -> None:
    files, _ = unpacked(wallets, state="used", seat=None, buyer=None)
    said = json.loads(files["pass.json"])
    assert said["voided"] is True
    keys = {field["key"] for part in said["eventTicket"].values() for field in part}
    assert not keys & {"seat", "buyer"}


def test_the_icon_is_a_png_of_its_size() -> None:
    for side in (29, 58, 87):
        icon = icon_png(side)
        assert icon.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(icon[16:20], "big") == int.from_bytes(icon[20:24], "big") == side


def test_the_link_to_google_has_the_claims_of_its_format(wallets: Wallets, options: WalletOptions) -> None:
    issued = issue(2)
    ticket = issued.tickets[0]
    assert wallets.google is not None
    link = wallets.google.url_for(issued, ticket, NOW)
    assert link.startswith(LINK)
    token = link.removeprefix(LINK)
    assert options.google_account is not None
    stored = json.loads(options.google_account.read_bytes())
    key = serialization.load_pem_private_key(stored["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": "0123abcd"}
    claims = jwt.decode(token, key.public_key(), algorithms=["RS256"], audience="google")
    assert claims["iss"] == ACCOUNT
    assert claims["typ"] == "savetowallet"
    assert claims["iat"] == int(NOW.timestamp())
    (event,), (saved,) = (
        claims["payload"]["eventTicketClasses"],
        claims["payload"]["eventTicketObjects"],
    )
    assert saved["id"] == f"{ISSUER}.{show_id('tkt', ticket.ticket_id)}"
    assert saved["classId"] == event["id"] == f"{ISSUER}.{show_id('evt', issued.event.event_id)}"
    assert saved["barcode"]["value"] == ticket.code
    assert saved["barcode"]["type"] == "QR_CODE"
    assert saved["state"] == "ACTIVE"
    assert saved["seatInfo"]["seat"]["defaultValue"]["value"] == "Stalls, row C, seat 12"
    assert event["eventName"]["defaultValue"] == {"language": "en", "value": "Jazz by night"}
    assert event["dateTime"]["start"] == "2027-05-20T20:00:00+02:00"
    assert len(link) < 2_500, "browsers and servers cut longer addresses"
    forged = token[:-10] + ("A" * 10)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, key.public_key(), algorithms=["RS256"], audience="google")


def test_nothing_is_offered_without_configuration() -> None:
    assert Wallets(WalletOptions()).offered(NOW) == (None, None)


def test_an_expired_certificate_offers_nothing(wallets: Wallets) -> None:
    assert wallets.offered(NOW)[0] is not None
    apple, google = wallets.offered(NOW + timedelta(days=31))
    assert apple is None
    assert google is not None
    assert wallets.offered(NOW - timedelta(days=2))[0] is None


def test_keys_that_cannot_be_used_are_refused_at_the_start(options: WalletOptions, tmp_path: Path) -> None:
    elsewhere = make_wallet_files(tmp_path)
    nowhere = tmp_path / "nothing.pem"
    (tmp_path / "broken.json").write_text('{"client_email": 1}', encoding="utf-8")
    for changes, words in (
        ({"apple_key": tmp_path / "other.key"}, "is not the key"),
        ({"apple_authority": elsewhere.apple_authority}, "is not the issuer"),
        ({"apple_certificate": nowhere}, "Apple Wallet"),
        ({"apple_key": tmp_path / "pass.pem"}, "Apple Wallet"),
        ({"google_account": nowhere}, "Google Wallet"),
        ({"google_account": tmp_path / "broken.json"}, "Google Wallet"),
    ):
        with pytest.raises(WalletError, match=words):
            Wallets(msgspec.structs.replace(options, **changes))
    unnamed = make_wallet_files(tmp_path, common="no pass type")
    with pytest.raises(WalletError, match="not the certificate of a pass type"):
        Wallets(unnamed)


def test_half_a_configuration_is_refused() -> None:
    with pytest.raises(ConfigError, match="EVENTLY_APPLE_"):
        read_config({"EVENTLY_APPLE_KEY": "key.pem"})
    with pytest.raises(ConfigError, match="EVENTLY_GOOGLE_"):
        read_config({"EVENTLY_GOOGLE_ISSUER": "3388"})
