"""Identity providers: who else may say who an organisation's people are.

A provider speaks for the organisation that names it and for no other: an identity is
the provider, an issuer and a subject together, so that nobody makes a provider that
calls itself by another's name. Never is it an e-mail address (RFC 9700; ASVS 5.0,
section 10.5).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from robosure.contexts.identity.domain.organisation import Organisation
from robosure.contexts.identity.domain.roles import check_roles
from robosure.contexts.identity.domain.vouching import AuthenticationRules
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import FieldError, Invalid
from robosure.kernel.urls import rules_broken

SUBJECT: Final = "sub"
"""The claim that names somebody at an OpenID provider."""

NO_RULES: Final = AuthenticationRules()
_OPENID: Final = "openid"


class ProviderKind(StrEnum):
    """What a provider speaks."""

    OIDC = "oidc"
    OAUTH2 = "oauth2"


@dataclass(frozen=True)
class ProviderEndpoints:
    """Where a provider of plain OAuth 2 is asked."""

    authorization: str
    token: str
    userinfo: str


@dataclass(frozen=True)
class Connection:
    """How to ask a provider.

    Attributes:
        issuer: of an OpenID provider, where it describes itself; of another, what its
            answers call it, by default the origin of where it is asked.
        endpoints: of a provider of plain OAuth 2.
        subject_claim: names somebody there, for good.
        client_id: what it knows us by.
    """

    issuer: str | None
    endpoints: ProviderEndpoints | None
    subject_claim: str
    client_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class RoleRules:
    """Which roles somebody has whom a provider vouches for.

    Attributes:
        claim: holds groups, roles or the like; None if no claim is looked at.
        mapping: from a value of that claim to roles.
        default: where no value fits; none refuses them.
    """

    claim: str | None = None
    mapping: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    default: tuple[str, ...] = ()

    @property
    def roles(self) -> frozenset[str]:
        """All roles that somebody may get."""
        mapped = {role for roles in self.mapping.values() for role in roles}
        return frozenset(mapped | set(self.default))

    def roles_for(self, values: Collection[str]) -> tuple[str, ...]:
        """Return the roles, sorted, of somebody with these values of the claim."""
        mapped = {role for each in values for role in self.mapping.get(each, ())}
        return tuple(sorted(mapped or self.default))


@dataclass(eq=False, kw_only=True)
class IdentityProvider(Aggregate):
    """Somebody who says who an organisation's people are.

    Attributes:
        name: for people, who choose by it; unique in the organisation.
        sealed_secret: proves to the provider that it is us, encrypted.
        enabled: whether anybody signs in by it.
        just_in_time: whether an account is made for whoever has none.
        authentication: how strongly, and how lately, its people prove who they are.
    """

    organisation_id: UUID
    name: str
    kind: ProviderKind
    issuer: str
    endpoints: ProviderEndpoints | None
    subject_claim: str
    client_id: str
    sealed_secret: str = field(repr=False)
    scopes: tuple[str, ...]
    roles_claim: str | None
    role_mapping: Mapping[str, tuple[str, ...]]
    default_roles: tuple[str, ...]
    enabled: bool
    just_in_time: bool
    authentication: AuthenticationRules
    created_at: datetime

    @classmethod
    def register(
        cls,
        organisation: Organisation,
        *,
        name: str,
        kind: ProviderKind,
        connection: Connection,
        sealed_secret: str,
        rules: RoleRules,
        own_roles: Collection[str] = (),
        authentication: AuthenticationRules = NO_RULES,
        enabled: bool,
        just_in_time: bool,
        private: bool,
        at: datetime,
    ) -> IdentityProvider:
        """Take one in.

        Args:
            organisation: whose people it speaks of.
            name: as people call it.
            kind: what it speaks.
            connection: how to ask it.
            sealed_secret: the client's, encrypted.
            rules: which roles its people have.
            own_roles: names of roles of the organisation's own.
            authentication: how strongly its people prove who they are.
            enabled: whether anybody signs in by it yet.
            just_in_time: whether an account is made for whoever has none.
            private: whether plain HTTP will do, too.
            at: now.

        Raises:
            Invalid: it cannot be asked like that, naming each rule that is broken; or
                a role is not for this kind of organisation.
        """
        _check(kind, connection, private=private)
        _check_authentication(kind, authentication)
        check_roles(rules.roles, organisation.kind, own_roles)
        return cls(
            organisation_id=organisation.id,
            name=name,
            kind=kind,
            issuer=_issuer_of(connection),
            endpoints=connection.endpoints,
            subject_claim=connection.subject_claim,
            client_id=connection.client_id,
            sealed_secret=sealed_secret,
            scopes=connection.scopes,
            roles_claim=rules.claim,
            role_mapping=dict(rules.mapping),
            default_roles=rules.default,
            enabled=enabled,
            just_in_time=just_in_time,
            authentication=authentication,
            created_at=at,
        )

    @property
    def connection(self) -> Connection:
        """How to ask it."""
        return Connection(
            issuer=self.issuer,
            endpoints=self.endpoints,
            subject_claim=self.subject_claim,
            client_id=self.client_id,
            scopes=self.scopes,
        )

    @property
    def rules(self) -> RoleRules:
        """Which roles its people have."""
        return RoleRules(self.roles_claim, self.role_mapping, self.default_roles)

    def connect(
        self, connection: Connection, *, sealed_secret: str | None, private: bool
    ) -> bool:
        """Ask it like that from now on; return whether its subjects are other people.

        They are where somebody else is asked, or for another claim: otherwise who may
        change a provider could have their own say that they are a colleague.

        Whoever is told to ask elsewhere is told a secret for there: otherwise who may
        change a provider could have its secret sent to themselves.

        Args:
            connection: how to ask it.
            sealed_secret: another secret, encrypted; None for the one so far.
            private: whether plain HTTP will do, too.

        Raises:
            Invalid: it cannot be asked like that; or somebody else would be, with the
                secret so far.
        """
        _check(self.kind, connection, private=private)
        issuer = _issuer_of(connection)
        elsewhere = (issuer, connection.endpoints) != (self.issuer, self.endpoints)
        if elsewhere and sealed_secret is None:
            raise _refusal(
                FieldError(
                    "client_secret",
                    "client_secret_required",
                    "another provider is not told the secret of the one so far",
                )
            )
        others = elsewhere or connection.subject_claim != self.subject_claim
        self.issuer = issuer
        self.endpoints = connection.endpoints
        self.subject_claim = connection.subject_claim
        self.client_id = connection.client_id
        self.scopes = connection.scopes
        self.sealed_secret = sealed_secret or self.sealed_secret
        return others

    def authenticate_by(self, authentication: AuthenticationRules) -> None:
        """Ask this of its people from now on, each with their next sign-in.

        Raises:
            Invalid: it cannot be asked of such a provider.
        """
        _check_authentication(self.kind, authentication)
        self.authentication = authentication

    def rule(
        self,
        rules: RoleRules,
        organisation: Organisation,
        own_roles: Collection[str] = (),
    ) -> None:
        """Give its people other roles, each with their next sign-in.

        Raises:
            Invalid: a role is not for this kind of organisation.
        """
        check_roles(rules.roles, organisation.kind, own_roles)
        self.roles_claim = rules.claim
        self.role_mapping = dict(rules.mapping)
        self.default_roles = rules.default


@dataclass(eq=False, kw_only=True)
class ExternalIdentity(Aggregate):
    """Whom a provider means by a subject.

    Attributes:
        issuer: who said so.
        subject: names them there, for good.
    """

    user_id: UUID
    provider_id: UUID
    issuer: str
    subject: str
    linked_at: datetime


def _check(kind: ProviderKind, connection: Connection, *, private: bool) -> None:
    check = _openid_broken if kind is ProviderKind.OIDC else _oauth_broken
    if broken := check(connection, private):
        raise _refusal(*broken)


def _check_authentication(kind: ProviderKind, rules: AuthenticationRules) -> None:
    if broken := rules.broken(signs=kind is ProviderKind.OIDC):
        raise _refusal(*broken)


def _openid_broken(connection: Connection, private: bool) -> list[FieldError]:  # noqa: FBT001 - of one caller
    broken = rules_broken("issuer", connection.issuer or "", plain=private)
    if "?" in (connection.issuer or ""):
        broken.append(FieldError("issuer", "query_in_issuer", "no ?query"))
    if connection.endpoints is not None:
        detail = "an OpenID provider tells them itself"
        broken.append(FieldError("endpoints", "endpoints_not_needed", detail))
    if connection.subject_claim != SUBJECT:
        detail = f"an OpenID provider's is {SUBJECT}"
        broken.append(FieldError("subject_claim", "subject_claim_fixed", detail))
    if _OPENID not in connection.scopes:
        detail = f"{_OPENID} must be among them"
        broken.append(FieldError("scopes", "openid_scope_required", detail))
    return broken


def _oauth_broken(connection: Connection, private: bool) -> list[FieldError]:  # noqa: FBT001 - of one caller
    endpoints = connection.endpoints
    if endpoints is None:
        detail = "say where to ask; only an OpenID provider tells it itself"
        return [FieldError("endpoints", "endpoints_required", detail)]
    urls = {
        "endpoints.authorization": endpoints.authorization,
        "endpoints.token": endpoints.token,
        "endpoints.userinfo": endpoints.userinfo,
    }
    if connection.issuer is not None:
        urls["issuer"] = connection.issuer
    return [
        broken
        for field_, url in urls.items()
        for broken in rules_broken(field_, url, plain=private)
    ]


def _issuer_of(connection: Connection) -> str:
    if connection.issuer is not None:
        return connection.issuer
    asked = connection.endpoints.authorization if connection.endpoints else ""
    return urlsplit(asked)._replace(path="", query="").geturl()


def _refusal(*broken: FieldError) -> Invalid:
    return Invalid("invalid_identity_provider", errors=broken)
