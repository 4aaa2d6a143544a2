"""Which passwords somebody may choose, whichever way they come to choose one."""

from __future__ import annotations

from collections.abc import Iterable

from robosure.contexts.identity.domain import breached_password, check_password
from robosure.platform.security import Passwords


async def check_new_password(
    password: str, *, passwords: Passwords, about: Iterable[str]
) -> None:
    """Refuse a password that others would try.

    Args:
        password: as it was typed.
        passwords: know which are common, and who knows which were in breaches.
        about: the person's e-mail address, their name, and their organisation's.

    Raises:
        Invalid: see :func:`check_password`; or it was found in a breach.
    """
    check_password(password, common=await passwords.common(), about=about)
    if await passwords.is_breached(password):
        raise breached_password()
