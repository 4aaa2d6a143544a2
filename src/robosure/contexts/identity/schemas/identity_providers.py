"""Identity providers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from robosure.contexts.identity.domain import (
    SUBJECT,
    AuthenticationRules,
    Connection,
    IdentityProvider,
    Prompt,
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
from robosure.contexts.identity.service.single_sign_on import (
    back_channel_logout_uri,
    redirect_uri,
)
from robosure.kernel.urls import LONGEST_URL
from robosure.platform.http import InputModel, OutputModel

_TRAITS: Final = ("name", "enabled", "just_in_time")
_RULES: Final = {
    "roles_claim": "claim", "role_mapping": "mapping", "default_roles": "default",
}  # fmt: skip
_CONNECTION: Final = ("issuer", "endpoints", "subject_claim", "client_id", "scopes")
_LONGEST_AGE: Final = 30 * 86_400
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
    "authentication": {
        "acr_values": [],
        "max_age": 43_200,
        "prompt": "select_account",
        "second_factor_acr": [],
        "second_factor_amr": ["mfa"],
        "second_factor_required": True,
        "session_seconds": None,
    },
}

Url = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_URL)]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]*$")
]
Scope = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]{1,200}$")]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=1_024)]
Roles = Annotated[list[Word], Field(max_length=16)]
Words = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[\x21-\x7E]{1,200}$")]],
    Field(max_length=20),
]
RoleMapping = Annotated[dict[Text, Roles], Field(max_length=200)]


class EndpointsIn(InputModel):
    """Where a provider of plain OAuth 2 is asked."""

    authorization: Url = Field(description="Where browsers are sent.")
    token: Url = Field(description="Where a code is exchanged.")
    userinfo: Url = Field(description="Where the claims about somebody are.")


class AuthenticationIn(InputModel):
    """How strongly, and how lately, a provider's people prove who they are."""

    acr_values: Words = Field(
        default=[], description="Asked for, the best one first (`acr_values`)."
    )
    max_age: Annotated[int, Field(ge=60, le=_LONGEST_AGE)] | None = Field(
        default=None,
        description="Seconds ago, at the most, that they proved it to the provider. It "
        "is asked for that, and has to say when it was.",
    )
    prompt: Prompt | None = Field(
        default=None,
        description="What the provider asks of who is signed in there: `login`, to "
        "prove again who they are; `select_account`, to say who they want to be.",
    )
    second_factor_acr: Words = Field(
        default=[], description="Values of `acr` that count as a second factor."
    )
    second_factor_amr: Words = Field(
        default=[], description="Values of `amr` of which one does, such as `mfa`."
    )
    second_factor_required: bool = Field(
        default=False, description="Whether nobody comes in without one."
    )
    session_seconds: Annotated[int, Field(ge=300, le=_LONGEST_AGE)] | None = Field(
        default=None,
        description="For so long people stay signed in at the most, since they proved "
        "to the provider who they are.",
    )

    def rules(self) -> AuthenticationRules:
        """Return what is asked of people."""
        return AuthenticationRules(
            acr_values=tuple(self.acr_values),
            max_age=self.max_age,
            prompt=self.prompt,
            second_factor_acr=tuple(self.second_factor_acr),
            second_factor_amr=tuple(self.second_factor_amr),
            second_factor_required=self.second_factor_required,
            session_seconds=self.session_seconds,
        )


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
    authentication: AuthenticationIn = Field(
        default=AuthenticationIn(),
        description="How strongly people prove to it who they are.",
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
    authentication: AuthenticationIn | None = Field(
        default=None, description="All of the new one."
    )

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


class AuthenticationOut(OutputModel):
    """How strongly, and how lately, a provider's people prove who they are."""

    acr_values: list[str]
    max_age: int | None
    prompt: Prompt | None
    second_factor_acr: list[str]
    second_factor_amr: list[str]
    second_factor_required: bool
    session_seconds: int | None


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
            back_channel_logout_uri=back_channel_logout_uri(
                "https://robosure.example", UUID(PROVIDER)
            ),
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
    authentication: AuthenticationOut
    redirect_uri: str = Field(description="Tell it to the provider.")
    back_channel_logout_uri: str = Field(
        description="Tell it to an `oidc` provider, which says there when somebody has "
        "signed out."
    )
    created_at: datetime
    version: int = Field(description="Counts changes; the ETag.")

    @classmethod
    def of(cls, provider: IdentityProvider, base_url: str) -> Self:
        """Show a provider."""
        told = {
            "redirect_uri": redirect_uri(base_url, provider.id),
            "back_channel_logout_uri": back_channel_logout_uri(base_url, provider.id),
        }
        fields = cls.model_fields.keys() - told.keys()
        shown = {name: getattr(provider, name) for name in fields}
        return cls.model_validate({**shown, **told})


def _endpoints(endpoints: EndpointsIn | None) -> ProviderEndpoints | None:
    return None if endpoints is None else ProviderEndpoints(**dict(endpoints))


def _mapping(mapping: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {value: tuple(roles) for value, roles in mapping.items()}
