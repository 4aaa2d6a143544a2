"""Organisations: insurers, operators of robots, and manufacturers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.contexts.identity.events import OrganisationRegistered
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Invalid

_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
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


def normalised_email(email: str) -> str:
    """Return the address as it is stored and compared: case does not matter.

    Raises:
        Invalid: it is not an address.
    """
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise Invalid("invalid_email")
    return address


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
