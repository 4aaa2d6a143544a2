"""Where a request comes from: the connection, or what a proxy of ours says of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from robosure.platform.http.address import UNKNOWN, client_address, source_of
from robosure.platform.settings import Settings


def behind(proxies: str) -> Settings:
    values: dict[str, Any] = {"trusted_proxies": proxies}
    return Settings(_env_file=None, **values)


def a_request(client: str | None, *forwarded: str) -> dict[str, Any]:
    return {
        "client": None if client is None else (client, 4711),
        "headers": [(b"x-forwarded-for", each.encode()) for each in forwarded],
    }


def test_without_trusted_proxies_it_is_who_connects() -> None:
    request = a_request("203.0.113.9", "198.51.100.1")
    assert client_address(request, behind("")) == "203.0.113.9"


def test_a_stranger_is_not_believed_where_a_proxy_is() -> None:
    request = a_request("203.0.113.9", "198.51.100.1")
    assert client_address(request, behind("10.0.0.0/8")) == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (("198.51.100.1",), "198.51.100.1"),
        # what the client wrote itself stands before what the proxies added
        (("1.1.1.1, 198.51.100.1",), "198.51.100.1"),
        (("1.1.1.1, 198.51.100.1, 10.0.0.2",), "198.51.100.1"),
        (("1.1.1.1", "198.51.100.1", "10.0.0.2"), "198.51.100.1"),
        # one of ours that calls is its own client
        (("10.0.0.3",), "10.0.0.3"),
        ((), "10.0.0.1"),
        # what is no address ends the search at the proxy that passed it on
        (("198.51.100.1, garbage, 10.0.0.2",), "10.0.0.2"),
        (("",), "10.0.0.1"),
        (("198.51.100.1:5555",), "198.51.100.1"),
        (("[2001:DB8::1]:5555",), "2001:db8::1"),
        (("2001:db8:0::1",), "2001:db8::1"),
        (("::ffff:198.51.100.1",), "198.51.100.1"),
    ],
)
def test_a_trusted_proxy_is_believed_as_far_as_proxies_are_trusted(
    forwarded: tuple[str, ...], client: str
) -> None:
    assert client_address(a_request("10.0.0.1", *forwarded), behind("10.0.0.0/8")) == (
        client
    )


def test_a_proxy_may_be_one_address_of_several() -> None:
    settings = behind("192.0.2.7, 2001:db8::/32")
    for proxy in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::5"):
        assert client_address(a_request(proxy, "198.51.100.1"), settings) == (
            "198.51.100.1"
        )


def test_who_connects_by_other_means_is_unknown_and_not_believed() -> None:
    request = a_request(None, "198.51.100.1")
    assert client_address(request, behind("0.0.0.0/0")) == UNKNOWN


def test_all_of_an_ipv6_network_of_64_bits_count_as_one() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert source_of("2001:db8:0:1::1") == "2001:db8:0:1::/64"
    assert source_of("198.51.100.1") == "198.51.100.1"
    assert source_of(UNKNOWN) == UNKNOWN


@pytest.mark.parametrize("proxies", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8"])
def test_a_proxy_that_is_no_address_is_refused(proxies: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        behind(proxies)
