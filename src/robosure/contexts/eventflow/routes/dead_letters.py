"""Dead letters over HTTP: looked at, corrected, replayed, given up."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Query, Response

from robosure.contexts.eventflow.queries.dead_letters import (
    DeadLetterFilter,
    DeadLetterQueries,
)
from robosure.contexts.eventflow.schemas.dead_letters import (
    DeadLetterChoice,
    DeadLetterDiscard,
    DeadLetterEdit,
    DeadLetterItem,
    DeadLetterKinds,
    DeadLetterOut,
    DeadLettersDiscard,
    DeadLettersSettled,
)
from robosure.contexts.eventflow.service.dead_letters import DeadLetterService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    IfMatch,
    Page,
    Principal,
    ReadDb,
    WriteDb,
    problems,
    requires,
    set_etag,
)
from robosure.platform.streams.letters import Chosen, Status

router: Final = ApiRouter(tags=["dead letters"])
Manager = Annotated[Principal, requires("dead_letters:manage")]


def _queries(
    session: ReadDb, principal: Annotated[Principal, requires("events:read")]
) -> DeadLetterQueries:
    return DeadLetterQueries(session, principal)


def _service(session: WriteDb, clock: ClockDep) -> DeadLetterService:
    return DeadLetterService(session, clock)


Queries = Annotated[DeadLetterQueries, Depends(_queries)]
Service = Annotated[DeadLetterService, Depends(_service)]


@router.get("/dead-letters", summary="List dead letters", responses=problems(422))
async def list_dead_letters(
    *,
    queries: Queries,
    cursor: Cursor,
    status: Status | None = None,
    consumer: str | None = None,
    type_: Annotated[str | None, Query(alias="type")] = None,
    subject: Annotated[str | None, Query(description="The robot.")] = None,
    traceback_digest: str | None = None,
    correlation_id: str | None = None,
) -> Page[DeadLetterItem]:
    """Answer events that could not be handled, the last first to fail first."""
    chosen = DeadLetterFilter(
        status, consumer, type_, subject, traceback_digest, correlation_id
    )
    return await queries.letters(cursor, chosen=chosen)


@router.get("/dead-letters/kinds", summary="Count dead letters", responses=problems())
async def count_dead_letters(queries: Queries) -> DeadLetterKinds:
    """Answer open dead letters by what went wrong, the most first."""
    return await queries.kinds()


@router.get(
    "/dead-letters/{letter_id}", summary="Read a dead letter", responses=problems(404)
)
async def read_dead_letter(
    letter_id: UUID, queries: Queries, response: Response
) -> DeadLetterOut:
    """Answer one, with the event and all it says."""
    letter, version = await queries.letter(letter_id)
    set_etag(response, version)
    return letter


@router.patch(
    "/dead-letters/{letter_id}",
    summary="Correct a dead letter",
    status_code=204,
    responses=problems(404, 409, 412, 422),
)
async def edit_dead_letter(
    *,
    letter_id: UUID,
    edit: DeadLetterEdit,
    expected: IfMatch,
    service: Service,
    principal: Manager,
    response: Response,
) -> None:
    """Change what the event says. Which event it is stays; replay it to have effect."""
    version = await service.edit(
        letter_id, edit.data, by=principal.subject, expected_version=expected
    )
    set_etag(response, version)


@router.post(
    "/dead-letters/{letter_id}/replay",
    summary="Replay a dead letter",
    status_code=202,
    responses=problems(404, 409),
)
async def replay_dead_letter(
    letter_id: UUID, service: Service, principal: Manager
) -> DeadLettersSettled:
    """Have the event handled again, within a second or so; read it to see how."""
    ids = await service.replay(Chosen(ids=(letter_id,)), by=principal.subject)
    return DeadLettersSettled(letters=len(ids), ids=ids)


@router.post(
    "/dead-letters/{letter_id}/discard",
    summary="Discard a dead letter",
    responses=problems(404, 409, 422),
)
async def discard_dead_letter(
    letter_id: UUID, discarding: DeadLetterDiscard, service: Service, principal: Manager
) -> DeadLettersSettled:
    """Give the event up, for a reason that is kept with it."""
    ids = await service.discard(
        Chosen(ids=(letter_id,)), by=principal.subject, reason=discarding.reason
    )
    return DeadLettersSettled(letters=len(ids), ids=ids)


@router.post(
    "/dead-letters/replay",
    summary="Replay dead letters",
    status_code=202,
    responses=problems(404, 422),
)
async def replay_dead_letters(
    choice: DeadLetterChoice, service: Service, principal: Manager
) -> DeadLettersSettled:
    """Have many handled again: those named, or all open ones that fit."""
    ids = await service.replay(choice.chosen(), by=principal.subject)
    return DeadLettersSettled(letters=len(ids), ids=ids)


@router.post(
    "/dead-letters/discard",
    summary="Discard dead letters",
    responses=problems(404, 422),
)
async def discard_dead_letters(
    discarding: DeadLettersDiscard, service: Service, principal: Manager
) -> DeadLettersSettled:
    """Give many up: those named, or all open ones that fit."""
    ids = await service.discard(
        discarding.chosen(), by=principal.subject, reason=discarding.reason
    )
    return DeadLettersSettled(letters=len(ids), ids=ids)
