"""Logout tokens: a provider says that somebody's session there is over.

See OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry

from robosure.kernel.errors import Malformed
from robosure.platform.federation.tokens import ALGORITHMS, LEEWAY_SECONDS, verifying

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
OLDEST_SECONDS: Final = 300
"""Since a token was made, at the most: for longer it is remembered that it came."""

_LONGEST: Final = 500


@dataclass(frozen=True)
class LogoutNotice:
    """Whose session is over; at least one of both is there.

    Attributes:
        issuer: who says so.
        subject: everybody's of that name.
        session: the one that the provider knows by that.
        id: of the notice; each is good once.
    """

    issuer: str
    subject: str | None
    session: str | None
    id: str


def check_addressed(token: str, *, issuer: str, client_id: str) -> None:
    """Look at what a token says before anybody is asked for keys.

    Raises:
        Malformed: it is none, or of another provider, or for somebody else.
    """
    try:
        parsed = jws.extract_compact(token.encode())
        claims = orjson.loads(parsed.payload)
        algorithm = parsed.headers()["alg"]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise _refused("no token") from error
    if algorithm not in ALGORITHMS:
        raise _refused("its algorithm")
    _check_addressee(claims, issuer=issuer, client_id=client_id)


def notice_in(
    token: str,
    *,
    keys: Mapping[str, Any],
    issuer: str,
    client_id: str,
    now: datetime,
) -> LogoutNotice:
    """Return what a logout token says, having verified that its issuer says so, to us.

    Args:
        token: as it came.
        keys: the issuer's, as a JWK set.
        issuer: who must have signed it.
        client_id: for whom it must be.
        now: by which it must be new.

    Raises:
        Malformed: it is none, or not good, or an ID token.
    """
    seconds = int(now.timestamp())
    try:
        decoded = jwt.decode(token, verifying(keys), algorithms=list(ALGORITHMS))
        claims = decoded.claims
        JWTClaimsRegistry(
            now=seconds,
            leeway=LEEWAY_SECONDS,
            exp={"essential": True},
            iat={"essential": True},
            jti={"essential": True},
            events={"essential": True},
        ).validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise _refused(str(error) or type(error).__name__) from error
    _check_addressee(claims, issuer=issuer, client_id=client_id)
    events = claims["events"]
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise _refused("it is about something else")
    if "nonce" in claims:
        raise _refused("it is an ID token")
    if seconds - claims["iat"] > OLDEST_SECONDS + LEEWAY_SECONDS:
        raise _refused("it is old")
    notice = LogoutNotice(
        issuer=issuer,
        subject=_text(claims, "sub"),
        session=_text(claims, "sid"),
        id=_text(claims, "jti") or "",
    )
    if not notice.id or (notice.subject is None and notice.session is None):
        raise _refused("it names nobody")
    return notice


def _check_addressee(claims: object, *, issuer: str, client_id: str) -> None:
    said: Mapping[str, Any] = (
        cast("Mapping[str, Any]", claims) if isinstance(claims, dict) else {}
    )
    if said.get("iss") != issuer:
        raise _refused("it is of another provider")
    if said.get("aud") not in (client_id, [client_id]):
        raise _refused("it is for somebody else")


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    """Return a claim that is a text; None if it is not there.

    Raises:
        Malformed: it is something else.
    """
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise _refused(f"its {name}")
    return value


def _refused(reason: str) -> Malformed:
    return Malformed("sso_logout_refused", reason=reason[:200])
