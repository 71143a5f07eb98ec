from __future__ import annotations

from ipaddress import IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.explore.networks import host_name, names_of, network_of, provider_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix socket", "unknown"),
        ("", "unknown"),
    ],
)
def test_networks(address, network):
    assert network_of(address) == network


def test_providers():
    assert provider_of("2001:db8:1:2::1") == provider_of("2001:db8:1:ffff::1") == "2001:db8:1::/48"
    assert (
        provider_of("192.0.2.7") == provider_of("::ffff:192.0.2.7") == provider_of("nobody") == ""
    )


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_addresses_of_a_site_are_one(address, host):
    site = IPv6Network((address, 64), strict=False)
    if address.ipv4_mapped is None:
        assert network_of(str(address)) == network_of(str(site[host])) == str(site)


@given(st.text(max_size=30))
def test_any_text_is_an_address(text):
    assert network_of(text)
    provider_of(text)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8080", "localhost"),
        ("search.example.org.", "search.example.org"),
        ("[::1]:8080", "::1"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("", ""),
        ("a@localhost", ""),
        ("localhost:x", ""),
        ("localhost, evil.example", ""),
        ("localhost/x", ""),
        ("[::1", ""),
        ("localhost\n", ""),
    ],
)
def test_host_headers(header, name):
    assert host_name(header) == name


def test_names():
    assert names_of("127.0.0.1", []) == {"localhost", "127.0.0.1", "::1"}
    assert names_of("0.0.0.0", ["Search.Example.org."]) == {
        "localhost",
        "127.0.0.1",
        "::1",
        "search.example.org",
    }
    assert "192.0.2.1" in names_of("192.0.2.1", [])
