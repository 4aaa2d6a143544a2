"""Identity providers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from robosure.contexts.identity.domain import (
    SUBJECT,
    Connection,
    IdentityProvider,
    ProviderEndpoints,
    ProviderKind,
    RoleRules,
)
from robosure.contexts.identity.schemas.fields import (
    INSURER,
    NOON,
    PROVIDER,
    Name,
    Word,
    example,
)
from robosure.contexts.identity.service.single_sign_on import redirect_uri
from robosure.kernel.urls import LONGEST_URL
from robosure.platform.http import InputModel, OutputModel

_TRAITS: Final = ("name", "enabled", "just_in_time")
_RULES: Final = {
    "roles_claim": "claim", "role_mapping": "mapping", "default_roles": "default",
}  # fmt: skip
_CONNECTION: Final = ("issuer", "endpoints", "subject_claim", "client_id", "scopes")
_OPENID_SCOPES: Final = ("openid", "email", "profile")
_DESCRIBED: dict[str, Any] = {
    "name": "Company account",
    "kind": "oidc",
    "issuer": "https://login.example.com/acme",
    "client_id": "robosure",
    "scopes": ["openid", "email", "profile"],
    "roles_claim": "groups",
    "role_mapping": {"robot-insurance-admins": ["admin"]},
    "default_roles": [],
    "enabled": True,
    "just_in_time": True,
}

Url = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_URL)]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]*$")
]
Scope = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]{1,200}$")]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=1_024)]
Roles = Annotated[list[Word], Field(max_length=16)]
RoleMapping = Annotated[dict[Text, Roles], Field(max_length=200)]


class EndpointsIn(InputModel):
    """Where a provider of plain OAuth 2 is asked."""

    authorization: Url = Field(description="Where browsers are sent.")
    token: Url = Field(description="Where a code is exchanged.")
    userinfo: Url = Field(description="Where the claims about somebody are.")


class IdentityProviderIn(InputModel):
    """Somebody who may say who your organisation's people are."""

    model_config = ConfigDict(
        json_schema_extra=example(**_DESCRIBED, client_secret="shown by the provider")  # nosec B106 # noqa: S106 - an example
    )

    name: Name = Field(description="People choose by it; unique in the organisation.")
    kind: ProviderKind = Field(
        description="`oidc`: OpenID Connect, which tells everything else itself. "
        "`oauth2`: OAuth 2 with an endpoint that says who somebody is."
    )
    issuer: Url | None = Field(
        default=None,
        description="Of an `oidc` provider, below which its "
        "`/.well-known/openid-configuration` is. Of an `oauth2` one, what its answers "
        "call it, if they do.",
    )
    endpoints: EndpointsIn | None = Field(
        default=None, description="Of an `oauth2` provider."
    )
    subject_claim: Text = Field(
        default=SUBJECT,
        description="Names somebody for good; of an `oauth2` provider it may be "
        "another one, such as `id`. Never one that changes hands, such as an address.",
    )
    client_id: Text
    client_secret: Secret = Field(description="Kept encrypted, and never shown again.")
    scopes: list[Scope] | None = Field(
        default=None,
        max_length=32,
        description="What is asked for; by default `openid email profile` of an `oidc` "
        "provider, and nothing of another.",
    )
    roles_claim: Text | None = Field(
        default=None,
        description="The claim that holds groups or roles; dots lead into objects: "
        "`realm_access.roles`.",
    )
    role_mapping: RoleMapping = Field(
        default={}, description="From a value of that claim to roles here."
    )
    default_roles: Roles = Field(
        default=[],
        description="Where no value fits. Without any, such people are refused.",
    )
    enabled: bool = Field(default=True, description="Whether anybody signs in by it.")
    just_in_time: bool = Field(
        default=True, description="Whether who has no account gets one."
    )

    def connection(self) -> Connection:
        """Return how to ask it."""
        fallback = _OPENID_SCOPES if self.kind is ProviderKind.OIDC else ()
        return Connection(
            issuer=self.issuer,
            endpoints=_endpoints(self.endpoints),
            subject_claim=self.subject_claim,
            client_id=self.client_id,
            scopes=fallback if self.scopes is None else tuple(self.scopes),
        )

    def rules(self) -> RoleRules:
        """Return which roles its people have."""
        return RoleRules(
            self.roles_claim, _mapping(self.role_mapping), tuple(self.default_roles)
        )


class IdentityProviderChange(InputModel):
    """What is to change about a provider; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra=example(
            role_mapping={"robot-insurance-admins": ["admin"]}, enabled=True
        )
    )

    name: Name | None = None
    issuer: Url | None = Field(
        default=None, description="Another one needs `client_secret`, too."
    )
    endpoints: EndpointsIn | None = Field(
        default=None, description="Other ones need `client_secret`, too."
    )
    subject_claim: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    scopes: list[Scope] | None = Field(default=None, max_length=32)
    roles_claim: Text | None = Field(
        default=None, description="Null, to look at no claim any more."
    )
    role_mapping: RoleMapping | None = Field(
        default=None, description="All of the new one."
    )
    default_roles: Roles | None = Field(
        default=None, description="All of the new ones."
    )
    enabled: bool | None = None
    just_in_time: bool | None = None

    def traits(self) -> dict[str, Any]:
        """Return what is given of what it is."""
        return self._given(*_TRAITS)

    def connection(self) -> dict[str, Any]:
        """Return what is given of how to ask it."""
        given = self._given(*_CONNECTION)
        if self.endpoints is not None:
            given["endpoints"] = _endpoints(self.endpoints)
        if self.scopes is not None:
            given["scopes"] = tuple(self.scopes)
        return given

    def rules(self) -> dict[str, Any]:
        """Return what is given of its people's roles."""
        given = {_RULES[name]: value for name, value in self._given(*_RULES).items()}
        if "roles_claim" in self.model_fields_set:
            given["claim"] = self.roles_claim
        if self.role_mapping is not None:
            given["mapping"] = _mapping(self.role_mapping)
        if self.default_roles is not None:
            given["default"] = tuple(self.default_roles)
        return given

    def _given(self, *names: str) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


class EndpointsOut(OutputModel):
    """Where a provider of plain OAuth 2 is asked."""

    authorization: str
    token: str
    userinfo: str


class IdentityProviderOut(OutputModel):
    """A provider, without the secret."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=PROVIDER,
            organisation_id=INSURER,
            **_DESCRIBED,
            endpoints=None,
            subject_claim="sub",
            redirect_uri=redirect_uri("https://robosure.example", UUID(PROVIDER)),
            created_at=NOON,
            version=1,
        )
    )

    id: UUID
    organisation_id: UUID
    name: str
    kind: ProviderKind
    issuer: str
    endpoints: EndpointsOut | None
    subject_claim: str
    client_id: str
    scopes: list[str]
    roles_claim: str | None
    role_mapping: dict[str, list[str]]
    default_roles: list[str]
    enabled: bool
    just_in_time: bool
    redirect_uri: str = Field(description="Tell it to the provider.")
    created_at: datetime
    version: int = Field(description="Counts changes; the ETag.")

    @classmethod
    def of(cls, provider: IdentityProvider, base_url: str) -> Self:
        """Show a provider."""
        fields = cls.model_fields.keys() - {"redirect_uri"}
        shown = {name: getattr(provider, name) for name in fields}
        return cls.model_validate(
            {**shown, "redirect_uri": redirect_uri(base_url, provider.id)}
        )


def _endpoints(endpoints: EndpointsIn | None) -> ProviderEndpoints | None:
    return None if endpoints is None else ProviderEndpoints(**dict(endpoints))


def _mapping(mapping: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {value: tuple(roles) for value, roles in mapping.items()}
