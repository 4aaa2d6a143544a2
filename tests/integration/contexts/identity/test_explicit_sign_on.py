"""Nobody gets a session without wanting one (ASVS 5.0, 7.6.2)."""

from __future__ import annotations

import pytest

from tests.integration.contexts.identity.sign_on import (
    COOKIE,
    HOME,
    PAGE,
    House,
    button_of,
    leaves,
    presses,
    signs_in,
)
from tests.journey import answered
from tests.oidc_provider import RealProvider
from tests.support import code_of


async def test_a_link_leads_to_a_button_and_to_no_provider(
    house: House, real: RealProvider
) -> None:
    # given somebody who is signed in at their provider
    real.knows("ada", name="Ada", email="ada@robosure.example", groups=["desk"])
    provider = await house.is_client_of(real, name="<b>Company & Co</b>")
    browser = house.browser()
    answered(await signs_in(browser, provider), 200)
    # when a page that they look at sends them here
    answer = await browser.client.get(button_of(provider))
    # then they are asked, and no session is on its way
    assert answer.status_code == 200
    assert COOKIE not in answer.cookies
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<form method="post">' in answer.text
    assert "Continue with &lt;b&gt;Company &amp; Co&lt;/b&gt;" in answer.text
    # on a page that nobody can frame, and whose form says where it comes from
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", f"{HOME}.evil.example", "*", ""]
)
async def test_a_form_of_a_page_that_is_not_known_sends_nobody_anywhere(
    house: House, real: RealProvider, origin: str | None
) -> None:
    provider = await house.is_client_of(real)
    answer = await presses(house.browser(), provider, origin)
    assert (answer.status_code, code_of(answer)) == (403, "sso_not_asked_for")
    assert COOKIE not in answer.cookies


@pytest.mark.parametrize("origin", [HOME, PAGE])
async def test_a_button_of_a_page_that_is_known_does(
    house: House, real: RealProvider, origin: str
) -> None:
    provider = await house.is_client_of(real)
    answer = await presses(house.browser(), provider, origin)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{real.issuer}/auth?")


async def test_a_round_trip_is_not_silent_where_the_provider_is_to_ask(
    house: House, real: RealProvider
) -> None:
    # given somebody who is signed in at a provider that is to ask them again
    real.knows("ada", name="Ada", email="ada@robosure.example", groups=["desk"])
    ask = {"prompt": "login"}
    provider = await house.is_client_of(real, authentication=ask)
    browser = house.browser()
    answered(await signs_in(browser, provider), 200)
    # when they come there again
    answer = await browser.client.get(await leaves(browser, provider))
    # then it does not send them back at once
    assert answer.is_redirect
    asked = answer.url.join(answer.headers["location"])
    assert str(asked).startswith(f"{real.issuer}/interaction/")
