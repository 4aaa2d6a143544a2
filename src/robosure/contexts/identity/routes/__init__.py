"""Identity over HTTP: sign-in, organisations, people, keys, authority, the audit."""

from __future__ import annotations

from typing import Final

from robosure.contexts.identity.routes import (
    api_keys,
    audit,
    authority,
    identity_providers,
    organisations,
    password_letters,
    personal_data,
    roles,
    second_factor,
    sessions,
    sign_in,
    single_sign_on,
    users,
)
from robosure.platform.http import ApiRouter

router: Final = ApiRouter(tags=["identity"])
for _part in (
    sign_in,
    password_letters,
    single_sign_on,
    sessions,
    second_factor,
    roles,
    organisations,
    users,
    identity_providers,
    personal_data,
    api_keys,
    authority,
    audit,
):
    router.include_router(_part.router)
