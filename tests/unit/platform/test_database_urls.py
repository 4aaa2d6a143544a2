"""What a database's URL says of TLS, and what is made of it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from robosure.platform.database.connecting import _apart
from robosure.platform.settings import Settings
from tests.tls import Authority

URL = "postgresql://robosure:9f%3F2b@db:5432/x"


@pytest.mark.parametrize(
    ("said", "left", "tls"),
    [
        ("", "", {}),
        ("?host=/run/postgresql", "?host=/run/postgresql", {}),
        ("?sslmode=require", "", {"ssl": "require"}),
        ("?ssl=disable", "", {"ssl": "disable"}),
        ("?ssl=prefer&application_name=a", "?application_name=a", {"ssl": "prefer"}),
    ],
)
def test_what_is_said_of_tls_is_taken_out_of_the_url(
    said: str, left: str, tls: dict[str, Any]
) -> None:
    assert _apart(f"{URL}{said}") == (f"{URL}{left}", tls)


@pytest.mark.parametrize(
    ("mode", "named"), [("verify-full", True), ("verify-ca", False)]
)
@pytest.mark.parametrize("word", ["ssl", "sslmode"])
def test_a_certificate_is_checked_by_the_systems_authorities_and_ours(
    tmp_path: Path, word: str, mode: str, named: bool
) -> None:
    authority = Authority(tmp_path)
    for said, more in (
        ("", 0),
        ("&sslrootcert=system", 0),
        (f"&sslrootcert={authority.ca_file}", 1),
    ):
        plain, arguments = _apart(f"{URL}?{word}={mode}{said}")
        context = arguments["ssl"]
        assert plain == URL
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname is named
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        system = ssl.create_default_context().cert_store_stats()["x509_ca"]
        assert context.cert_store_stats()["x509_ca"] == system + more


@pytest.mark.parametrize(
    ("said", "completed"),
    [
        ("?sslmode=verify-full", "?sslmode=verify-full&sslrootcert={}"),
        ("?ssl=verify-ca", "?ssl=verify-ca&sslrootcert={}"),
        (
            "?sslmode=verify-full&sslrootcert=/own.pem",
            "?sslmode=verify-full&sslrootcert=/own.pem",
        ),
        ("?sslmode=require", "?sslmode=require"),
        ("", ""),
    ],
)
def test_the_file_of_authorities_completes_a_url_that_names_none(
    tmp_path: Path, said: str, completed: str
) -> None:
    values: dict[str, Any] = {"database_url": f"{URL}{said}"}
    ca_file = Authority(tmp_path).ca_file
    settings = Settings(_env_file=None, ca_file=ca_file, **values)
    assert settings.sync_database_url == f"{URL}{completed.format(ca_file)}"
    without = Settings(_env_file=None, **values)
    assert without.sync_database_url == f"{URL}{said}"
