"""Where a socket may be opened: IANA's registries row by row, and hosts in every spelling that a
client reads as an address.
"""

from __future__ import annotations

import asyncio
import ipaddress

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from pairsieve.web.addresses import (
    PrivateAddress,
    is_address,
    is_allowed_address,
)
from pairsieve.web.connector import guarded_connector
from pairsieve.web.refusals import NO_CONNECTION, status_of
from pairsieve.web.urls import absolute, host_of
from tests.support.oracles import oracle

# https://www.iana.org/assignments/iana-ipv4-special-registry, .../iana-ipv6-special-registry: every
# row that is not "Globally Reachable: True" (N/A counts as a no), and multicast, which has
# registries of its own.
NOT_REACHABLE = [
    "0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",
    "192.0.0.0/29", "192.0.0.8/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24",
    "192.88.99.0/24", "192.88.99.2/32",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
    "255.255.255.255/32", "224.0.0.0/4",
    "::1/128", "::/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32",
    "2001:2::/48", "2001:10::/28",
    "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "ff00::/8",
    "fec0::/10",  # site-local, deprecated by RFC 3879
    "::/96",  # IPv4-compatible, deprecated by RFC 4291
    "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
    "4000::/3", "8000::/1",  # not given out
]  # fmt: skip
REACHABLE = ["192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24", "2620:4f:8000::/48"]
OTHERS = [
    "8.8.8.8/32",
    "93.184.215.0/24",
    "223.255.255.0/24",
    "2606:4700::/32",
    "2a00:1450::/32",
    "2400:cb00::/32",
]


def ends(network: str) -> list[str]:
    found = ipaddress.ip_network(network)
    return [str(found[0]), str(found[found.num_addresses // 2]), str(found[-1])]


@pytest.mark.parametrize("network", NOT_REACHABLE)
def test_special_purpose_networks_are_not_asked(network):
    assert [is_allowed_address(address, ()) for address in ends(network)] == [False] * 3


@pytest.mark.parametrize("network", [*REACHABLE, *OTHERS])
def test_public_networks_are_asked(network):
    assert all(is_allowed_address(address, ()) for address in ends(network))


@pytest.mark.parametrize("network", [network for network in NOT_REACHABLE if ":" not in network])
@pytest.mark.parametrize("prefix", ["::ffff:0:0", "64:ff9b::"])
def test_an_address_is_as_private_as_the_one_inside_it(network, prefix):
    inside = [
        ipaddress.ip_address(int(ipaddress.ip_address(prefix)) + int(ipaddress.ip_address(one)))
        for one in ends(network)
    ]
    assert [is_allowed_address(str(one), ()) for one in inside] == [False] * 3


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_the_machines_own_translation_is_followed(address):
    assert is_allowed_address(address, ())


@pytest.mark.parametrize(
    "address",
    ["2002:808:808::1", "2001:0:808:808::f7f7:f7f7", "::8.8.8.8", "2606:4700::1%eth0", "fe80::1%25eth0", "[::1]", "", "a.example",
     "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "１２７.０.０.１", "①②⑦.⓪.⓪.①", "8.8.8.8 ",
     "8.8.8.8/32", "08.8.8.8"],
)  # fmt: skip
def test_what_is_no_public_address_is_not_allowed(address):
    assert not is_allowed_address(address, ())


@pytest.mark.parametrize(
    ("address", "network"),
    [("127.0.0.1", "127.0.0.0/8"), ("::ffff:127.0.0.1", "127.0.0.0/8"), ("64:ff9b::a01:203", "10.0.0.0/8"), ("fec0::1", "fec0::/10"),
     ("64:ff9b:1::1", "64:ff9b:1::/48"), ("fd00::1", "fc00::/7"), ("fe80::1%eth0", "fe80::/10"),
     ("::1", "::1/128")],
)  # fmt: skip
def test_networks_of_the_config_are_asked(address, network):
    assert not is_allowed_address(address, ())
    assert is_allowed_address(address, (network,))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_python_calls_public_what_is_asked(address):
    """Where ipaddress knows a network that the table lacks, it is one to add."""
    if is_allowed_address(str(address), ()):
        reached = getattr(address, "ipv4_mapped", None) or address
        assert reached.is_global or reached in ipaddress.ip_network("64:ff9b::/96")


@given(st.text(max_size=40))
def test_any_text_is_judged(text):
    assert is_address(text) or not is_allowed_address(text, ("0.0.0.0/0", "::/0"))


SPELLED = [
    "127.0.0.1", "１２７.０.０.１", "①②⑦.⓪.⓪.①", "𝟏𝟐𝟕.𝟎.𝟎.𝟏", "127。0。0。1", "127.0.0.1.", "127.1",
    "2130706433", "0x7f000001", "0177.0.0.1",
    "0x7f.1", "0", "0.0.0.0", "１２７。１", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]",
    "[fec0::1]", "[::1]", "[::1%25lo]", "[fe80::1%25eth0]", "localhost", "LOCALHOST.", "ⓛocalhost",
    "127.0.0.1%00", "127.0.0.1\u00ad",
]  # fmt: skip


async def connections_to(
    host: str, allow_networks: tuple[str, ...], encoded: bool = False
) -> tuple[int, str]:
    """How many connections a server on 127.0.0.1 sees when a host is asked through the connector;
    what became of the request.
    """
    seen = []

    async def answer(reader, writer):
        seen.append(1)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        aiohttp.ClientSession(connector=guarded_connector(allow_networks, 4)) as session,
    ):
        try:
            async with session.get(URL(f"http://{host}:{port}/", encoded=encoded)) as response:
                return len(seen), str(response.status)
        except NO_CONNECTION as error:
            return len(seen), status_of(error)


@pytest.mark.parametrize("host", SPELLED)
@pytest.mark.parametrize("encoded", [True, False])
def test_no_spelling_opens_a_connection(host, encoded):
    seen, status = asyncio.run(connections_to(host, (), encoded))
    assert (seen, status) in ((0, "private_address"), (0, "connection_error"))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "１２７.０.０.１", "①②⑦.⓪.⓪.①", "[::ffff:127.0.0.1]"]
)
def test_the_connector_is_what_refuses_them(host):
    """They are spellings of 127.0.0.1 indeed: where that network is allowed, the server is
    asked.
    """
    assert asyncio.run(connections_to(host, ())) == (0, "private_address")
    assert asyncio.run(connections_to(host, ("127.0.0.0/8",))) == (1, "204")


CASES = [
    case
    for case in oracle("urltestdata.json")
    if isinstance(case, dict) and case["input"].strip().lower().startswith("http")
]


def test_hosts_of_the_public_suite(monkeypatch):
    """Of every http URL of web-platform-tests, as it is written and as it is read: no socket is
    made for what is not public.
    """
    asked = []

    async def connect(self, sock, address):
        asked.append(address[0])
        raise ConnectionRefusedError

    async def resolve(self, host, port=0, family=0):
        raise PrivateAddress("names are not what is tried here")

    monkeypatch.setattr("asyncio.selector_events.BaseSelectorEventLoop.sock_connect", connect)
    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)

    async def ask_all():
        async with aiohttp.ClientSession(connector=guarded_connector((), 4)) as session:
            for case in CASES:
                for url in {case["input"], absolute(case["input"], "") or case["input"]}:
                    with pytest.raises(NO_CONNECTION):
                        await session.get(URL(url, encoded=True))

    asyncio.run(ask_all())
    literal = {
        case["hostname"].strip("[]")
        for case in CASES
        if is_address(case.get("hostname", "").strip("[]"))
    }
    assert {"192.168.0.1", "127.0.0.1", "1.2.3.4"} <= literal
    assert set(asked) == {host for host in literal if is_allowed_address(host, ())}
    assert {host_of(case["href"]) for case in CASES if "href" in case} >= literal
