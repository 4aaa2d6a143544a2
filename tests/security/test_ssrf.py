"""What customers name as a receiver leads nowhere inside (OWASP API7:2023).

The names' addresses are the tests' to choose; servers and connections are real.
``127.0.0.2`` plays an address on the Internet, ``127.0.0.1`` one inside.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from robosure.kernel.errors import Unavailable
from robosure.kernel.ids import uuid7
from robosure.platform import client
from robosure.platform.client import (
    AddressRefused,
    HostRefused,
    HttpClient,
    is_public,
    may_be_called,
)
from robosure.platform.settings import Settings
from tests.integration.contexts.notifications.receiver import (
    Answer,
    Receiver,
    listening,
)
from tests.support import ApiClient, code_of

INSIDE = "127.0.0.1"
OUTSIDE = "127.0.0.2"
NAME = "hooks.acme.example"


@dataclass
class Names:
    """Resolves every name to what comes next; the last again and again."""

    turns: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.turns[min(len(self.asked), len(self.turns)) - 1]


@dataclass
class Field:
    """One server on the Internet and one inside, at the same port."""

    outside: Receiver
    inside: Receiver

    @property
    def url(self) -> str:
        return f"http://{NAME}:{self.outside.port}/in"


@pytest.fixture
async def field_(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Field]:
    monkeypatch.setattr(client, "is_public", lambda address: address == OUTSIDE)
    async with (
        listening(OUTSIDE) as outside,
        listening(INSIDE, outside.port) as inside,
    ):
        yield Field(outside, inside)


def calling(*turns: Sequence[str], **settings: Any) -> HttpClient:
    return HttpClient(
        Settings(_env_file=None, outgoing_timeout_seconds=5, **settings),
        resolve=Names(list(turns)),
    )


async def post(http: HttpClient, url: str) -> client.Answer:
    return await http.post_once(url, content=b"{}", headers={}, keep=100)


async def test_the_name_is_called_at_the_address_that_was_checked(
    field_: Field,
) -> None:
    async with calling([OUTSIDE]) as http:
        answer = await post(http, field_.url)
    assert answer.status == 200
    (request,) = field_.outside.requests
    assert request.headers["host"] == f"{NAME}:{field_.outside.port}"
    assert field_.inside.requests == []


@pytest.mark.parametrize("addresses", [[INSIDE], [OUTSIDE, INSIDE], [INSIDE, OUTSIDE]])
async def test_a_name_with_any_address_inside_is_not_called(
    field_: Field, addresses: list[str]
) -> None:
    async with calling(addresses) as http:
        with pytest.raises(AddressRefused):
            await post(http, field_.url)
    assert field_.inside.requests == field_.outside.requests == []


async def test_a_name_that_changes_its_address_meanwhile_gains_nothing(
    field_: Field,
) -> None:
    # given a name that is outside when it is checked, and inside from then on
    names = Names([[OUTSIDE], [INSIDE]])
    settings = Settings(_env_file=None)
    async with HttpClient(settings, resolve=names) as http:
        # when it is called
        answer = await post(http, field_.url)
        # then it is asked for once, and reached where it was checked
        assert answer.status == 200
        assert names.asked == [NAME]
        # and the next call checks again
        with pytest.raises(AddressRefused):
            await post(http, field_.url)
    assert len(field_.outside.requests) == 1
    assert field_.inside.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_inside_is_not_followed(
    field_: Field, status: int
) -> None:
    location = f"http://{INSIDE}:{field_.inside.port}/latest/meta-data"
    field_.outside.answer = Answer(status, "", {"Location": location})
    async with calling([OUTSIDE]) as http:
        answer = await post(http, field_.url)
    assert answer.status == status
    assert field_.inside.requests == []


async def test_the_environments_proxy_is_not_asked(
    field_: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = f"http://{INSIDE}:{field_.inside.port}"
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("ALL_PROXY", proxy)
    async with calling([OUTSIDE]) as http:
        await post(http, field_.url)
    assert len(field_.outside.requests) == 1
    assert field_.inside.requests == []


@pytest.mark.parametrize(
    "host",
    [
        INSIDE, "localhost", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
        "017700000001", "127.1", "127.0.1", "0", "[::1]", "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]", "LOCALHOST", "127.0.0.1.",
    ],
)  # fmt: skip
async def test_no_way_to_write_an_address_inside_leads_there(
    host: str,
) -> None:
    # given the machine's own resolver, and a server that listens
    async with listening() as inside, HttpClient(Settings(_env_file=None)) as http:
        with pytest.raises(Unavailable):
            await post(http, f"http://{host}:{inside.port}/in")
    assert inside.requests == []


# --- the hosts that are allowed -------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "called"),
    [
        ((NAME,), True),
        (("*.acme.example",), True),
        (("*",), True),
        (("other.example", "*.other.example"), False),
        (("acme.example",), False),
        (("*.hooks.acme.example",), False),
        ((), False),
    ],
)
async def test_only_hosts_that_are_allowed_are_called_or_even_asked_for(
    field_: Field, hosts: tuple[str, ...], called: bool
) -> None:
    names = Names([[OUTSIDE]])
    settings = Settings(_env_file=None, outgoing_hosts=hosts)
    async with HttpClient(settings, resolve=names) as http:
        if called:
            assert (await post(http, field_.url)).status == 200
        else:
            with pytest.raises(HostRefused, match="not allowed"):
                await post(http, field_.url)
    assert len(field_.outside.requests) == len(names.asked) == called


@pytest.mark.parametrize(
    "url",
    [
        f"http://{NAME.upper()}/in", f"http://{NAME}./in", f"http://u:p@{NAME}:8080/in",
    ],
)  # fmt: skip
def test_a_host_is_known_however_it_is_written(url: str) -> None:
    assert may_be_called(url, [NAME])


@pytest.mark.parametrize(
    "url",
    [
        f"http://{NAME}.evil.example/", f"http://evil.example/{NAME}",
        f"http://{NAME}@evil.example/", f"http://evil.example#{NAME}",
        f"http://evil.example?{NAME}", f"http://evil-{NAME}/", "http:///in", "", NAME,
        "http://[::1/", f"http://{NAME}\\@evil.example/",
    ],
)  # fmt: skip
def test_nothing_passes_for_a_host_that_is_allowed(url: str) -> None:
    assert not may_be_called(url, [NAME, f"*.{NAME}"])


async def test_a_redirect_leads_to_no_other_host(field_: Field) -> None:
    location = f"http://other.example:{field_.outside.port}/"
    field_.outside.answer = Answer(302, "", {"Location": location})
    async with calling([OUTSIDE], outgoing_hosts=(NAME,)) as http:
        assert (await post(http, field_.url)).status == 302
    assert len(field_.outside.requests) == 1


async def test_a_host_that_is_not_allowed_is_refused_when_it_is_named(
    api: ApiClient,
) -> None:
    # given an installation that calls one host
    with api.with_settings(outgoing_hosts=(NAME,)):
        async with api.as_(
            "operator_admin", organisation=uuid7(), kind="operator"
        ) as acme:
            # when another is named as a receiver
            endpoint = {"url": "https://other.example/in"}
            refused = await acme.post("/webhook-endpoints", json=endpoint)
            # then that is refused, and nothing is there
            assert (refused.status_code, code_of(refused)) == (
                422,
                "invalid_webhook_url",
            )
            (wrong,) = refused.json()["errors"]
            assert (wrong["field"], wrong["code"]) == ("url", "host_not_allowed")
            assert (await acme.get("/webhook-endpoints")).json()["items"] == []
            # and the one is taken
            taken = {"url": f"https://{NAME}/in"}
            added = await acme.post("/webhook-endpoints", json=taken)
            assert added.status_code == 201
            # but cannot be led elsewhere afterwards
            path = f"/webhook-endpoints/{added.json()['endpoint']['id']}"
            led = await acme.patch(path, json=endpoint)
            assert led.status_code != 200


# --- TLS ------------------------------------------------------------------------------


def a_certificate(directory: Path, name: str) -> Path:
    """Write a key and a certificate of its own for that name into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize(
    ("certified", "answers"), [(NAME, True), ("other.example", False)]
)
async def test_over_tls_the_name_is_asked_for_and_its_certificate_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certified: str, answers: bool
) -> None:
    # given a server at the address, with the name's certificate or another's
    monkeypatch.setattr(client, "is_public", lambda address: address == OUTSIDE)
    certificate = a_certificate(tmp_path, certified)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with listening(OUTSIDE, tls=context) as outside, calling([OUTSIDE]) as http:
        url = f"https://{NAME}:{outside.port}/in"
        if answers:
            assert (await post(http, url)).status == 200
        else:
            with pytest.raises(Unavailable, match="certificate"):
                await post(http, url)
    assert asked == [NAME]
    assert len(outside.requests) == (1 if answers else 0)


# --- addresses ------------------------------------------------------------------------

NOT_PUBLIC = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fd00::1"],
    "link-local": ["169.254.1.1", "fe80::1", "fe80::1%eth0", "fec0::1"],
    "cloud metadata": [
        "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200",
        "168.63.129.16", "fd20:ce::254",
    ],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "IPv4 within IPv6": [
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::a00:1",
        "::ffff:0:10.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    ],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1"],
    "Teredo": ["2001:0:7f00:1::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "reserved": [
        "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.88.99.1", "5f00::1",
    ],
    "documentation": ["192.0.2.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
}  # fmt: skip


@pytest.mark.parametrize("kind", NOT_PUBLIC)
def test_such_addresses_are_not_public(kind: str) -> None:
    assert [each for each in NOT_PUBLIC[kind] if is_public(each)] == []


def test_of_ipv6_only_what_is_assigned_to_everybody_is_public() -> None:
    of_each = [str(ipaddress.IPv6Address((top << 124) + 1)) for top in range(16)]
    assert [each for each in of_each if is_public(each)] == ["2000::1", "3000::1"]
    assert is_public("2606:4700::1111")
    assert is_public("2a00:1450:4001::200e")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.0.0.7", "169.254.169.254", "2130706433", "0x7f.1",
        "0177.0.0.1", "[::1]", "[fd00:ec2::254]", "[::ffff:10.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
    ],
)  # fmt: skip
async def test_an_endpoint_inside_is_refused_when_it_is_named(
    api: ApiClient, host: str
) -> None:
    organisation = uuid7()
    async with api.as_(
        "operator_admin", organisation=organisation, kind="operator"
    ) as acme:
        refused = await acme.post(
            "/webhook-endpoints", json={"url": f"https://{host}/in"}
        )
        assert (refused.status_code, code_of(refused)) == (422, "invalid_webhook_url")
        assert [each["code"] for each in refused.json()["errors"]] == [
            "address_refused"
        ]
        # then nothing is there
        assert (await acme.get("/webhook-endpoints")).json()["items"] == []
