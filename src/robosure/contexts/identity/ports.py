"""What identity needs from outside: where its aggregates are kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from robosure.contexts.identity.domain import (
    ApiKey,
    AuthorityLimit,
    CustomRole,
    Ending,
    ExternalIdentity,
    Factor,
    IdentityProvider,
    LetterKind,
    Organisation,
    OrganisationKind,
    PasswordLetter,
    Reading,
    SecondFactor,
    Session,
    User,
)
from robosure.platform.security import Attempt


class Organisations(Protocol):
    """The organisations of this installation."""

    async def add(self, organisation: Organisation) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: another of its kind has that name.
        """
        ...

    async def get(self, organisation_id: UUID) -> Organisation:
        """Return one.

        Raises:
            NotFound: there is none.
        """
        ...

    async def named(self, kind: OrganisationKind, name: str) -> Organisation | None:
        """Return the one of that kind and name, if there is one."""
        ...

    async def insurers(self) -> Sequence[Organisation]:
        """Return all insurers."""
        ...


class Users(Protocol):
    """Everyone who signs in."""

    async def add(self, user: User) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: another has that e-mail address.
        """
        ...

    async def get(self, user_id: UUID) -> User:
        """Return one.

        Raises:
            NotFound: there is none.
        """
        ...

    async def find(self, user_id: UUID) -> User | None:
        """Return one, if there is one."""
        ...

    async def lock(self, user: User) -> None:
        """Read one again, whom nobody else then changes before this is over."""
        ...

    async def with_email(self, email: str) -> User | None:
        """Return the one with that address, in any case, if there is one."""
        ...

    async def save(self, user: User) -> None:
        """Write a change now, so that its new version is known.

        Raises:
            Stale: someone else changed the user since it was read.
        """
        ...

    async def upgrade_password(self, user: User, password_hash: str) -> None:
        """Keep the same password under a stronger hash, unless it was just changed."""
        ...


class Attempts(Protocol):
    """The sign-ins that were tried, whose failures slow down the next."""

    async def begin(self, account: str, *, source: str) -> Attempt:
        """Count one as failed, until it is told to be right.

        Raises:
            LimitReached: it has to wait, right or wrong.
        """
        ...

    async def right(self, attempt: Attempt) -> None:
        """Forget the failures of this account from this source."""
        ...


class CustomRoles(Protocol):
    """The roles that insurers made."""

    async def add(self, role: CustomRole) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: the insurer has one of that name.
        """
        ...

    async def get_for_update(
        self, role_id: UUID, *, organisation_id: UUID
    ) -> CustomRole:
        """Return an insurer's, locked.

        Raises:
            NotFound: it has none of that id.
        """
        ...

    async def named(
        self, organisation_id: UUID, names: Collection[str]
    ) -> Sequence[CustomRole]:
        """Return those of these names that an insurer has."""
        ...

    async def hold(self, organisation_id: UUID, names: Collection[str]) -> set[str]:
        """Return which names an insurer's have; until the end nobody removes them."""
        ...

    async def save(self, role: CustomRole) -> None:
        """Write a change now, so that its new version is known."""
        ...

    async def remove(self, role: CustomRole) -> None:
        """Forget one that is locked.

        Raises:
            InvalidState: ``role_held``, somebody holds it; ``role_mapped``, a provider
                gives it.
        """
        ...


class AuthorityLimits(Protocol):
    """Who may approve how much, at each insurer."""

    async def start(self, insurer_id: UUID, limits: Sequence[AuthorityLimit]) -> None:
        """Keep what an insurer starts with, unless it has limits of any kind."""
        ...

    async def add(self, limit: AuthorityLimit) -> None:
        """Keep a new one."""
        ...

    async def get_for_update(
        self, limit_id: UUID, *, organisation_id: UUID
    ) -> AuthorityLimit:
        """Return an insurer's, locked.

        Raises:
            NotFound: it has none of that id.
        """
        ...

    async def in_force_like(self, limit: AuthorityLimit) -> AuthorityLimit | None:
        """Return the one in force for the same, locked; None if there is none."""
        ...

    async def unended_of_role(
        self, role: str, *, organisation_id: UUID
    ) -> Sequence[AuthorityLimit]:
        """Return those of a role that are proposed or in force, locked."""
        ...

    async def save(self, limit: AuthorityLimit) -> None:
        """Write a change now.

        Raises:
            Stale: another for the same was put in force meanwhile.
        """
        ...


class ApiKeys(Protocol):
    """The keys of devices and partners."""

    async def add(self, api_key: ApiKey) -> None:
        """Keep a new one."""
        ...

    async def get(self, api_key_id: UUID) -> ApiKey:
        """Return one.

        Raises:
            NotFound: there is none.
        """
        ...

    async def locked(self, api_key_id: UUID) -> ApiKey:
        """Return one, as it is now, which nobody else changes until the end.

        Raises:
            NotFound: there is none.
        """
        ...

    async def presented(self, key: str) -> ApiKey | None:
        """Return the one whose key this is, if there is one."""
        ...

    async def used(self, api_key: ApiKey, at: datetime) -> None:
        """Keep when it was used, unless a later minute is kept already."""
        ...


class Sessions(Protocol):
    """Who is signed in, and was until lately."""

    async def add(self, session: Session) -> None:
        """Keep a new one."""
        ...

    async def get(self, session_id: UUID) -> Session:
        """Return one, and let nobody else change it before this is over.

        Raises:
            NotFound: there is none.
        """
        ...

    async def prove(
        self,
        session: Session,
        factor: Factor,
        *,
        at: datetime,
        second_factor_due: bool,
    ) -> None:
        """Prove on one; tokens so far are good no longer once that is committed."""
        ...

    async def end(self, session: Session, because: Ending, *, at: datetime) -> None:
        """End one; access tokens of it are good no longer once that is committed."""
        ...

    async def end_vouched(
        self,
        provider_id: UUID,
        because: Ending,
        *,
        session: str | None,
        user_id: UUID | None,
        at: datetime,
    ) -> None:
        """End those that began by a provider.

        Args:
            provider_id: which one.
            because: why.
            session: by which it knows the one that is meant; None for any.
            user_id: whose are meant; None for anybody's.
            at: now.
        """
        ...

    async def end_all_of(
        self,
        user_id: UUID,
        because: Ending,
        *,
        at: datetime,
        but: UUID | None = None,
    ) -> None:
        """End all of somebody's, also those that are just beginning.

        Args:
            user_id: whose.
            because: why.
            at: now.
            but: one that goes on.
        """
        ...


class SecondFactors(Protocol):
    """The authenticator apps of people."""

    async def add(self, factor: SecondFactor) -> None:
        """Keep a new one.

        Raises:
            InvalidState: they have one; another request was faster.
        """
        ...

    async def of_user(self, user_id: UUID) -> SecondFactor | None:
        """Return somebody's, if they have one; nobody else changes it meanwhile."""
        ...

    async def remove(self, factor: SecondFactor) -> None:
        """Forget one."""
        ...


class Missed(Protocol):
    """The codes that were right, and not of now."""

    async def last_of(self, user_id: UUID) -> Reading | None:
        """Return somebody's, if there was one just now."""
        ...

    async def remember(self, user_id: UUID, missed: Reading) -> None:
        """Know of one, for a while."""
        ...


class PasswordLetters(Protocol):
    """Letters by which people choose a password.

    Who changes those of somebody locks that user first.
    """

    async def add(self, letter: PasswordLetter) -> None:
        """Keep a new one."""
        ...

    async def next_due(self, *, at: datetime) -> PasswordLetter | None:
        """Return one that is to be sent by then, the one asked for first."""
        ...

    async def found(self, letter_id: UUID) -> PasswordLetter | None:
        """Return one as it is now, if it is still there."""
        ...

    async def with_token(
        self, token: str, *, of: Collection[LetterKind]
    ) -> PasswordLetter | None:
        """Return the one of these kinds that a token is of, if it is of any."""
        ...

    async def newer_exists(self, letter: PasswordLetter) -> bool:
        """Say whether its user was written a later one that ends it."""
        ...

    async def forget(self, letter: PasswordLetter) -> None:
        """Forget one."""
        ...

    async def forget_all_of(
        self,
        user_id: UUID,
        *,
        of: Collection[LetterKind],
        but: PasswordLetter | None = None,
    ) -> None:
        """Forget somebody's of these kinds, but for one: their tokens are void."""
        ...


class Vault(Protocol):
    """Encrypts what must be read back."""

    def seal(self, secret: str) -> str:
        """Encrypt a secret, to be stored."""
        ...

    def open(self, sealed: str) -> str:
        """Decrypt it again.

        Raises:
            Unavailable: it was sealed with a key that is not here.
        """
        ...


class IdentityProviders(Protocol):
    """Who else may say who somebody is."""

    async def add(self, provider: IdentityProvider) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: another of the organisation's has that name.
        """
        ...

    async def get(self, provider_id: UUID) -> IdentityProvider:
        """Return one.

        Raises:
            NotFound: there is none.
        """
        ...

    async def get_for_update(self, provider_id: UUID) -> IdentityProvider:
        """Return one that is to change, once nobody comes in by it any more.

        Raises:
            NotFound: there is none.
        """
        ...

    async def save(self, provider: IdentityProvider) -> None:
        """Write a change now, so that its new version is known.

        Raises:
            AlreadyExists: another of the organisation's has that name.
            Stale: someone else changed it since it was read.
        """
        ...

    async def forget_subjects(self, provider: IdentityProvider) -> None:
        """Forget whom one means by its subjects."""
        ...

    async def remove(self, provider: IdentityProvider) -> None:
        """Forget one, and whom it means by its subjects."""
        ...


class ExternalIdentities(Protocol):
    """Whom providers mean by their subjects."""

    async def add(self, identity: ExternalIdentity) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: the same came in a moment ago.
        """
        ...

    async def find(
        self, provider_id: UUID, *, issuer: str, subject: str
    ) -> ExternalIdentity | None:
        """Return whom they mean, if anybody is known by that."""
        ...

    async def are_of(self, user_id: UUID) -> bool:
        """Say whether a provider vouches for somebody."""
        ...
