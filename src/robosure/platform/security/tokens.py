"""Access tokens: short-lived JWTs (RFC 9068), signed with Ed25519 (EdDSA)."""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from robosure.kernel.errors import Unauthenticated
from robosure.kernel.ids import uuid7_text
from robosure.platform.security.principal import Principal
from robosure.platform.settings import Settings

_ALGORITHM: Final = "EdDSA"
_TYPE: Final = "at+jwt"
_HEADER: Final = frozenset({"alg", "kid", "typ"})
_REMEMBERED: Final = 10_000
SKEW: Final = timedelta(seconds=30)
"""How far the clocks of two processes may be apart."""


class _Verified(NamedTuple):
    """A token whose signature and claims were found good."""

    principal: Principal
    begins: float
    expires: float


class Tokens:
    """Issues and verifies access tokens.

    A verified token is remembered, as its signature stays good; when it ends is looked
    at each time.
    """

    def __init__(
        self,
        key: Ed25519PrivateKey,
        *,
        issuer: str,
        audience: str,
        lifetime: timedelta,
        others: Sequence[Ed25519PublicKey] = (),
    ) -> None:
        """Sign with a key.

        Args:
            key: signs; what it signed is good here.
            issuer: who we are.
            audience: whom tokens are for.
            lifetime: of a token.
            others: what they signed is good as well: keys from before, and to come.
        """
        self._key = key
        self._key_id = key_id(key.public_key())
        self._good = {key_id(each): each for each in (key.public_key(), *others)}
        self._issuer = issuer
        self._audience = audience
        self._verified: OrderedDict[str, _Verified] = OrderedDict()
        self.lifetime = lifetime

    @classmethod
    def from_settings(cls, settings: Settings) -> Tokens:
        """Read the keys, or make one that lives as long as this process.

        Raises:
            TypeError: a file holds another kind of key, or the first one no private
                key.
        """
        files = settings.signing_key_files
        signing = _private_key(files[0]) if files else Ed25519PrivateKey.generate()
        return cls(
            signing,
            others=[_public_key(file) for file in files[1:]],
            issuer=settings.issuer,
            audience=settings.audience,
            lifetime=timedelta(seconds=settings.access_token_seconds),
        )

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JWK set (RFC 7517), the signing one first."""
        return {
            "keys": [
                {
                    **_jwk(key),
                    "kid": each,
                    "use": "sig",
                    "alg": _ALGORITHM,
                }
                for each, key in self._good.items()
            ]
        }

    def issue(self, principal: Principal, *, now: datetime) -> str:
        """Sign a token that says who the principal is and what it may do."""
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(principal.subject),
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime,
            "jti": uuid7_text(),
            "name": principal.name,
            "org": str(principal.organisation_id),
            "org_kind": principal.organisation_kind,
            "roles": sorted(principal.roles),
            "permissions": sorted(principal.permissions),
        }
        if principal.session_id is not None:
            claims["sid"] = str(principal.session_id)
            claims["generation"] = principal.generation
        if principal.authenticated_at is not None:
            claims["auth_time"] = int(principal.authenticated_at.timestamp())
            claims["amr"] = sorted(principal.factors)
        if principal.second_factor_due:
            claims["second_factor_due"] = True
        return jwt.encode(
            claims,
            self._key,
            algorithm=_ALGORITHM,
            headers={"kid": self._key_id, "typ": _TYPE},
        )

    def verify(self, token: str, *, now: datetime) -> Principal:
        """Read a token back.

        Raises:
            Unauthenticated: it is malformed, forged, meant for another audience
                (``invalid_token``), or it has expired (``token_expired``).
        """
        verified = self._verified.get(token)
        if verified is None:
            verified = self._verify(token)
            self._verified[token] = verified
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        if now.timestamp() >= verified.expires:
            self._verified.pop(token, None)
            raise Unauthenticated("token_expired")
        if now.timestamp() < verified.begins - SKEW.total_seconds():
            raise Unauthenticated("invalid_token")
        return verified.principal

    def _verify(self, token: str) -> _Verified:
        try:
            header = jwt.get_unverified_header(token)
            # As we write it, so nothing in it can lead to another key or algorithm.
            if header.keys() != _HEADER or header["typ"] != _TYPE:
                raise Unauthenticated("invalid_token")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._good[header["kid"]],
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                # The injected clock decides above; PyJWT would ask the machine's.
                options={
                    "require": ["exp", "iat", "nbf", "sub", "org"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            begins = max(float(claims["nbf"]), float(claims["iat"]))
            expires = float(claims["exp"])
            sid, auth_time = claims.get("sid"), claims.get("auth_time")
            principal = Principal(
                subject=UUID(claims["sub"]),
                kind="user",
                name=str(claims["name"]),
                organisation_id=UUID(claims["org"]),
                organisation_kind=str(claims["org_kind"]),
                roles=frozenset(claims["roles"]),
                permissions=frozenset(claims["permissions"]),
                session_id=None if sid is None else UUID(sid),
                generation=int(claims.get("generation", 1)),
                authenticated_at=None
                if auth_time is None
                else datetime.fromtimestamp(auth_time, UTC),
                factors=frozenset(claims.get("amr", ())),
                second_factor_due=bool(claims.get("second_factor_due", False)),
            )
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated("invalid_token") from error
        return _Verified(principal, begins, expires)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the key's JWK thumbprint (RFC 7638, RFC 8037)."""
    jwk = _jwk(key)
    canonical = '{{"crv":"{crv}","kty":"{kty}","x":"{x}"}}'.format_map(jwk)
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(raw)}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _private_key(file: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{file} holds no Ed25519 private key")
    return key


def _public_key(file: Path) -> Ed25519PublicKey:
    pem = file.read_bytes()
    if b"PRIVATE KEY" in pem:
        return _private_key(file).public_key()
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError(f"{file} holds no Ed25519 public key")
    return key
