"""What an installation starts with."""

from __future__ import annotations

from robosure.contexts.identity.domain import (
    AuthorityLimit,
    Organisation,
    OrganisationKind,
    User,
)
from robosure.contexts.identity.repository import (
    SqlAuthorityLimits,
    SqlOrganisations,
    SqlUsers,
)
from robosure.contexts.identity.service.new_passwords import check_new_password
from robosure.kernel.time import SystemClock
from robosure.platform.client import HttpClient
from robosure.platform.database import Database
from robosure.platform.logging import DomainLogger
from robosure.platform.security import BreachedPasswords, Passwords
from robosure.platform.settings import Settings


async def seed(database: Database, settings: Settings) -> None:
    """Write what an installation starts with: its insurer, and an admin to sign in.

    Every insurer that has no authority limits gets those to start with, too. What
    exists already stays as it is. There is a first admin only where there has never
    been anybody. Without a password in the settings there is no
    admin, since one with a known password would be worse than none.

    Raises:
        Invalid: the settings name no country or address, or a password that is refused.
    """
    log = DomainLogger("identity", "seed")
    clock = SystemClock()
    async with database.write() as session:
        organisations, users = SqlOrganisations(session), SqlUsers(session)
        insurer = await organisations.named(
            OrganisationKind.INSURER, settings.insurer_name
        )
        if insurer is None:
            insurer = Organisation.register(
                kind=OrganisationKind.INSURER,
                name=settings.insurer_name,
                email=settings.admin_email,
                country=settings.insurer_country,
                at=clock.now(),
            )
            await organisations.add(insurer)
            log.completed("insurer_registration", name=insurer.name)
        limits = SqlAuthorityLimits(session)
        for each in await organisations.insurers():
            standard = AuthorityLimit.standard(each.id, at=clock.now())
            await limits.start(each.id, standard)
        if settings.admin_password is None:
            log.refused("admin_registration", reason="no ROBOSURE_ADMIN_PASSWORD set")
            return
        if await users.any_of(insurer.id):
            return  # one who was erased must not come back with the first password
        password = settings.admin_password.get_secret_value()
        async with HttpClient(settings) as http:
            passwords = Passwords(BreachedPasswords.of(settings, http))
            await check_new_password(
                password,
                passwords=passwords,
                about=(settings.admin_email, insurer.name),
            )
        admin = User.register(
            insurer,
            email=settings.admin_email,
            name="Administrator",
            password_hash=await passwords.hash(password),
            roles=["admin"],
            at=clock.now(),
        )
        await users.add(admin)
        log.completed("admin_registration", user_id=str(admin.id))
