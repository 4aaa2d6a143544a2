"""How strongly a provider says that somebody proved who they are, and what will do.

A provider that says nothing is taken to have asked for a password, whenever that was
(ASVS 5.0, 6.8.4): by whom it vouches has no second factor, and has not proved anything
just now. Only what it signed counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.kernel.errors import FieldError, Forbidden, Unauthenticated

LEEWAY: Final = timedelta(seconds=60)
"""By so much a provider's clock may differ from ours."""

_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)


class Prompt(StrEnum):
    """What a provider asks of somebody who is signed in there already."""

    LOGIN = "login"
    SELECT_ACCOUNT = "select_account"


@dataclass(frozen=True)
class Said:
    """What a provider signed of how somebody proved who they are.

    Attributes:
        acr: how strongly, as one word (OpenID Connect Core 1.0, section 2).
        amr: by which methods (RFC 8176).
        authenticated_at: when.
        session: by which it knows their session there.
    """

    acr: str | None = None
    amr: tuple[str, ...] = ()
    authenticated_at: datetime | None = None
    session: str | None = None


@dataclass(frozen=True)
class Vouching:
    """What a session is known by that began by a provider.

    Attributes:
        provider_id: which one.
        said: what it signed.
        second_factor: whether that counts as one here.
        proven_at: when they proved who they are, as far as that is certain.
        ends_at: when they have to do so again; None for as long as any session.
        sign_out_url: where they sign out there, if they can.
    """

    provider_id: UUID
    said: Said
    second_factor: bool
    proven_at: datetime
    ends_at: datetime | None
    sign_out_url: str | None


@dataclass(frozen=True)
class AuthenticationRules:
    """How strongly, and how lately, a provider's people prove who they are.

    Attributes:
        acr_values: are asked for, the best one first.
        max_age: seconds since then, at the most, when they come back.
        prompt: what is asked of who is signed in there already.
        second_factor_acr: values of ``acr`` that count as a second factor.
        second_factor_amr: values of ``amr`` of which one does.
        second_factor_required: whether nobody comes in without.
        session_seconds: for so long they stay signed in at the most, since they proved
            who they are.
    """

    acr_values: tuple[str, ...] = ()
    max_age: int | None = None
    prompt: Prompt | None = None
    second_factor_acr: tuple[str, ...] = ()
    second_factor_amr: tuple[str, ...] = ()
    second_factor_required: bool = False
    session_seconds: int | None = None

    def is_second_factor(self, said: Said) -> bool:
        """Whether what a provider signed counts as one."""
        by_method = not set(self.second_factor_amr).isdisjoint(said.amr)
        return said.acr in self.second_factor_acr or by_method

    def judge(
        self,
        said: Said,
        *,
        provider_id: UUID,
        sign_out_url: str | None = None,
        at: datetime,
    ) -> Vouching:
        """Return what a session is to know, if that is enough for one.

        Raises:
            Unauthenticated: it was too long ago, or the provider does not say when.
            Forbidden: a second factor is required, and this is none.
        """
        self._check_age(said.authenticated_at, at)
        second_factor = self.is_second_factor(said)
        if self.second_factor_required and not second_factor:
            raise Forbidden(
                "sso_second_factor_required",
                acr=said.acr,
                amr=list(said.amr),
            )
        proven_at = self._proven_at(said.authenticated_at, at)
        began = at if proven_at == _UNKNOWN else proven_at
        return Vouching(
            provider_id=provider_id,
            said=said,
            second_factor=second_factor,
            proven_at=proven_at,
            ends_at=self._ends_at(began),
            sign_out_url=sign_out_url,
        )

    def _ends_at(self, began: datetime) -> datetime | None:
        if self.session_seconds is None:
            return None
        return began + timedelta(seconds=self.session_seconds)

    def broken(self, *, signs: bool) -> list[FieldError]:
        """Return what cannot be asked of a provider.

        Args:
            signs: whether it signs what it says, as plain OAuth 2 does not.
        """
        counted = self.second_factor_acr or self.second_factor_amr
        if self.second_factor_required and not counted:
            detail = "say which acr or amr counts as a second factor"
            return [_at("second_factor_required", "second_factor_unknown", detail)]
        told: dict[str, object] = {
            "acr_values": self.acr_values,
            "max_age": self.max_age,
            "second_factor_acr": self.second_factor_acr,
            "second_factor_amr": self.second_factor_amr,
        }
        detail = "plain OAuth 2 does not say how somebody signed in"
        return [
            _at(name, "openid_required", detail)
            for name, value in told.items()
            if value and not signs
        ]

    def _check_age(self, authenticated_at: datetime | None, at: datetime) -> None:
        if self.max_age is None:
            return
        if authenticated_at is None:
            raise Unauthenticated("sso_authentication_too_old", reason="no auth_time")
        if at - authenticated_at > timedelta(seconds=self.max_age) + LEEWAY:
            raise Unauthenticated("sso_authentication_too_old", max_age=self.max_age)

    def _proven_at(self, authenticated_at: datetime | None, at: datetime) -> datetime:
        if authenticated_at is not None:
            return min(authenticated_at, at)
        # A provider that was told to ask again has done so while they were away.
        return at if self.prompt is Prompt.LOGIN else _UNKNOWN


def _at(name: str, code: str, detail: str) -> FieldError:
    return FieldError(f"authentication.{name}", code, detail)
