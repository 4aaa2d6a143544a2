"""The catalogue of event types over HTTP, and what describes all of them at once."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Path, Query
from fastapi.responses import JSONResponse

from robosure.contexts.eventflow.schemas import (
    TELEMETRY,
    EventTypeOut,
    EventTypesOut,
    Name,
)
from robosure.kernel.errors import NotFound
from robosure.platform.http import (
    ApiRouter,
    AsyncApiDep,
    MessagesDep,
    problems,
    signed_in,
)
from robosure.platform.messages import Kind, Message

router = ApiRouter(tags=["events"], dependencies=[signed_in()])


class JsonSchemaResponse(JSONResponse):
    """A JSON Schema."""

    media_type = "application/schema+json"


_SCHEMA: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The schema, in the dialect of 2020-12.",
        "content": {
            JsonSchemaResponse.media_type: {
                "schema": {"type": "object"},
                "example": dict(TELEMETRY.schema),
            }
        },
    }
}
_ASYNCAPI: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The document.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "asyncapi": "3.0.0",
                    "info": {"title": "Robosure events", "version": "1.0.0"},
                    "channels": {
                        "robosure.ingest": {
                            "address": "/api/v1/events",
                            "messages": {
                                TELEMETRY.name: {
                                    "$ref": f"#/components/messages/{TELEMETRY.name}"
                                }
                            },
                        }
                    },
                },
            }
        },
    }
}


def _named(
    name: Annotated[Name, Path(description="As events carry it.")],
    messages: MessagesDep,
) -> Message:
    for message in messages:
        if message.name == name:
            return message
    raise NotFound("event_type_not_found", name=name)


Named = Annotated[Message, Depends(_named)]


@router.get("/event-types", summary="List types of events", responses=problems(422))
async def list_event_types(
    messages: MessagesDep,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    owner: Annotated[
        Name | None, Query(description="Only what this context answers for.")
    ] = None,
) -> EventTypesOut:
    """Answer what may be sent, and what the services tell each other."""
    return EventTypesOut.of(
        message
        for message in messages
        if kind in {None, message.kind} and owner in {None, message.owner}
    )


@router.get(
    "/event-types/{name}",
    summary="Read a type of event",
    responses=problems(404, 422),
)
async def read_event_type(message: Named) -> EventTypeOut:
    """Answer what it means and how it is written, with a sample of what may be sent."""
    return EventTypeOut.of(message)


@router.get(
    "/event-types/{name}/schema",
    summary="Read the schema of a type of event",
    response_class=JsonSchemaResponse,
    responses={**_SCHEMA, **problems(404, 422)},
)
async def read_event_schema(
    message: Named,
    of: Annotated[
        Literal["data", "event"],
        Query(description="Of what an event says, or of all that travels."),
    ] = "data",
) -> JsonSchemaResponse:
    """Answer the JSON Schema alone, for a validator or a generator of code."""
    return JsonSchemaResponse(message.schema if of == "data" else message.whole)


@router.get(
    "/asyncapi",
    summary="Read the AsyncAPI document",
    responses={**_ASYNCAPI, **problems()},
)
async def read_asyncapi(document: AsyncApiDep) -> dict[str, Any]:
    """Answer all channels, who sends and hears what in them, and how it is written."""
    return document
