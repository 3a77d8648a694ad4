from __future__ import annotations

import pytest

from evently.accounts.attempts import network_of
from evently.accounts.keys import KEY_PREFIX, checksum_of
from evently.accounts.people import email_errors, name_errors, normalise_email, normalise_name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (" Ada@Example.ORG ", "ada@example.org"),
        ("ada+box.office@mail.example.co.uk", "ada+box.office@mail.example.co.uk"),
        ("o'hara@example.org", "o'hara@example.org"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("Müller@MÜLLER.Example", "müller@xn--mller-kva.example"),
        ("mu\u0308ller@mu\u0308ller.example", "müller@xn--mller-kva.example"),
        ("用户@例子。广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("δοκιμή@παράδειγμα.δοκιμή", "δοκιμή@xn--hxajbheg2az3al.xn--jxalpdlp"),
        ("अजय@डाटामेल.भारत", "अजय@xn--c2bd4bq1db8d.xn--h2brj9c"),
        ("x" * 64 + "@example.org", "x" * 64 + "@example.org"),
    ],
)
def test_good_emails(given: str, kept: str) -> None:
    assert normalise_email(given) == kept
    assert email_errors(kept, "/email") == []


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@localhost",
        "ada@example",
        "ada@-example.org",
        "ada@example-.org",
        "ada@example..org",
        "ada@.example.org",
        "ada@example.org.",
        "ada@127.0.0.1",
        "ada@[127.0.0.1]",
        ".ada@example.org",
        "ada.@example.org",
        "ad..a@example.org",
        "ada lovelace@example.org",
        '"ada"@example.org',
        "ada@exa mple.org",
        "ada@example.org\nbcc: all@example.org",
        "ada\x00@example.org",
        "a\u202ed@example.org",
        "a\u200bd@example.org",
        "a\u3000d@example.org",
        "ада☃@example.org",
        "ada@☃\u200b.example",
        "ada@bü_cher.example",
        "ada@xn--.example",
        "ada@-bücher.example",
        "ü" * 33 + "@example.org",
        "ada@example.org,eve@example.org",
        "x" * 65 + "@example.org",
        "ada@" + "a." * 130 + "org",
        "a@b@example.org",
    ],
)
def test_bad_emails(email: str) -> None:
    assert len(email_errors(normalise_email(email), "/email")) == 1


def test_no_email_makes_the_check_slow() -> None:
    assert email_errors("a." * 50_000 + "@", "/email")
    assert email_errors("a@" + "a-" * 50_000, "/email")
    assert email_errors(normalise_email("a@" + "ü-" * 50_000), "/email")


def test_both_spellings_of_an_address_are_one() -> None:
    assert normalise_email("ada@bücher.example") == normalise_email("ADA@XN--BCHER-KVA.EXAMPLE")
    assert normalise_email(normalise_email("Ünal@bücher.example")) == normalise_email("Ünal@bücher.example")


def test_names() -> None:
    assert normalise_name("  Ada \t King\u00a0 ") == "Ada King"
    assert normalise_name("Zoe\u0308") == "Zo\u00eb"
    assert name_errors("Ada", "/name") == []
    assert name_errors("Nguyễn Thị Minh Khai", "/name") == []
    assert [error.pointer for error in name_errors("", "/name")] == ["/name"]
    assert name_errors("x" * 201, "/name")
    assert name_errors("Ada\x1b[31m", "/name")


def test_origins() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("unknown") == "unknown"


def test_checksums_of_keys() -> None:
    body = KEY_PREFIX + "0" * 52
    assert len(checksum_of(body)) == 8
    assert checksum_of(body) != checksum_of(KEY_PREFIX + "0" * 51 + "1")
