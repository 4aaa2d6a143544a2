"""Calling what somebody else chose: one attempt, and only to a public address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from robosure.kernel.errors import Unavailable
from robosure.platform.client import AddressRefused, HttpClient, TimedOut, is_public
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.settings import Settings

URL = "https://hooks.acme.example/in?key=1"


class Outside:
    """Answers every request with this, and remembers them."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self.answer = answer
        self.asked: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Names:
    """Resolves every name to these addresses, and counts how often it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.addresses


def client(outside: Any, names: Names, **settings: Any) -> HttpClient:
    return HttpClient(
        Settings(_env_file=None, **settings),
        transport=httpx.MockTransport(outside),
        resolve=names,
    )


async def post(http: HttpClient, url: str = URL, **options: Any) -> Any:
    return await http.post_once(
        url, content=b"{}", headers={"X-Mine": "1"}, keep=4, **options
    )


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    # given a name with a public address
    outside, names = Outside(httpx.Response(201, text="created")), Names("8.8.8.8")
    async with client(outside, names) as http:
        with correlated(Correlation("req-1")):
            answer = await post(http)
    # then it was resolved once, called by address, and asked for by name
    assert names.asked == [("hooks.acme.example", 443)]
    (request,) = outside.asked
    assert request.url == "https://8.8.8.8/in?key=1"
    assert request.headers["Host"] == "hooks.acme.example"
    assert request.extensions["sni_hostname"] == "hooks.acme.example"
    # and nothing of ours goes along
    assert set(request.headers) == {
        "accept-encoding", "content-length", "host", "x-mine"
    }  # fmt: skip
    assert (answer.status, answer.body) == (201, b"crea")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1",
    ],
)  # fmt: skip
async def test_an_address_that_is_not_public_is_not_called(address: str) -> None:
    outside = Outside(httpx.Response(200))
    for addresses in ([address], ["8.8.8.8", address]):
        async with client(outside, Names(*addresses)) as http:
            with pytest.raises(AddressRefused) as refused:
                await post(http)
            assert refused.value.details == {"host": "hooks.acme.example"}
    assert outside.asked == []


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_that_anybody_may_call_is_public(address: str) -> None:
    assert is_public(address)


async def test_where_it_is_allowed_a_private_address_is_called() -> None:
    outside = Outside(httpx.Response(200))
    async with client(outside, Names("::1")) as http:
        await post(http, "http://inside.example:8080/", private=True)
    assert outside.asked[0].url == "http://[::1]:8080/"


async def test_a_redirect_is_handed_over_and_not_followed() -> None:
    location = {"Location": "http://169.254.169.254/latest/meta-data"}
    outside = Outside(httpx.Response(302, headers=location))
    async with client(outside, Names("8.8.8.8")) as http:
        assert (await post(http)).status == 302
    assert len(outside.asked) == 1


async def test_cookies_are_not_kept() -> None:
    cookie = {"Set-Cookie": "session=theirs; Path=/"}
    outside = Outside(httpx.Response(200, headers=cookie))
    async with client(outside, Names("8.8.8.8")) as http:
        await post(http)
        outside.answer = httpx.Response(200)
        await post(http)
    assert "cookie" not in outside.asked[1].headers


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_failure_is_an_answer_and_opens_no_circuit(status: int) -> None:
    outside = Outside(httpx.Response(status, headers={"Retry-After": "9"}))
    async with client(outside, Names("8.8.8.8"), breaker_failures=1) as http:
        for _ in range(3):
            outside.answer = httpx.Response(status, headers={"Retry-After": "9"})
            answer = await post(http)
            assert (answer.status, answer.headers["retry-after"]) == (status, "9")
    assert len(outside.asked) == 3


async def test_another_address_of_the_name_is_tried() -> None:
    def first_is_down(request: httpx.Request) -> httpx.Response:
        if request.url.host == "8.8.8.8":
            raise httpx.ConnectError("down")
        return httpx.Response(200)

    async with client(first_is_down, Names("8.8.8.8", "9.9.9.9")) as http:
        assert (await post(http)).status == 200
    async with client(first_is_down, Names("8.8.8.8", "8.8.8.8")) as http:
        with pytest.raises(Unavailable, match="down") as failed:
            await post(http)
    assert failed.value.code == "no_answer"
    assert "key" not in str(failed.value)


async def test_an_answer_that_trickles_in_is_cut_off() -> None:
    # given a receiver that sends a little, and then goes on for ever
    class Trickle(httpx.AsyncByteStream):
        closed = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"ok"
            await asyncio.Event().wait()

        async def aclose(self) -> None:
            self.closed = True

    trickle = Trickle()
    outside = Outside(httpx.Response(200, stream=trickle))
    async with client(outside, Names("8.8.8.8"), outgoing_timeout_seconds=0.05) as http:
        with pytest.raises(TimedOut):
            await post(http)
    assert trickle.closed


async def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    class Endless(httpx.AsyncByteStream):
        sent = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                self.sent += 1
                yield b"abc"

    endless = Endless()
    outside = Outside(httpx.Response(200, stream=endless))
    async with client(outside, Names("8.8.8.8")) as http:
        assert (await post(http)).body == b"abca"
    assert endless.sent == 2


@pytest.mark.parametrize("url", ["https://a.example:port/", "https://.../"])
async def test_a_url_that_cannot_be_called_is_no_answer(url: str) -> None:
    async with client(Outside(httpx.Response(200)), Names()) as http:
        with pytest.raises(Unavailable):
            await post(http, url)
