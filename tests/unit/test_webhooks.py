"""Which addresses webhooks may call; the kinds in the description; signatures."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import get_args

import pytest
from standardwebhooks import Webhook as Verifier

from evently.kit.public_network import NotPublic, PublicNetwork
from evently.web.api.webhooks import KindName
from evently.web.pages.organize.keys import _WORDS
from evently.webhooks import ALL_KINDS, KINDS, MESSAGES
from evently.webhooks.addresses import is_address
from evently.webhooks.secrets import sign

PRIVATE = (
    "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.1.2.3 127.255.255.254 "
    "169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.254 192.0.0.1 192.0.0.9 192.0.0.170 "
    "192.0.2.1 192.168.0.1 192.168.255.254 198.18.0.1 198.19.255.254 198.51.100.1 203.0.113.1 224.0.0.1 "
    "239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 "
    "::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001:db8::1 2002:7f00:1::1 2002:a00:1::1 "
    "2001:0:7f00:1::1 fc00::1 fd00::1 fdff:ffff::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff05::2 "
    "fd00:ec2::254"
).split()
NAMES = (
    "localhost localhost. LOCALHOST a.localhost "
    "ip6-localhost printer.local db.internal intranet.corp nas.lan "
    "router.home metadata.google.internal metadata 1.in-addr.arpa x.test x.invalid x.onion "
    "host.localdomain "
    "shop shop. -a.example a-.example a..example .example 127.1 0x7f000001 0x7f.1 2130706433 017700000001 "
    "0177.0.0.1 127.0.0.1. 10.1 0 1 "
    "[::1] [::ffff:127.0.0.1] [fe80::1%25eth0] [fd00:ec2::254] 169.254.169.254 "
    "93.184.215.14 [2606:2800:21f:cb07:6820:80da:af6b:8b2c] 1.1.1.1 example.1 example.0x7f"
).split()
SHAPES = (
    "http://shop.example/ ftp://shop.example/ file:///etc/passwd gopher://shop.example/ //shop.example/ "
    "shop.example https:/shop.example https:shop.example https:// https://?x https://user@shop.example/ "
    "https://user:secret@shop.example/ https://shop.example@127.0.0.1/ https://127.0.0.1\\@shop.example/ "
    "https://shop.example:80/ https://shop.example:8443/ https://shop.example:0/ https://shop.example:99999/ "
    "https://shop.example:x/ https://shop.example:/ https://shop.example/#part https://shop.example\\x/ "
    "https://SHOP.example:443@10.0.0.1/ javascript:alert(1) data:text/plain,x https://[::1/ "
    "https://shop_a.example/ "
    "https://xn--/ https://müller.example/ https://shop。example/ https://①②⑦.example/ HTTPS://127.0.0.1/ "
    "https://shop.example%2f@127.0.0.1/ https://127.0.0.1%20.shop.example/ https://shop.example%00.org/"
).split()


def test_addresses_that_are_no_public_names_are_refused() -> None:
    refused = [f"https://{name}/hooks" for name in NAMES] + SHAPES
    refused += [f"https://{each}/" if ":" not in each else f"https://[{each}]/" for each in PRIVATE]
    assert len(refused) >= 120
    assert [each for each in refused if is_address(each)] == []
    for text in ("https://shop.example/\n", "https://shop.example/ x", "https://a.example/" + "x" * 1_000):
        assert not is_address(text)


def test_public_names_may_be_called() -> None:
    for text in ("https://shop.example", "https://a.b-c.example:443/x?y=1", "https://xn--mller-kva.example/"):
        assert is_address(text), text


def test_where_networks_are_allowed_so_are_their_addresses() -> None:
    for text in ("http://10.1.2.3:8080/x", "http://shop:9000/", "https://[fd00::1]/"):
        assert is_address(text, allows_private=True)
        assert not is_address(text)
    for text in ("ftp://10.1.2.3/", "http://user@10.1.2.3/", "http://10.1.2.3:0/", "http:///x"):
        assert not is_address(text, allows_private=True)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_into_another_network_is_not_called(address: str) -> None:
    for found in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):

        async def find(_host: str, _port: int, found: list[str] = found) -> list[str]:
            return found

        for network in (PublicNetwork(find), PublicNetwork(find, public=False)):
            with pytest.raises(NotPublic):
                await network.connect_tcp("shop.example", 443)


async def test_only_the_networks_that_are_named_are_allowed() -> None:
    async def find(host: str, _port: int) -> list[str]:
        return [host]

    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    network = PublicNetwork(find, (ip_network("127.0.0.1/32"),))
    await (await network.connect_tcp("127.0.0.1", port)).aclose()
    for host in ("127.0.0.2", "10.0.0.1"):
        with pytest.raises(NotPublic):
            await network.connect_tcp(host, port)
    with pytest.raises(NotPublic):
        await PublicNetwork(find, public=False).connect_tcp("8.8.8.8", port)
    server.close()


def test_the_description_names_every_kind() -> None:
    assert get_args(KindName) == tuple(KINDS)
    assert MESSAGES.keys() == ALL_KINDS.keys()
    assert "webhooks:write" in _WORDS


def test_signatures_are_those_of_the_library_for_receivers() -> None:
    now = datetime.now(UTC)
    headers = sign([b"a" * 32, b"b" * 32], "whd_1", now, '{"x":"ä"}')
    for key in (b"a" * 32, b"b" * 32):
        assert Verifier(key).verify('{"x":"ä"}'.encode(), headers) == {"x": "ä"}
