"""A provider of our own, for what a real one will not do."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

from tests.integration.contexts.notifications.receiver import (
    Answer,
    Receiver,
    Request,
    listening,
)

CLIENT_ID: Final = "robosure"
CLIENT_SECRET: Final = "the client's own secret, long enough for HS256"
ACCESS_TOKEN: Final = "an access token"

Json = dict[str, Any]


@dataclass
class Impostor:
    """Says what it is told to say.

    Attributes:
        claims: changes to those of its ID tokens; None takes one away.
        metadata: the same, of what it says of itself.
        signed: makes the ID token of the claims.
        userinfo: what is answered there.
        paths: where it was asked, in order.
    """

    receiver: Receiver
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    claims: Json = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)
    signed: Callable[[Json], str] | None = None
    userinfo: Json | None = None
    token_answer: Answer | None = None
    nonce: str = ""
    paths: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.receiver.port}"

    @property
    def public_key(self) -> Json:
        return {**self.key.as_dict(private=False), "use": "sig", "kid": "one"}

    def sign(self, claims: Json) -> str:
        """Sign as it should be."""
        header = {"alg": "ES256", "kid": "one"}
        return jwt.encode(header, claims, self.key, algorithms=["ES256"])

    def sign_alike(self, claims: Json, secret: bytes) -> str:
        """Sign with what everybody knows, or two do; no library would."""
        signed = f"{_part({'alg': 'HS256'})}.{_part(claims)}"
        digest = hmac.digest(secret, signed.encode(), "sha256")
        return f"{signed}.{_written(digest)}"

    def leave_unsigned(self, claims: Json) -> str:
        """Sign by no algorithm."""
        return f"{_part({'alg': 'none'})}.{_part(claims)}."

    def id_token(self) -> str:
        now = int(time.time())
        claims: Json = {
            "iss": self.issuer,
            "sub": "ada",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": self.nonce,
            "name": "Ada Lovelace",
            "email": "ada@robosure.example",
            "groups": ["claims-team"],
        }
        claims = {k: v for k, v in {**claims, **self.claims}.items() if v is not None}
        return (self.signed or self.sign)(claims)

    async def behave(self, request: Request) -> Answer:
        path = urlsplit(request.path).path
        self.paths.append(path)
        if path == "/token":
            if self.token_answer is not None:
                return self.token_answer
            assert parse_qs(request.body.decode())["code_verifier"]
            return _json(
                access_token=ACCESS_TOKEN, token_type="Bearer", id_token=self.id_token()
            )
        if path == "/jwks":
            return _json(keys=[self.public_key])
        if path == "/userinfo":
            assert request.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"
            return _json(**(self.userinfo or {}))
        return _json(**self._metadata())

    def _metadata(self) -> Json:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            **(
                {}
                if self.userinfo is None
                else {"userinfo_endpoint": f"{self.issuer}/userinfo"}
            ),
            **self.metadata,
        }
        return {k: v for k, v in document.items() if v is not None}


def _part(document: Json) -> str:
    return _written(json.dumps(document).encode())


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _json(**document: Any) -> Answer:
    return Answer(body=json.dumps(document))


@asynccontextmanager
async def an_impostor() -> AsyncIterator[Impostor]:
    async with listening() as receiver:
        impostor = Impostor(receiver)
        receiver.behaviour = impostor.behave
        yield impostor
