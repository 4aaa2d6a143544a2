"""The transaction at the edge: the only code that commits.

A :class:`ReadSession` cannot write and a :class:`WriteSession` commits as one with the
facts it records; they are different types, so a query cannot be handed the wrong one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import NullPool

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import DomainError, Stale
from robosure.kernel.time import Clock, SystemClock
from robosure.platform.database.behalf import BehalfConnection
from robosure.platform.database.connecting import engine_for
from robosure.platform.logging import get_logger
from robosure.platform.metrics import DATABASE_QUERY_SECONDS
from robosure.platform.outages import DATA_EXCEPTION
from robosure.platform.password_files import PasswordFile
from robosure.platform.settings import Settings

AfterCommit = Callable[[], Awaitable[None]]
_AFTER_COMMIT: Final = "after_commit"
_AGGREGATES: Final = "aggregates"
_CLOCK: Final = "clock"
_NOT_STORABLE: Final = "a value cannot be stored as what it is to be stored as"


class ReadSession(AsyncSession):
    """Reads, in a transaction that PostgreSQL itself holds to reading."""


class TellingSession(Session):
    """The synchronous core of a write session; remembers the aggregates it saw."""


class WriteSession(AsyncSession):
    """Reads and writes; :meth:`Database.write` commits it."""

    sync_session_class: type[Session] = TellingSession

    def after_commit(self, action: AfterCommit) -> None:
        """Do this once the transaction is committed, and not if it is not."""
        self.info.setdefault(_AFTER_COMMIT, []).append(action)


class ReplaySession(WriteSession):
    """Writes what was written before, elsewhere: nobody is told of it again.

    Facts that are recorded in it go nowhere, and what would follow its commit, such as
    a deferred job, does not.
    """

    sync_session_class = Session

    def after_commit(self, action: AfterCommit) -> None:
        """Do nothing: it was done when this happened."""


class Database:
    """A pool of connections, and transactions on them.

    Attributes:
        password: tells the password for each new connection; None if the URL does.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        slow_query_ms: int = 200,
        clock: Clock | None = None,
        password: Callable[[], str] | None = None,
        patience: float | None = None,
    ) -> None:
        """Prepare; connections are made when they are first used.

        Args:
            url: for SQLAlchemy.
            pool_size: how many connections are kept; as many again may be made.
            slow_query_ms: from when on a statement is logged as slow.
            clock: by which facts happen.
            password: tells the password for each new connection.
            patience: seconds that are waited for a connection, and for each answer;
                then `TimeoutError` is raised, and the connection given up. None is for
                good, for who has nobody to answer to.
        """
        self._clock = clock or SystemClock()
        self.password = password
        self.engine: AsyncEngine = engine_for(
            url, json_serializer=_dump_json, json_deserializer=orjson.loads,
            pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True,
            # The last one used has what is asked planned and its pages at hand.
            pool_use_lifo=True,
            **({"pool_timeout": patience} if patience else {}),
            hide_parameters=True,  # errors are logged; what they hold must not be
            connect_args={
                "server_settings": {"timezone": "UTC"},
                "connection_class": BehalfConnection,
                **({"password": password} if password else {}),
                **(_waiting(patience) if patience else {}),
            },
        )  # fmt: skip
        _keep_values_out_of_errors(self.engine)
        _give_up_the_silent(self.engine)
        _read_plain_uuids(self.engine)
        _time_queries(self.engine, slow_query_ms)
        self._reading = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        clock: Clock | None = None,
        patience: float | None = None,
    ) -> Database:
        """Build from the installation's settings, and with as much patience."""
        path = settings.database_password_file
        return cls(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            slow_query_ms=settings.slow_query_ms,
            clock=clock,
            password=PasswordFile(path) if path else None,
            patience=patience,
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a read-only transaction on one snapshot.

        Its connection is taken with the first statement, so that a request which is
        refused before that takes none, and one that waits for another holds none.
        """
        async with ReadSession(self._reading, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """Open a transaction; commit it at the end, or roll all of it back.

        Raises:
            Stale: an aggregate was changed by someone else since it was read.
        """
        async with WriteSession(self.engine, expire_on_commit=False) as session:
            session.info[_CLOCK] = self._clock
            with _stale_as_domain_error():
                yield session
                await session.commit()
            for action in session.info.pop(_AFTER_COMMIT, ()):
                await _attempt(action)

    @asynccontextmanager
    async def write_beside(
        self, schemas: Mapping[str, str]
    ) -> AsyncIterator[WriteSession]:
        """Open a transaction in which other schemas stand for some; commit it.

        Args:
            schemas: the schemas that tables are declared in, and those to use instead.
        """
        engine = self.engine.execution_options(schema_translate_map=dict(schemas))
        async with ReplaySession(engine, expire_on_commit=False) as session:
            session.info[_CLOCK] = self._clock
            with _stale_as_domain_error():
                yield session
                await session.commit()

    async def ping(self) -> None:
        """Raise unless the database answers."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give every connection back."""
        await self.engine.dispose()


class _stale_as_domain_error:  # noqa: N801 - reads as the statement it is
    """Translate a lost optimistic lock wherever it shows: at flush or at commit."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _tb: object) -> None:
        if isinstance(error, StaleDataError):
            raise Stale("stale_version") from error


async def _attempt(action: AfterCommit) -> None:
    """Run what follows a commit; the commit stands whatever becomes of it."""
    try:
        await action()
    except Exception:  # noqa: BLE001 - a sweeper repeats what is lost here
        get_logger().warning("platform.database.after_commit_failed", exc_info=True)


@asynccontextmanager
async def translating(
    session: WriteSession, constraints: Mapping[str, DomainError]
) -> AsyncIterator[None]:
    """Flush at the end, and raise the domain's word for a violated constraint.

    Args:
        session: what to flush.
        constraints: by constraint name, the error to raise instead.
    """
    try:
        yield
        await session.flush()
    except IntegrityError as error:
        name = constraint_of(error)
        if name is not None and name in constraints:
            raise constraints[name] from error
        raise


def constraint_of(error: IntegrityError) -> str | None:
    """Return the name of the constraint that was violated."""
    cause: Any = getattr(error.orig, "__cause__", None)
    return getattr(cause, "constraint_name", None)


def throwaway_engine(url: str) -> AsyncEngine:
    """Return an engine that keeps no connection, for one-off administration."""
    return engine_for(url, poolclass=NullPool)


def clock_of(session: Session) -> Clock:
    """Return the clock by which facts told in this session happened."""
    clock: Clock = session.info[_CLOCK]
    return clock


@event.listens_for(TellingSession, "loaded_as_persistent")
@event.listens_for(TellingSession, "after_attach")
def _remember(session: Session, instance: object) -> None:
    """Hold on to aggregates, so that a fact recorded on one cannot be lost with it."""
    if isinstance(instance, Aggregate):
        seen: dict[int, Aggregate] = session.info.setdefault(_AGGREGATES, {})
        seen.setdefault(id(instance), instance)


def seen_aggregates(session: Session) -> list[Aggregate]:
    """Return the aggregates this session loaded or added, in that order."""
    return list(session.info.get(_AGGREGATES, {}).values())


def _read_plain_uuids(engine: AsyncEngine) -> None:
    """Return ``uuid.UUID`` itself; JSON writers refuse asyncpg's subclass of it."""

    @event.listens_for(engine.sync_engine, "connect")
    def _install(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]  # an event calls it
        connection.run_async(_plain_uuid_codec)


def _keep_values_out_of_errors(engine: AsyncEngine) -> None:
    """Leave out of an error what PostgreSQL tells of the row at fault.

    Its detail quotes the row, or the key that is there already; and the message itself
    a value that is none of its column's type. What is left says which rule was broken.
    """

    @event.listens_for(engine.sync_engine, "handle_error")
    def _strip(context: ExceptionContext) -> None:  # pyright: ignore[reportUnusedFunction]  # an event calls it
        original: Any = context.original_exception
        cause: Any = original.__cause__
        if getattr(cause, "detail", None) is not None:
            cause.detail = None
        if str(getattr(original, "sqlstate", "")).startswith(DATA_EXCEPTION):
            for error in (context.sqlalchemy_exception, original, cause):
                if error is not None:
                    error.args = (_NOT_STORABLE,)


def _waiting(seconds: float) -> dict[str, float]:
    """Return asyncpg's words for how long it waits: to connect, and for an answer."""
    return {"timeout": seconds, "command_timeout": seconds}


def _give_up_the_silent(engine: AsyncEngine) -> None:
    """Close a connection on which no answer came in time.

    To roll back on it would wait as long again, and the next statement, too.
    """

    @event.listens_for(engine.sync_engine, "handle_error")
    def _give_up(context: ExceptionContext) -> None:  # pyright: ignore[reportUnusedFunction]  # an event calls it
        if isinstance(context.original_exception, TimeoutError):
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = False  # each is looked at by itself


async def _plain_uuid_codec(connection: Any) -> None:
    await connection.set_type_codec(
        "uuid",
        schema="pg_catalog",
        format="binary",
        encoder=_bytes_of,
        decoder=_uuid_of,
    )


def _bytes_of(value: UUID) -> bytes:
    return value.bytes


def _uuid_of(value: bytes) -> UUID:
    return UUID(bytes=value)


def _time_queries(engine: AsyncEngine, slow_query_ms: int) -> None:
    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def _start(connection: Any, *_: Any) -> None:  # pyright: ignore[reportUnusedFunction]  # an event calls it
        connection.info["query_started"] = time.perf_counter()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def _stop(  # pyright: ignore[reportUnusedFunction]  # an event calls it
        connection: Any, _cursor: Any, statement: str, *_: Any
    ) -> None:
        elapsed = time.perf_counter() - connection.info.pop("query_started")
        DATABASE_QUERY_SECONDS.observe(elapsed)
        if elapsed * 1000 >= slow_query_ms:
            get_logger().warning(
                "platform.database.query_slow",
                statement=statement[:500],
                duration_ms=round(elapsed * 1000, 1),
            )


def _dump_json(value: Any) -> str:
    return orjson.dumps(value).decode()
