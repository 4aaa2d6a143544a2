"""Who may do what: every route x everyone x one's own and another's.

The rows are in ``matrix/rows.py``. A route that is not in them fails the suite, and so
does a row without a route.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx

from robosure.platform.http.access import Public, Requires, access_of, api_routes
from tests.journey import World, answered, nothing_changes
from tests.security.matrix.people import PEOPLE, PERMISSIONS, Person
from tests.security.matrix.realm import Realm
from tests.security.matrix.rows import MATRIX, PUBLIC, SIGNED_IN, Row
from tests.support import ApiClient, FixedClock, code_of


def expected(row: Row, person: Person, *, own: bool) -> int:
    """Return the status that this person's cell states."""
    if row.access not in {PUBLIC, SIGNED_IN} and not person.may(row.access):
        return HTTPStatus.FORBIDDEN
    if row.others is None or row.is_shown_to(person.kind, own=own):
        return row.answer
    return row.others


def test_every_route_is_in_the_matrix_with_what_it_takes(api: ApiClient) -> None:
    # given what the application itself says of its routes
    declared = {name: _stated(route) for name, route in api_routes(api.app)}
    # then the matrix says the same, of each of them, once
    assert len({row.route for row in MATRIX}) == len(MATRIX)
    assert {row.route: row.access for row in MATRIX} == declared


def _stated(route: Any) -> str:
    (access,) = access_of(route.dependant)
    if isinstance(access, Requires):
        return access.permission
    return PUBLIC if isinstance(access, Public) else SIGNED_IN


def test_every_role_holds_the_permissions_it_is_to_hold(api: ApiClient) -> None:
    assert api.edge.roles.roles == PERMISSIONS


async def test_nobody_gets_in_without_a_sign_in_or_with_one_that_is_over(
    realm: Realm, clock: FixedClock
) -> None:
    # given someone who is not signed in, and a token that has expired
    expired = realm.world.admin.headers["Authorization"]
    clock.advance(timedelta(hours=1))
    strangers: dict[str, dict[str, str]] = {
        "anonymous": {},
        "expired": {"Authorization": expired},
        "forged": {"Authorization": "Bearer a.b.c"},
        "unknown key": {"X-API-Key": "rbs_0123_nobody"},
    }
    wrong: list[str] = []
    # when each asks for each route, then it is 401, and nothing changes
    async with nothing_changes(realm.runtime.database):
        for row in MATRIX:
            if row.access == PUBLIC:
                continue
            for name, headers in strangers.items():
                client = with_headers(realm.world, headers)
                answer = await realm.ask(client, row, "insurer")
                if answer.status_code != HTTPStatus.UNAUTHORIZED:
                    wrong.append(f"{name}: {row.route}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def with_headers(world: World, headers: dict[str, str]) -> httpx.AsyncClient:
    """Ask as whoever these headers say one is."""
    client = world.api.anonymous()
    client.headers.update(headers)
    return client


_REFUSALS: Final = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


async def test_whoever_may_not_is_told_so_and_changes_nothing(realm: Realm) -> None:
    # when everyone asks for what is not theirs to do, or not theirs
    async with nothing_changes(realm.runtime.database):
        wrong = [
            await judged(realm, row, person, own=own)
            for row, person, own in cells()
            if expected(row, person, own=own) in _REFUSALS
        ]
    # then each is refused as the matrix says, and no row has changed
    assert not any(wrong), "\n".join(filter(None, wrong))


async def test_whoever_may_is_served(realm: Realm) -> None:
    # when everyone asks for what they may
    wrong = [
        await judged(realm, row, person, own=own)
        for row, person, own in cells()
        if expected(row, person, own=own) not in _REFUSALS
    ]
    # then each is answered as the matrix says
    assert not any(wrong), "\n".join(filter(None, wrong))


def cells() -> Iterator[tuple[Row, Person, bool]]:
    """Return every cell: a row, who asks, and whether it is about their own."""
    for row in MATRIX:
        for person in PEOPLE:
            yield row, person, True
            if row.others is not None:
                yield row, person, False


async def judged(realm: Realm, row: Row, person: Person, *, own: bool) -> str:
    """Ask, and say what is wrong with the answer; nothing if it is as stated."""
    client = person.client(realm.world)
    answer = await realm.ask(client, row, person.kind, own=own)
    status = expected(row, person, own=own)
    if answer.status_code == status:
        return ""
    whose = "own" if own else "another's"
    return (
        f"{person.role}: {row.route} ({whose}): {answer.status_code}, not {status}:"
        f" {answer.text[:200]}"
    )


async def test_a_list_shows_ones_own_and_another_s_only_to_who_may_see_it(
    realm: Realm,
) -> None:
    wrong: list[str] = []
    for row in MATRIX:
        for person in PEOPLE:
            if not row.lists or not person.may(row.access):
                continue
            client = person.client(realm.world)
            answer = await realm.ask(client, row, person.kind)
            for own in (True, False):
                # Of what everyone has, the insurer sees the operator's as well.
                kind = person.kind if own else "operator"
                listed = realm.ids(row, kind, own=own)[row.lists] in answer.text
                if listed != row.is_shown_to(person.kind, own=own):
                    wrong.append(f"{person.role}: {row.route}: own {own}, {listed}")
    assert not wrong, "\n".join(wrong)


async def test_an_api_key_opens_what_its_scopes_say_and_nothing_else(
    realm: Realm,
) -> None:
    # given a key for each permission, and one for all the others
    permissions = sorted({row.access for row in MATRIX} - {PUBLIC, SIGNED_IN})
    alone = {each: await a_key(realm.world, each) for each in permissions}
    others = {
        each: await a_key(realm.world, *(set(permissions) - {each}))
        for each in permissions
    }
    rows = [row for row in MATRIX if row.access in permissions]
    # when all others together ask for what takes the one, then nothing comes of it
    async with nothing_changes(realm.runtime.database):
        refused = [await code_with(realm, others[row.access], row) for row in rows]
    assert set(refused) == {"permission_required"}
    # and with the one they get past that
    let_in = [await code_with(realm, alone[row.access], row) for row in rows]
    assert not {"permission_required", "invalid_api_key"} & set(let_in)


async def a_key(world: World, *scopes: str) -> str:
    """Issue a key of the insurer's, which may carry all, and has been used once."""
    body = {
        "organisation_id": str(world.insurer_id),
        "name": "of the matrix",
        "scopes": scopes,
    }
    async with world.admin as admin:
        key: str = answered(await admin.post("/api-keys", json=body), 201)["key"]
    # So that its last use is no news to anyone for the next minute.
    async with with_headers(world, {"X-API-Key": key}) as client:
        answered(await client.get("/auth/me"))
    return key


async def code_with(realm: Realm, key: str, row: Row) -> str:
    """Return the code of the problem, if there is one, that a key's holder meets."""
    client = with_headers(realm.world, {"X-API-Key": key})
    answer = await realm.ask(client, row, "insurer")
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return code_of(answer) if is_problem else ""
