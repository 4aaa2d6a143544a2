"""Telling a server that is away from an event, a request or a statement at fault.

What fails because a server is away is tried again as it is, and counts against nobody.
"""

from __future__ import annotations

from typing import Final

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

DATA_EXCEPTION: Final = "22"
"""Class of SQLSTATEs: the value, not the statement or the server, is at fault."""
_PASSING_STATES: Final = (
    # SQLSTATE classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
    "08",  # connection exception
    "40",  # transaction rollback: deadlock, serialization failure
    "53",  # insufficient resources
    "57P",  # the server is going down or coming up
)


def infrastructure_is_away(error: BaseException) -> bool:
    """Whether the database or Redis is the trouble, so that trying again will help."""
    if isinstance(error, OSError):
        return error.filename is None  # one that names a file is about that file
    if isinstance(error, (RedisConnectionError, RedisTimeoutError, PoolTimeoutError)):
        return True
    if isinstance(error, DBAPIError):
        passing = sqlstate_of(error).startswith(_PASSING_STATES)
        return error.connection_invalidated or passing
    return False


def sqlstate_of(error: DBAPIError) -> str:
    """Return PostgreSQL's code of what went wrong, or nothing."""
    return str(getattr(error.orig, "sqlstate", None) or "")
