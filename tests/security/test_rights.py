"""The application with the least of rights: a login that owns nothing, and Redis' ACL.

Everything is done as production is to do it: the database is migrated by one login and
used by another, and a Redis user may do what the documentation gives it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from robosure.contexts.eventflow.jobs import keep_days
from robosure.entrypoints.api import create_app
from robosure.entrypoints.registry import load
from robosure.entrypoints.seed import seed
from robosure.entrypoints.worker import Streams
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.database.behalf import NOBODY, OWNER, PLATFORM, on_behalf_of
from robosure.platform.database.rights import excess
from robosure.platform.housekeeping import jobs
from robosure.platform.jobs import celery_app, install_sender
from robosure.platform.limits import Limit, Limiter
from robosure.platform.outages import sqlstate_of
from robosure.platform.runtime import Runtime, connect_redis, open_runtime
from robosure.platform.settings import Settings
from robosure.platform.streams import Relay
from robosure.platform.streams import relay as relay_module
from robosure.platform.streams.redis_bus import RedisBus
from tests.integration.platform.testing.listening import KEY as TOLD
from tests.integration.platform.testing.listening import running, tell, until
from tests.journey import World
from tests.support import ApiClient, Deferred, Delivery, FixedClock

DEPLOYMENT: Final = Path(__file__).parents[2] / "docs" / "deployment.md"
REFUSED: Final = "42501"


def as_login(url: str, user: str, password: str) -> SecretStr:
    changed = make_url(url).set(username=user, password=password)
    return SecretStr(changed.render_as_string(hide_password=False))


@pytest.fixture
async def login(runtime: Runtime, worker_number: int) -> AsyncIterator[str]:
    """A login as the documentation has it made, with `first` as its password."""
    name = f"robosure_service_{worker_number}"
    async with runtime.database.engine.begin() as owner:
        await owner.execute(text(f"DROP ROLE IF EXISTS {name}"))
        await owner.execute(
            text(
                f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'first' "
                "IN ROLE robosure_app, robosure_platform"
            )
        )
    yield name
    async with runtime.database.engine.begin() as owner:
        await owner.execute(text(f"DROP ROLE {name}"))


@pytest.fixture
async def least(
    runtime: Runtime, settings: Settings, login: str
) -> AsyncIterator[Runtime]:
    """What a process stands on that connects as such a login."""
    url = as_login(settings.database_url.get_secret_value(), login, "first")
    changed = settings.model_copy(update={"database_url": url})
    async with open_runtime(changed, clock=FixedClock()) as opened:
        yield opened


async def sqlstate(database: Database, statement: str, behalf: Any) -> str | None:
    with on_behalf_of(behalf):
        try:
            async with database.write() as session:
                await session.execute(text(statement))
                await session.rollback()
        except DBAPIError as error:
            return sqlstate_of(error)
    return None


async def test_everything_works_with_a_login_that_owns_nothing(least: Runtime) -> None:
    # given an application, its worker and its jobs, all of them with that login
    app = create_app(settings=least.settings, runtime=_open(least))
    deferred = Deferred()
    install_sender(deferred.send)
    deliver = Delivery(least, Streams(least, load()), deferred)
    async with app.router.lifespan_context(app):
        api = ApiClient(app)
        await seed(least.settings)
        with on_behalf_of(PLATFORM):  # as whom it seeds
            world = await World.build(api, deliver, least)
        (robot_id,) = await world.robots()
        # when days are made, and what is over is forgotten
        await deliver(keep_days, *jobs)
        # and a projection is built anew, and its old tables are dropped
        asked = await world.admin.post(
            "/replays", json={"projection": "eventflow.robots"}
        )
        assert asked.status_code in {201, 202}, asked.text
        await deliver()
        path = f"/replays/{asked.json()['id']}"
        replay = (await world.admin.get(path)).json()
        dropped = await world.admin.delete(f"{path}/tables")
    # then it took its place
    assert (replay["status"], dropped.status_code) == ("done", 204), replay
    with on_behalf_of(PLATFORM):
        async with least.database.read() as session:
            known = await session.execute(text("SELECT robot_id FROM eventflow.robots"))
            assert str(known.scalar_one()) == str(robot_id)
            # and there is a day for tomorrow
            days = await session.execute(
                text(
                    "SELECT count(*) FROM pg_inherits "
                    "WHERE inhparent = CAST('eventflow.events' AS regclass)"
                )
            )
            assert days.scalar_one() > 7


async def test_who_listens_with_it_is_woken_at_once(
    runtime: Runtime, least: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a relay with that login that would not look by itself for a minute
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 60.0)
    relay = Relay(
        least.database, least.bus, listen_url=least.settings.sync_database_url
    )
    with on_behalf_of(PLATFORM):
        async with running(relay.run):
            await until(lambda: listeners(runtime.database, least), 1)
            # when something is told, then it is on its stream
            await tell(least.database, "a")
            await until(lambda: least.redis.xlen(TOLD), 1)


async def listeners(database: Database, least: Runtime) -> int:
    login = make_url(least.settings.sync_database_url).username
    # What others ask is shown to the owner alone.
    with on_behalf_of(OWNER):
        async with database.read() as owner:
            counted = await owner.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE query LIKE 'LISTEN%' AND usename = :login"
                ),
                {"login": login},
            )
    return int(counted or 0)


_BEYOND: Final = (
    "CREATE TABLE claims.mine (id int)",
    "CREATE SCHEMA mine",
    "ALTER TABLE claims.claims DISABLE ROW LEVEL SECURITY",
    "DROP POLICY own ON claims.claims",
    "DROP TABLE claims.claims",
    "TRUNCATE platform.outbox",
    "DELETE FROM platform.audit_entries",
    "ALTER TABLE eventflow.events DETACH PARTITION eventflow_days.events_default",
    "CREATE ROLE mine",
    "ALTER ROLE robosure_app BYPASSRLS",
    "SET ROLE robosure",
    "SET session_replication_role = replica",
)


async def test_nothing_beyond_is_done_for_it(least: Runtime) -> None:
    answers = {
        (statement, behalf): await sqlstate(least.database, statement, behalf)
        for statement in _BEYOND
        for behalf in (OWNER, NOBODY, PLATFORM)
    }
    assert {key: state for key, state in answers.items() if state != REFUSED} == {}


async def test_what_is_done_for_it_is_that_alone(least: Runtime) -> None:
    side = f"SELECT platform.{{}}_side('{uuid7()}', '{{}}', ARRAY['{{}}'])"
    for statement, state in (
        ("SELECT eventflow.retire_day('robots', DATE '2026-03-02')", REFUSED),
        ("SELECT eventflow.drop_retired_day('x; --', DATE '2026-03-02')", REFUSED),
        # the trail is only added to, and a timeline is as it was written
        (side.format("create", "platform", "audit_entries"), "0A000"),
        # nor does what the platform may not fill change places
        (side.format("create", "public", "alembic_version"), REFUSED),
        (side.format("switch", "claims", "timeline"), "0A000"),
        (side.format("create", "claims", "nothing"), "0A000"),
    ):
        assert await sqlstate(least.database, statement, PLATFORM) == state
        for behalf in (OWNER, NOBODY):
            assert await sqlstate(least.database, statement, behalf) == REFUSED


async def test_what_owns_tables_is_not_ready_in_production(
    runtime: Runtime, least: Runtime
) -> None:
    async with least.database.read() as session:
        assert await excess(session) == []
    async with runtime.database.read() as session:
        found = await excess(session)
    assert {"is a superuser", "owns tables, or is a member of who does"} <= set(found)
    for opened, status, said in (
        (runtime, 503, "more than needed"),
        (least, 200, "ok"),
    ):
        app = create_app(settings=opened.settings, runtime=_open(opened))
        async with app.router.lifespan_context(app):
            api = ApiClient(app)
            with api.with_settings(environment="production"):
                async with api.anonymous() as client:
                    ready = await client.get("http://robosure.test/ready")
        assert (ready.status_code, ready.json()["checks"]["rights"]) == (status, said)


async def test_a_password_that_changes_in_its_file_is_used_without_a_restart(
    runtime: Runtime, settings: Settings, login: str, tmp_path: Path
) -> None:
    # given a login whose password is in a file
    file = tmp_path / "password"
    file.write_text("first\n")
    url = as_login(
        settings.database_url.get_secret_value(), login, ""
    ).get_secret_value()
    changed = settings.model_copy(
        update={
            "database_url": SecretStr(url.replace(f"{login}:@", f"{login}@")),
            "database_password_file": file,
        }
    )
    used = Database.from_settings(changed)
    try:
        await used.ping()
        # when the password is another, the file says so, and connections end
        async with runtime.database.engine.begin() as owner:
            await owner.execute(text(f"ALTER ROLE {login} PASSWORD 'second'"))
            await owner.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = :login"
                ),
                {"login": login},
            )
        with pytest.raises((asyncpg.InvalidPasswordError, DBAPIError)):
            await used.ping()
        file.write_text("second\n")
        # then others are made, and so are those that listen
        await used.ping()
        connection = await asyncpg.connect(
            changed.sync_database_url, password=used.password
        )
        await connection.close()
    finally:
        await used.close()


# --- Redis ----------------------------------------------------------------------------


def as_any(redis: Redis) -> Any:
    """Return the client without its types, which some commands have none of."""
    return redis


def documented_acl() -> list[str]:
    """Return the rules that the documentation gives the application's user."""
    found = re.search(r"\nACL SETUSER robosure on (.*)\n", DEPLOYMENT.read_text())
    assert found is not None
    return found[1].split()


@pytest.fixture
async def acl_user(redis: Redis, worker_number: int) -> AsyncIterator[str]:
    """Redis' user of the documentation, with `first` as its password."""
    name = f"robosure-{worker_number}"
    rules = [rule for rule in documented_acl() if not rule.startswith(">")]
    # Each of the tests' processes has a database of its own; an installation has one.
    await as_any(redis).execute_command(
        "ACL", "SETUSER", name, "reset", "on", ">first", *rules, "+select"
    )
    yield name
    await as_any(redis).execute_command("ACL", "DELUSER", name)


def as_user(settings: Settings, user: str, **changes: Any) -> Settings:
    url = settings.redis_url.get_secret_value()
    bare = re.sub(r"//[^@]*@", "//", url)
    password = "" if changes else ":first"
    changed = bare.replace("//", f"//{user}{password}@", 1)
    return settings.model_copy(update={"redis_url": SecretStr(changed), **changes})


async def test_redis_lets_the_application_do_what_it_needs(
    settings: Settings, acl_user: str, runtime: Runtime
) -> None:
    changed = as_user(settings, acl_user)
    async with open_runtime(changed, clock=FixedClock()) as opened:
        # an application with limits, a cache, events in and facts out
        app = create_app(settings=changed, runtime=_open(opened))
        deferred = Deferred()
        install_sender(deferred.send)
        deliver = Delivery(opened, Streams(opened, load()), deferred)
        async with app.router.lifespan_context(app):
            world = await World.build(ApiClient(app), deliver, opened)
            assert len(await world.robots()) == 1
            await Limiter(opened.redis).spend(Limit("acl", 5), "somebody")
        assert isinstance(opened.bus, RedisBus)
        assert await opened.bus.fill() >= 0
        assert "CONFIG" not in " ".join(await opened.bus.weaknesses())


async def test_redis_carries_jobs_for_that_user(
    settings: Settings, acl_user: str, redis: Redis
) -> None:
    app = celery_app(as_user(settings, acl_user))
    await asyncio.to_thread(app.send_task, "testing.acl", queue="default")
    assert await redis.llen("robosure:jobs:default") == 1
    with app.connection_for_read() as connection:
        got = await asyncio.to_thread(
            lambda: connection.SimpleQueue("default").get(timeout=5)
        )
        await asyncio.to_thread(got.ack)
    assert await redis.llen("robosure:jobs:default") == 0


async def test_redis_refuses_it_everything_else(
    settings: Settings, acl_user: str, runtime: Runtime
) -> None:
    user = connect_redis(as_user(settings, acl_user))
    try:
        for command in (
            "FLUSHALL", "FLUSHDB", "KEYS *", "SHUTDOWN", "ACL LIST", "DEBUG SLEEP 0",
            "CONFIG SET appendonly no", "CONFIG REWRITE", "SAVE", "MONITOR",
            "REPLICAOF no one", "GET elsewhere", "SET elsewhere 1", "SCRIPT FLUSH",
            "CLIENT KILL TYPE normal", "PUBLISH elsewhere 1",
        ):  # fmt: skip
            with pytest.raises(NoPermissionError):
                await as_any(user).execute_command(*command.split())
    finally:
        await user.aclose()


async def test_a_users_password_that_changes_in_its_file_is_used_without_a_restart(
    settings: Settings, acl_user: str, redis: Redis, tmp_path: Path
) -> None:
    # given a client and a queue of jobs with the password of a file
    file = tmp_path / "password"
    file.write_text("first\n")
    changed = as_user(settings, acl_user, redis_password_file=file)
    user, app = connect_redis(changed), celery_app(changed)
    try:
        await user.ping()
        await asyncio.to_thread(app.send_task, "testing.acl", queue="default")
        # when the password is another, and connections end
        rotated = ("resetpass", ">second")
        await as_any(redis).execute_command("ACL", "SETUSER", acl_user, *rotated)
        await as_any(redis).execute_command("CLIENT", "KILL", "USER", acl_user)
        with pytest.raises(AuthenticationError):
            await user.ping()
        file.write_text("second\n")
        # then others are made with it
        await user.ping()
        await asyncio.to_thread(app.send_task, "testing.acl", queue="default")
    finally:
        await user.aclose()
    assert await redis.llen("robosure:jobs:default") == 2


class _open:  # noqa: N801 - reads as what it is
    """A runtime that is open, and stays so."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __aenter__(self) -> Runtime:
        return self._runtime

    async def __aexit__(self, *_: object) -> None:
        return None
