"""ID tokens: what an OpenID provider signs (OpenID Connect Core 1.0, section 3.1.3.7).

Authlib judges the claims, and joserfc, on which it stands, the signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from robosure.kernel.errors import Unauthenticated
from robosure.platform.federation.assertion import Authentication

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512",
    "EdDSA", "Ed25519",
)  # fmt: skip
"""Those in which whoever can verify cannot sign."""

LEEWAY_SECONDS: Final = 60
MOST_KEYS: Final = 50
_MOST_METHODS: Final = 50
_ASYMMETRIC: Final = frozenset({"RSA", "EC", "OKP"})
_PUBLIC: Final = frozenset(
    {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use", "key_ops"}
)
"""What is read of a key. Of a private one it would take long to see that it is one."""


def claims_of(
    id_token: object,
    *,
    keys: Mapping[str, Any],
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str,
    now: datetime,
) -> dict[str, Any]:
    """Return what an ID token says, having verified that its issuer says so, to us.

    Args:
        id_token: as it came from the token endpoint.
        keys: the issuer's, as a JWK set.
        issuer: who must have signed it.
        client_id: for whom it must be.
        nonce: to what it must be the answer.
        access_token: that came with it; compared with ``at_hash`` if that is there.
        now: by which it must not have expired.

    Raises:
        Unauthenticated: it is none, or not good, or not for this.
    """
    try:
        token = jwt.decode(str(id_token), verifying(keys), algorithms=list(ALGORITHMS))
        claims: Any = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": client_id},
                "sub": {"essential": True},
            },
            params={
                "nonce": nonce,
                "client_id": client_id,
                "access_token": access_token,
            },
        )
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        reason = str(error) or type(error).__name__
        raise Unauthenticated("sso_id_token_refused", reason=reason) from error
    return dict(claims)


def authentication_in(claims: Mapping[str, Any], *, now: datetime) -> Authentication:
    """Return what an ID token says of how somebody signed in.

    Raises:
        Unauthenticated: it says what cannot be.
    """
    acr, amr, session = claims.get("acr"), claims.get("amr"), claims.get("sid")
    methods = cast("Sequence[object]", amr)[:_MOST_METHODS] if amr else ()
    return Authentication(
        acr=acr if isinstance(acr, str) else None,
        amr=tuple(each for each in methods if isinstance(each, str)),
        authenticated_at=_time_in(claims.get("auth_time"), now),
        session=session if isinstance(session, str) else None,
    )


def _time_in(said: object, now: datetime) -> datetime | None:
    if said is None:
        return None
    latest = now.timestamp() + LEEWAY_SECONDS
    if not isinstance(said, int | float) or not 0 <= said <= latest:
        raise Unauthenticated("sso_id_token_refused", reason="its auth_time")
    return datetime.fromtimestamp(int(said), UTC)


def verifying(keys: Mapping[str, Any]) -> KeySet:
    """Return a provider's keys, those that verify and do not sign.

    Raises:
        ValueError: there are too many, or one that signs is shown to everybody.
    """
    listed = keys.get("keys")
    found = cast("Sequence[object]", listed) if isinstance(listed, list) else ()
    if len(found) > MOST_KEYS:
        raise ValueError(f"more than {MOST_KEYS} keys")
    asymmetric = [
        cast("dict[str, Any]", each)
        for each in found
        if isinstance(each, dict)
        and cast("dict[str, Any]", each).get("kty") in _ASYMMETRIC
    ]
    if any("d" in each for each in asymmetric):
        raise ValueError("a private key among the keys")
    return KeySet.import_key_set(
        {
            "keys": [
                {name: value for name, value in each.items() if name in _PUBLIC}
                for each in asymmetric
                if each.get("use", "sig") == "sig"
            ]
        }
    )
