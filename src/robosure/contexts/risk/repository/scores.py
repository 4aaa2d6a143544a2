"""Scores, over SQL."""

from __future__ import annotations

from uuid import UUID

from robosure.contexts.risk.domain import Score
from robosure.kernel.errors import NotFound
from robosure.platform.database import WriteSession


class SqlScores:
    """Scores, which are only ever added."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    def add(self, score: Score) -> None:
        """Store a score."""
        self._session.add(score)

    async def get(self, score_id: UUID) -> Score:
        """Return a score.

        Raises:
            NotFound: there is none of that id.
        """
        found = await self._session.get(Score, score_id)
        if found is None:
            raise NotFound("score_not_found", score_id=score_id)
        return found
