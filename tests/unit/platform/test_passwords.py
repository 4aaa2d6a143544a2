"""Passwords: Argon2id for new ones, bcrypt for those that come from elsewhere."""

from __future__ import annotations

from unittest.mock import patch

import bcrypt
import pytest
from pwdlib import PasswordHash

from robosure.platform.security import Passwords, RoleCatalogue


def from_elsewhere(password: bytes, rounds: int = 4) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(rounds)).decode()


async def test_a_password_is_hashed_as_owasp_recommends() -> None:
    hashed = await Passwords().hash("correct horse")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hashed != await Passwords().hash("correct horse")


async def test_only_the_right_password_is_right() -> None:
    passwords = Passwords()
    hashed = await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", hashed) == (True, None)
    assert await passwords.verify("Correct horse", hashed) == (False, None)


async def test_a_bcrypt_hash_is_verified_and_upgraded() -> None:
    passwords = Passwords()
    right, better = await passwords.verify("battery", from_elsewhere(b"battery"))
    assert right
    assert better is not None
    assert better.startswith("$argon2id$")
    assert await passwords.verify("battery", better) == (True, None)
    assert await passwords.verify("staple", from_elsewhere(b"battery")) == (False, None)


async def test_a_password_longer_than_bcrypt_takes_is_wrong() -> None:
    hashed = from_elsewhere(b"x" * 72)
    assert await Passwords().verify("x" * 73, hashed) == (False, None)


async def test_an_unknown_user_costs_a_hash_and_is_never_right() -> None:
    passwords = Passwords()
    with patch.object(
        PasswordHash, "verify", autospec=True, return_value=True
    ) as asked:
        assert await passwords.verify("anything", None) == (False, None)
        assert await passwords.verify("nobody has this password", None) == (False, None)
    assert asked.call_count == 2
    assert asked.call_args.args[2].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$broken", "$2b$12$short"])
async def test_what_is_no_hash_is_never_right(stored: str) -> None:
    assert await Passwords().verify("plain", stored) == (False, None)


def test_roles_hold_what_every_context_grants_them() -> None:
    # given what two contexts declare
    catalogue = RoleCatalogue(
        [
            {"quotes:write": {"admin", "underwriter"}, "quotes:read": {"admin"}},
            {"claims:settle": ["adjuster", "admin"], "claims:audit": []},
        ]
    )
    # then
    assert catalogue.permissions == {
        "quotes:write",
        "quotes:read",
        "claims:settle",
        "claims:audit",
    }
    assert catalogue.permissions_of(["underwriter", "adjuster"]) == {
        "quotes:write",
        "claims:settle",
    }
    assert catalogue.permissions_of(["nobody"]) == catalogue.permissions_of([]) == set()
    assert list(catalogue.roles) == ["adjuster", "admin", "underwriter"]
    assert catalogue.roles["admin"] == {"quotes:write", "quotes:read", "claims:settle"}
