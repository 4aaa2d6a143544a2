"""Passwords that were found in breaches: asked of Have I Been Pwned, or of a mirror.

By its range API: of the password's SHA-1 the first five hexadecimal digits leave, and
some eight hundred or more endings come back, padded so that their number says nothing
either (https://haveibeenpwned.com/API/v3#PwnedPasswords). Whoever answers, or watches,
learns which twenty bits a password begins with, and not of whom.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final, Self

from robosure.kernel.errors import Unavailable
from robosure.kernel.ids import uuid7_text
from robosure.platform.client import HttpClient
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.settings import Settings

CHECKS: Final = counter(
    "platform_breached_password_checks_total",
    "New passwords looked for in breaches, by what came of it.",
    ["outcome"],
)
_PREFIX: Final = 5
_OK: Final = 200


class BreachedPasswords(LoggerMixin):
    """Asks whether a password is in a breach."""

    def __init__(self, http: HttpClient, *, url: str, seconds: float) -> None:
        """Ask somebody.

        Args:
            http: carries the question, and its breaker leaves alone who does not
                answer.
            url: what the five digits are added to.
            seconds: how long to wait for an answer at most.
        """
        self._http = http
        self._url = url if url.endswith("/") else f"{url}/"
        self._seconds = seconds

    @classmethod
    def of(cls, settings: Settings, http: HttpClient) -> Self | None:
        """Ask whom the settings name; None if nobody is to be asked."""
        if not settings.asks_for_breached_passwords:
            return None
        return cls(
            http,
            url=settings.breached_passwords_url,
            seconds=settings.breached_passwords_seconds,
        )

    async def has(self, password: str) -> bool:
        """Whether it was found in a breach, as far as can be learned just now.

        Where nobody answers, it is taken for one that was not: whoever runs the list
        must not keep anybody from changing a password. That is logged, and counted.
        """
        # Not to protect anything: it is how the list is kept.
        digest = hashlib.sha1(
            password.encode(errors="surrogatepass"), usedforsecurity=False
        )
        asked = digest.hexdigest().upper()
        try:
            found = await self._found(asked[:_PREFIX], asked[_PREFIX:])
        except (TimeoutError, Unavailable, ValueError) as error:
            CHECKS.labels("unanswered").inc()
            self.logger.warning(
                "platform.security.breached_passwords_unanswered",
                reason=type(error).__name__,
            )
            return False
        CHECKS.labels("breached" if found else "clean").inc()
        return found

    async def _found(self, prefix: str, ending: str) -> bool:
        """Say whether the ending is among those that come back.

        Raises:
            TimeoutError, Unavailable: nobody answers.
            ValueError: what comes back is no answer.
        """
        async with asyncio.timeout(self._seconds):
            # An id of its own, so that nothing of the request here leaves.
            headers = {"Add-Padding": "true", "X-Request-ID": uuid7_text()}
            answer = await self._http.request(
                "GET", f"{self._url}{prefix}", headers=headers
            )
        if answer.status_code != _OK:
            raise ValueError(answer.status_code)
        times = (line.partition(":") for line in answer.text.splitlines())
        counts = {each.upper(): int(count) for each, _, count in times}
        return counts.get(ending, 0) > 0  # padding was found no times
