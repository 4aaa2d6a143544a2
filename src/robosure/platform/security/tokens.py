"""Access tokens: short-lived JWTs (RFC 9068), signed with Ed25519 (EdDSA)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from robosure.kernel.errors import Unauthenticated
from robosure.kernel.ids import uuid7
from robosure.platform.security.principal import Principal
from robosure.platform.settings import Settings

_ALGORITHM: Final = "EdDSA"
_TYPE: Final = "at+jwt"
_REMEMBERED: Final = 10_000


class _Verified(NamedTuple):
    """A token whose signature and claims were found good."""

    principal: Principal
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
    ) -> None:
        self._key = key
        self._public = key.public_key()
        raw = self._public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._key_id = hashlib.sha256(raw).hexdigest()[:16]
        self._issuer = issuer
        self._audience = audience
        self._verified: OrderedDict[str, _Verified] = OrderedDict()
        self.lifetime = lifetime

    @classmethod
    def from_settings(cls, settings: Settings) -> Tokens:
        """Read the signing key, or make one that lives as long as this process."""
        key = Ed25519PrivateKey.generate()
        if settings.signing_key_file is not None:
            loaded = load_pem_private_key(settings.signing_key_file.read_bytes(), None)
            if not isinstance(loaded, Ed25519PrivateKey):
                message = f"{settings.signing_key_file} holds no Ed25519 private key"
                raise TypeError(message)
            key = loaded
        return cls(
            key,
            issuer=settings.issuer,
            audience=settings.audience,
            lifetime=timedelta(seconds=settings.access_token_seconds),
        )

    def issue(self, principal: Principal, *, now: datetime) -> str:
        """Sign a token that says who the principal is and what it may do."""
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(principal.subject),
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime,
            "jti": str(uuid7()),
            "name": principal.name,
            "org": str(principal.organisation_id),
            "org_kind": principal.organisation_kind,
            "roles": sorted(principal.roles),
            "permissions": sorted(principal.permissions),
        }
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
        return verified.principal

    def _verify(self, token: str) -> _Verified:
        try:
            header = jwt.get_unverified_header(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                # The injected clock decides above; PyJWT would ask the machine's.
                options={
                    "require": ["exp", "iat", "sub", "org"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            if header.get("typ") != _TYPE:
                raise Unauthenticated("invalid_token")
            expires = float(claims["exp"])
            principal = Principal(
                subject=UUID(claims["sub"]),
                kind="user",
                name=str(claims["name"]),
                organisation_id=UUID(claims["org"]),
                organisation_kind=str(claims["org_kind"]),
                roles=frozenset(claims["roles"]),
                permissions=frozenset(claims["permissions"]),
            )
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated("invalid_token") from error
        return _Verified(principal, expires)
