"""Organisations, the people in them, and the keys of their machines and partners.

What each role may do is not decided here: every context states its permissions, and
the platform composes them. Identity decides who holds which role, and who may say so.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.contexts.identity.events import (
    OrganisationRegistered,
    UserChanged,
    UserRegistered,
)
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Forbidden, Invalid, InvalidState

MINIMUM_PASSWORD_LENGTH: Final = 12
USE_RESOLUTION: Final = timedelta(minutes=1)
"""How exactly the last use of an API key is known; each use is not worth a write."""

_KEY_MARK: Final = "rbs"
"""Begins every key, so that scanners for leaked secrets recognise one."""
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
_SKILL: Final = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
# ISO 3166-1 alpha-2, officially assigned.
_COUNTRIES: Final = frozenset("""
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO
BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ
DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP
GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG
KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML
MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE
PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL
SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM
US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
""".split())  # noqa: SIM905 - quoting 249 codes would help nobody  # fmt: skip


class OrganisationKind(StrEnum):
    """What part an organisation plays."""

    INSURER = "insurer"
    OPERATOR = "operator"
    MANUFACTURER = "manufacturer"


DEVICE_ROLE: Final = "device"
"""Held by machines through their keys, never by a person."""

_ADMIN: Final = "admin"

ROLES_OF_KIND: Final[Mapping[OrganisationKind, frozenset[str]]] = {
    OrganisationKind.INSURER: frozenset(
        {_ADMIN, "underwriter", "adjuster", "risk_analyst", "compliance", "support"}
    ),
    OrganisationKind.OPERATOR: frozenset({_ADMIN, "policyholder"}),
    OrganisationKind.MANUFACTURER: frozenset({_ADMIN}),
}
"""Which roles a person may hold in which kind of organisation."""

_ADMIN_OF_KIND: Final[Mapping[OrganisationKind, frozenset[str]]] = {
    OrganisationKind.INSURER: frozenset({_ADMIN}),
    OrganisationKind.OPERATOR: frozenset({"operator_admin", "policyholder"}),
    OrganisationKind.MANUFACTURER: frozenset({"manufacturer_admin"}),
}


def roles_in_effect(kind: OrganisationKind, roles: Collection[str]) -> frozenset[str]:
    """Return the roles whose permissions a person of such an organisation gets.

    ``admin`` means the insurer's wherever a permission is declared. An operator's
    admin is a policyholder who also manages colleagues, and must not, say, approve the
    claims of their own organisation; so elsewhere the role goes by another name.
    """
    held = frozenset(roles)
    return held - {_ADMIN} | _ADMIN_OF_KIND[kind] if _ADMIN in held else held


def normalised_email(email: str) -> str:
    """Return the address as it is stored and compared: case does not matter.

    Raises:
        Invalid: it is not an address.
    """
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise Invalid("invalid_email", email=email)
    return address


def check_password(password: str) -> None:
    """Refuse a password that is too short to be one.

    Raises:
        Invalid: it has fewer than twelve characters.
    """
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        raise Invalid("password_too_short", minimum=MINIMUM_PASSWORD_LENGTH)


@dataclass(eq=False, kw_only=True)
class Organisation(Aggregate):
    """An insurer, an operator of robots, or a manufacturer of them.

    Attributes:
        name: unique among organisations of its kind.
        email: where its notices go.
        country: ISO 3166-1 alpha-2.
    """

    kind: OrganisationKind
    name: str
    email: str
    country: str
    registered_at: datetime

    @classmethod
    def register(
        cls,
        *,
        kind: OrganisationKind,
        name: str,
        email: str,
        country: str,
        at: datetime,
    ) -> Organisation:
        """Take an organisation in.

        Raises:
            Invalid: the country is not one of ISO 3166-1, or the address is none.
        """
        if country not in _COUNTRIES:
            raise Invalid("unknown_country", country=country)
        organisation = cls(
            kind=kind,
            name=name,
            email=normalised_email(email),
            country=country,
            registered_at=at,
        )
        organisation.record(
            OrganisationRegistered(
                organisation_id=organisation.id,
                name=organisation.name,
                kind=organisation.kind.value,
                email=organisation.email,
                country=organisation.country,
            )
        )
        return organisation

    def is_managed_by(self, manager_id: UUID, manager_kind: OrganisationKind) -> bool:
        """Whether admins of another organisation manage this one's users and keys.

        Everyone manages their own; an insurer also those of operators and
        manufacturers, and never another insurer's.
        """
        if self.kind is OrganisationKind.INSURER:
            return manager_id == self.id
        return manager_id == self.id or manager_kind is OrganisationKind.INSURER


@dataclass(eq=False, kw_only=True)
class User(Aggregate):
    """A person who signs in.

    Attributes:
        email: lower case; unique among all users.
        password_hash: Argon2id.
        roles: sorted, at least one.
        skills: robot classes or incident types an adjuster knows, sorted.
        active: whether they may sign in.
    """

    organisation_id: UUID
    email: str
    name: str
    password_hash: str = field(repr=False)
    roles: tuple[str, ...]
    skills: tuple[str, ...]
    active: bool = True
    registered_at: datetime

    @classmethod
    def register(
        cls,
        organisation: Organisation,
        *,
        email: str,
        name: str,
        password_hash: str,
        roles: Collection[str],
        skills: Collection[str] = (),
        at: datetime,
    ) -> User:
        """Take a person into the organisation.

        Raises:
            Invalid: a role is not for this kind of organisation, there is none, a
                skill is not a name, or the address is none.
        """
        user = cls(
            organisation_id=organisation.id,
            email=normalised_email(email),
            name=name,
            password_hash=password_hash,
            roles=_roles(roles, organisation.kind),
            skills=_skills(skills),
            registered_at=at,
        )
        user.record(
            UserRegistered(
                user_id=user.id,
                organisation_id=user.organisation_id,
                email=user.email,
                name=user.name,
                roles=user.roles,
                skills=user.skills,
            )
        )
        return user

    def change(
        self,
        organisation: Organisation,
        *,
        by: UUID,
        name: str | None = None,
        roles: Collection[str] | None = None,
        skills: Collection[str] | None = None,
        active: bool | None = None,
    ) -> None:
        """Change what is given and leave the rest; tell it if anything changed.

        Nobody changes their own roles or standing, so that an organisation's only
        admin cannot lock everyone out.

        Args:
            organisation: the user's own.
            by: who changes it.
            name: as they are called.
            roles: all of the new ones.
            skills: all of the new ones.
            active: whether they may sign in.

        Raises:
            Invalid: as on registering.
            InvalidState: one would change one's own roles or standing.
        """
        before = (self.name, self.roles, self.skills, self.active)
        after = (
            self.name if name is None else name,
            self.roles if roles is None else _roles(roles, organisation.kind),
            self.skills if skills is None else _skills(skills),
            self.active if active is None else active,
        )
        if after == before:
            return
        if by == self.id and (after[1], after[3]) != (self.roles, self.active):
            raise InvalidState("own_access_unchangeable", user_id=self.id)
        self.name, self.roles, self.skills, self.active = after
        self.record(
            UserChanged(
                user_id=self.id,
                organisation_id=self.organisation_id,
                email=self.email,
                name=self.name,
                roles=self.roles,
                skills=self.skills,
                active=self.active,
            )
        )


@dataclass(eq=False, kw_only=True)
class ApiKey(Aggregate):
    """How a device or a partner's system says who it is.

    Attributes:
        name: what it is for, in its owner's words.
        prefix: the visible beginning of the key, by which people tell keys apart.
        digest: SHA-256 of the key. A salted, slow hash would protect nothing: the
            secret is 32 random bytes, which nobody can guess from a list.
        scopes: the permissions it carries, sorted.
        robot_id: the one robot it speaks for, if it is bound to one.
        last_used_at: to the minute.
    """

    organisation_id: UUID
    name: str
    prefix: str
    digest: bytes = field(repr=False)
    scopes: tuple[str, ...]
    robot_id: UUID | None
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    @classmethod
    def issue(
        cls,
        *,
        organisation_id: UUID,
        name: str,
        scopes: Collection[str],
        grantable: Collection[str],
        by: UUID,
        at: datetime,
        robot_id: UUID | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; only this once is it known in full.

        Args:
            organisation_id: whose key it is.
            name: what it is for.
            scopes: the permissions it is to carry.
            grantable: the permissions that its maker may give away.
            by: its maker.
            at: now.
            robot_id: the one robot it is to speak for.
            expires_at: when it stops working.

        Returns:
            The key as it is stored, and the key itself.

        Raises:
            Invalid: it carries nothing, or expires before it is made.
            Forbidden: it would carry what its maker may not give away.
        """
        if not scopes:
            raise Invalid("api_key_needs_scopes")
        if refused := sorted(set(scopes) - set(grantable)):
            raise Forbidden("scopes_not_grantable", scopes=", ".join(refused))
        if expires_at is not None and expires_at <= at:
            raise Invalid("expires_in_the_past", expires_at=expires_at.isoformat())
        prefix = f"{_KEY_MARK}_{secrets.token_hex(6)}"
        key = f"{prefix}_{secrets.token_urlsafe(32)}"
        issued = cls(
            organisation_id=organisation_id,
            name=name,
            prefix=prefix,
            digest=digest_of(key),
            scopes=tuple(sorted(set(scopes))),
            robot_id=robot_id,
            created_by=by,
            created_at=at,
            expires_at=expires_at,
        )
        return issued, key

    def revoke(self, at: datetime) -> None:
        """Stop it working; a key that was revoked before stays as it is."""
        self.revoked_at = self.revoked_at or at

    def usable_at(self, moment: datetime) -> bool:
        """Whether it is neither revoked nor expired at that moment."""
        if self.revoked_at is not None:
            return False
        return self.expires_at is None or moment < self.expires_at

    def use_is_news_at(self, moment: datetime) -> bool:
        """Whether a use at that moment is worth writing down."""
        used = self.last_used_at
        return used is None or moment - used >= USE_RESOLUTION


def digest_of(key: str) -> bytes:
    """Return what is stored of a key, and looked for when one is presented."""
    return hashlib.sha256(key.encode()).digest()


def _roles(roles: Collection[str], kind: OrganisationKind) -> tuple[str, ...]:
    if not roles:
        raise Invalid("user_needs_roles")
    if refused := sorted(set(roles) - ROLES_OF_KIND[kind]):
        raise Invalid(
            "role_not_for_organisation", roles=", ".join(refused), kind=kind.value
        )
    return tuple(sorted(set(roles)))


def _skills(skills: Collection[str]) -> tuple[str, ...]:
    for skill in skills:
        if not _SKILL.fullmatch(skill):
            raise Invalid("invalid_skill", skill=skill)
    return tuple(sorted(set(skills)))
