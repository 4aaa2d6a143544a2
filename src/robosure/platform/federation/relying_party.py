"""Asking a provider: the code flow of OpenID Connect, and of OAuth 2."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import quote

import orjson
from authlib.common import urls
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749 import parameters
from authlib.oidc.discovery import get_well_known_url

from robosure.kernel.errors import DomainError, Malformed, Unauthenticated, Unavailable
from robosure.kernel.urls import rules_broken
from robosure.platform import client
from robosure.platform.client import HttpClient
from robosure.platform.federation.assertion import Assertion, Authentication
from robosure.platform.federation.flow import Answer, Flow, challenge_of
from robosure.platform.federation.logout import (
    LogoutNotice,
    check_addressed,
    notice_in,
)
from robosure.platform.federation.provider import Endpoints, Provider, Request
from robosure.platform.federation.tokens import authentication_in, claims_of
from robosure.platform.logging import LoggerMixin

_LONGEST_ANSWER: Final = 1024 * 1024
_LONGEST_SUBJECT: Final = 500
_OK: Final = 200
_SERVER_ERROR: Final = 500
_FORM: Final = "application/x-www-form-urlencoded"
_requests: Any = parameters  # has no types
_urls: Any = urls  # nor has this

Json = dict[str, Any]


class RelyingParty(LoggerMixin):
    """Sends browsers to providers, and has these say who came back."""

    def __init__(self, http: HttpClient, *, private: bool) -> None:
        """Ask providers by this client.

        Args:
            http: which keeps to public addresses.
            private: whether plain HTTP and other addresses will do, too.
        """
        self._http = http
        self._private = private

    async def authorization_url(self, provider: Provider, flow: Flow) -> str:
        """Return where a browser is to go.

        Raises:
            Unavailable: the provider does not say, or not properly.
        """
        endpoints = await self._endpoints(provider)
        url: str = _requests.prepare_grant_uri(
            endpoints.authorization,
            client_id=provider.client_id,
            response_type="code",
            redirect_uri=provider.redirect_uri,
            scope=list(provider.scopes),
            state=flow.state,
            nonce=flow.nonce,
            code_challenge=challenge_of(flow.verifier),
            code_challenge_method="S256",
            **_asked(provider.request),
        )
        return url

    async def identify(
        self, provider: Provider, flow: Flow, answer: Answer, *, now: datetime
    ) -> Assertion:
        """Return who came back, as the provider says when it is asked itself.

        Args:
            provider: the one that the flow went to.
            flow: what was remembered of it.
            answer: what the browser brought.
            now: for what expires.

        Raises:
            Unauthenticated: the answer is another provider's, or a refusal; or what
                the provider then says does not hold.
            Unavailable: the provider does not say.
        """
        endpoints = await self._endpoints(provider)
        code = _code_in(answer, provider, endpoints)
        tokens = await self._exchange(provider, endpoints, code, flow.verifier)
        access_token = tokens.get("access_token")
        if not isinstance(access_token, str):
            raise Unauthenticated("sso_code_refused", reason="no access token")
        claims: Json = {}
        authentication = Authentication()
        if endpoints.keys is not None:
            # Elsewhere, since it is the provider that says how long it takes.
            claims = await asyncio.to_thread(
                claims_of,
                tokens.get("id_token"),
                keys=await self._get(endpoints.keys),
                issuer=provider.issuer,
                client_id=provider.client_id,
                nonce=flow.nonce,
                access_token=access_token,
                now=now,
            )
            authentication = authentication_in(claims, now=now)
        if endpoints.userinfo is not None:
            bearer = {"Authorization": f"Bearer {access_token}"}
            said = await self._get(endpoints.userinfo, **bearer)
            claims = _together(claims, said)
        subject = _subject_in(claims, provider.subject_claim)
        return Assertion(
            provider.issuer,
            subject,
            claims,
            authentication,
            sign_out_url=_sign_out_url(endpoints, provider),
        )

    async def notice(
        self, provider: Provider, token: str, *, now: datetime
    ) -> LogoutNotice:
        """Return whose session is over, as a logout token says.

        Raises:
            Malformed: it is not this provider's, not for us, or not good; or its keys
                cannot be had, for then it cannot be acted upon.
        """
        issuer, client_id = provider.issuer, provider.client_id
        check_addressed(token, issuer=issuer, client_id=client_id)
        try:
            endpoints = await self._endpoints(provider)
            keys = {} if endpoints.keys is None else await self._get(endpoints.keys)
        except DomainError as error:
            raise Malformed("sso_logout_refused", reason="no keys") from error
        return await asyncio.to_thread(
            notice_in, token, keys=keys, issuer=issuer, client_id=client_id, now=now
        )

    async def _endpoints(self, provider: Provider) -> Endpoints:
        if provider.endpoints is not None:
            return provider.endpoints
        url: str = get_well_known_url(provider.issuer, external=True)
        document = await self._get(url)
        # Not the issuer that we asked for: RFC 8414, section 3.3.
        if document.get("issuer") != provider.issuer:
            raise _unusable("it calls itself another issuer")
        return Endpoints(
            authorization=self._url_in(document, "authorization_endpoint"),
            token=self._url_in(document, "token_endpoint"),
            userinfo=self._url_in(document, "userinfo_endpoint")
            if "userinfo_endpoint" in document
            else None,
            keys=self._url_in(document, "jwks_uri"),
            names_itself=document.get("authorization_response_iss_parameter_supported")
            is True,
            token_auth=_token_auth_in(document),
            end_session=self._url_in(document, "end_session_endpoint")
            if "end_session_endpoint" in document
            else None,
        )

    def _url_in(self, document: Json, name: str) -> str:
        url = document.get(name)
        if not isinstance(url, str) or rules_broken(name, url, plain=self._private):
            raise _unusable(f"no usable {name}")
        return url

    async def _exchange(
        self, provider: Provider, endpoints: Endpoints, code: str, verifier: str
    ) -> Json:
        body: str = _requests.prepare_token_request(
            "authorization_code",
            redirect_uri=provider.redirect_uri,
            code=code,
            code_verifier=verifier,
        )
        auth: Any = _client_auth(provider, endpoints.token_auth)
        headers = {"Accept": "application/json", "Content-Type": _FORM}
        url, headers, body = auth.prepare("POST", endpoints.token, headers, body)
        answer = await self._send("POST", url, headers, body.encode())
        tokens = _document(answer)
        if answer.status != _OK or "error" in tokens:
            reason = str(tokens.get("error"))[:100]
            self.logger.warning("platform.federation.code_refused", reason=reason)
            raise Unauthenticated("sso_code_refused", reason=reason)
        return tokens

    async def _get(self, url: str, **headers: str) -> Json:
        answer = await self._send("GET", url, headers)
        if answer.status != _OK:
            raise _unusable(f"answered {answer.status}")
        return _document(answer)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> client.Answer:
        answer = await self._http.send_once(
            method,
            url,
            content=content,
            headers={"Accept": "application/json", **headers},
            keep=_LONGEST_ANSWER,
            private=self._private,
        )
        if answer.status >= _SERVER_ERROR:
            raise _unusable(f"answered {answer.status}")
        return answer


def _asked(request: Request) -> dict[str, str]:
    asked = {
        "acr_values": " ".join(request.acr_values),
        "max_age": "" if request.max_age is None else str(request.max_age),
        "prompt": request.prompt or "",
    }
    return {name: value for name, value in asked.items() if value}


def _sign_out_url(endpoints: Endpoints, provider: Provider) -> str | None:
    """Return where somebody signs out (OpenID Connect RP-Initiated Logout 1.0)."""
    if endpoints.end_session is None:
        return None
    client = [("client_id", provider.client_id)]
    url: str = _urls.add_params_to_uri(endpoints.end_session, client)
    return url


def _code_in(answer: Answer, provider: Provider, endpoints: Endpoints) -> str:
    """Return the code, unless it is another provider's, or there is none.

    Raises:
        Unauthenticated: that is so.
    """
    # A provider that names itself and does not here was not the one that answered.
    if answer.issuer != provider.issuer and (answer.issuer or endpoints.names_itself):
        raise Unauthenticated("sso_wrong_issuer")
    if answer.error is not None or answer.code is None:
        raise Unauthenticated("sso_refused", reason=(answer.error or "no code")[:100])
    return answer.code


def _together(claims: Json, said: Json) -> Json:
    """Add what the userinfo endpoint says, if it is of the same person.

    See OpenID Connect Core 1.0, section 5.3.2; what was signed counts more.
    """
    if claims and said.get("sub") != claims["sub"]:
        raise Unauthenticated("sso_userinfo_of_another")
    return {**said, **claims}


def _subject_in(claims: Json, name: str) -> str:
    subject = claims.get(name)
    if isinstance(subject, int) and not isinstance(subject, bool):
        subject = str(subject)
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise Unauthenticated("sso_subject_missing", claim=name)
    return subject


def _token_auth_in(document: Json) -> str:
    """Return the way that every server knows, unless this one does not."""
    known = document.get("token_endpoint_auth_methods_supported")
    by_post, by_header = "client_secret_post", "client_secret_basic"
    if isinstance(known, list) and by_header not in known and by_post in known:
        return by_post
    return by_header


def _client_auth(provider: Provider, method: str) -> Any:
    client_id, secret = provider.client_id, provider.client_secret
    if method == "client_secret_basic":
        # Encoded as in a form before they are put together: RFC 6749, section 2.3.1.
        client_id, secret = quote(client_id, safe=""), quote(secret, safe="")
    return ClientAuth(client_id, secret, method)


def _document(answer: client.Answer) -> Json:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise _unusable("answered no JSON") from error
    if not isinstance(document, dict):
        raise _unusable("answered no JSON object")
    return cast("Json", document)


def _unusable(reason: str) -> Unavailable:
    return Unavailable("identity_provider_unusable", reason=reason)
