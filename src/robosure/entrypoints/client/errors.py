"""Why a client cannot go on."""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """A client cannot go on; the text is for the person who runs it."""


class RefusedError(ClientError):
    """The API refused; the text has its whole answer.

    Attributes:
        status: of the answer.
        problem: the problem document, or nothing if there is none.
    """

    def __init__(self, message: str, *, status: int, problem: dict[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem

    @property
    def reason(self) -> str:
        """What the problem document says, in a line."""
        if not self.problem:
            return str(self)
        said = str(self.problem.get("detail") or self.problem.get("title"))
        fields = [
            f"{each['field']}: {each['detail']}"
            for each in self.problem.get("errors") or ()
        ]
        return "; ".join([said, *fields])
