"""Robots over HTTP: fleets, integration profiles, and raw telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, HTTPException, Query, Request, Response
from pydantic import AwareDatetime

from robosure.contexts.robots import queries
from robosure.contexts.robots.domain.fleet import OrganisationKind, Viewer
from robosure.contexts.robots.domain.mapping import Mapped
from robosure.contexts.robots.domain.profile import Format
from robosure.contexts.robots.queries import RobotQueries
from robosure.contexts.robots.repository import (
    SqlIntegrationProfiles,
    SqlOrganisations,
    SqlRobotModels,
    SqlRobots,
    SqlTelemetryTargets,
)
from robosure.contexts.robots.schemas.fleet import (
    ManufacturerOut,
    RobotChange,
    RobotIn,
    RobotModelIn,
    RobotModelOut,
    RobotOut,
    Text,
)
from robosure.contexts.robots.schemas.profiles import (
    Name,
    PreviewIn,
    PreviewOut,
    ProfileIn,
    ProfileOut,
    ProfileSummary,
    RowProblemOut,
    SampleOut,
    TelemetryReceipt,
)
from robosure.contexts.robots.service import (
    Body,
    FleetService,
    ProfileService,
    TelemetryService,
)
from robosure.platform.http import (
    ApiRouter,
    Cursor,
    IdempotencyKey,
    Idempotent,
    IfMatch,
    Page,
    PressureDep,
    Principal,
    ReadDb,
    RouteClass,
    RuntimeDep,
    WriteDb,
    limited_as,
    media_type_of,
    problems,
    requires,
    set_etag,
)
from robosure.platform.streams.ingest import identify

router = ApiRouter(tags=["robots"])


def _viewer(principal: Principal) -> Viewer:
    kind = OrganisationKind(principal.organisation_kind)
    return Viewer(principal.organisation_id, kind, principal.robot_id)


def _fleet(session: WriteDb) -> FleetService:
    return FleetService(
        SqlRobotModels(session),
        robots=SqlRobots(session),
        organisations=SqlOrganisations(session),
    )


def _queries(
    session: ReadDb, principal: Annotated[Principal, requires("robots:read")]
) -> RobotQueries:
    return RobotQueries(session, _viewer(principal))


Fleet = Annotated[FleetService, Depends(_fleet)]
Queries = Annotated[RobotQueries, Depends(_queries)]


@router.get(
    "/manufacturers",
    summary="List manufacturers",
    dependencies=[requires("robots:read")],
    responses=problems(422),
)
async def list_manufacturers(session: ReadDb, cursor: Cursor) -> Page[ManufacturerOut]:
    """Answer organisations that make robots; identity registers them."""
    return await queries.list_manufacturers(session, cursor)


# --- models ---------------------------------------------------------------------------


@router.post(
    "/robot-models",
    summary="Register a robot model",
    status_code=201,
    dependencies=[Idempotent],
    responses=problems(409, 422),
)
async def register_model(
    body: RobotModelIn,
    response: Response,
    principal: Annotated[Principal, requires("models:manage")],
    fleet: Fleet,
) -> RobotModelOut:
    """Make a model known. A manufacturer registers its own, an insurer anyone's."""
    model = await fleet.register_model(_viewer(principal), **dict(body))
    set_etag(response, model.version)
    return RobotModelOut.model_validate(model)


@router.get(
    "/robot-models",
    summary="List robot models",
    dependencies=[requires("robots:read")],
    responses=problems(422),
)
async def list_models(
    session: ReadDb, cursor: Cursor, manufacturer_id: UUID | None = None
) -> Page[RobotModelOut]:
    """Answer models, the last registered first."""
    return await queries.list_models(session, cursor, manufacturer_id=manufacturer_id)


@router.get(
    "/robot-models/{model_id}",
    summary="Read a robot model",
    dependencies=[requires("robots:read")],
    responses=problems(404, 422),
)
async def read_model(
    model_id: UUID, session: ReadDb, response: Response
) -> RobotModelOut:
    """Answer one model with its limits."""
    model = await queries.read_model(session, model_id)
    set_etag(response, model.version)
    return model


# --- robots ---------------------------------------------------------------------------


@router.post(
    "/robots",
    summary="Register a robot",
    status_code=201,
    dependencies=[Idempotent],
    responses=problems(404, 409, 422),
)
async def register_robot(
    body: RobotIn,
    response: Response,
    principal: Annotated[Principal, requires("robots:manage")],
    fleet: Fleet,
) -> RobotOut:
    """Put a machine under an operator's name: the own, or as the insurer anyone's."""
    fields: dict[str, Any] = dict(body)
    fields["insured_value"] = body.insured_value.to_money()
    robot = await fleet.register_robot(_viewer(principal), **fields)
    set_etag(response, robot.version)
    return RobotOut.model_validate(robot)


@router.get("/robots", summary="List robots", responses=problems(422))
async def list_robots(
    queries: Queries,
    cursor: Cursor,
    operator_id: UUID | None = None,
    model_id: UUID | None = None,
    serial_number: Annotated[Text | None, Query()] = None,
) -> Page[RobotOut]:
    """Answer robots: an operator's own, a manufacturer's makes, for an insurer all."""
    return await queries.robots(
        cursor, operator_id=operator_id, model_id=model_id, serial_number=serial_number
    )


@router.get("/robots/{robot_id}", summary="Read a robot", responses=problems(404, 422))
async def read_robot(robot_id: UUID, queries: Queries, response: Response) -> RobotOut:
    """Answer one robot."""
    robot = await queries.robot(robot_id)
    set_etag(response, robot.version)
    return robot


@router.patch(
    "/robots/{robot_id}",
    summary="Change a robot",
    responses=problems(404, 409, 412, 422),
)
async def change_robot(
    *,
    robot_id: UUID,
    body: RobotChange,
    response: Response,
    principal: Annotated[Principal, requires("robots:manage")],
    expected: IfMatch,
    fleet: Fleet,
) -> RobotOut:
    """Note another firmware or place of work."""
    robot = await fleet.change_robot(
        _viewer(principal), robot_id, expected_version=expected, **dict(body)
    )
    set_etag(response, robot.version)
    return RobotOut.model_validate(robot)


# --- integration profiles -------------------------------------------------------------


@router.post(
    "/integration-profiles",
    summary="Save an integration profile",
    status_code=201,
    dependencies=[requires("profiles:manage"), Idempotent],
    responses=problems(409, 422),
)
async def create_profile(
    body: ProfileIn, response: Response, session: WriteDb
) -> ProfileOut:
    """Save how a vendor writes telemetry. A profile is never changed afterwards."""
    profile = await ProfileService(SqlIntegrationProfiles(session)).create(
        name=body.name, title=body.title, document=body.document.to_domain()
    )
    set_etag(response, profile.version)
    return ProfileOut.model_validate(profile)


@router.post(
    "/integration-profiles/preview",
    summary="Try an integration profile",
    dependencies=[requires("profiles:manage")],
    responses=problems(413, 422),
)
async def preview_profile(body: PreviewIn) -> PreviewOut:
    """Answer what a profile makes of a sample; nothing is saved."""
    document = body.document.to_domain()
    sample = Body.of_sample(body.sample, document, start=body.start)
    mapped = sample.through(document)
    return PreviewOut(
        mapped=len(mapped.samples),
        samples=[SampleOut.model_validate(sample) for sample in mapped.samples[:10]],
        problems=_problems_of(mapped),
    )


@router.get(
    "/integration-profiles",
    summary="List integration profiles",
    dependencies=[requires("robots:read")],
    responses=problems(422),
)
async def list_profiles(session: ReadDb, cursor: Cursor) -> Page[ProfileSummary]:
    """Answer the profiles there are, the last saved first."""
    return await queries.list_profiles(session, cursor)


@router.get(
    "/integration-profiles/{name}",
    summary="Read an integration profile",
    dependencies=[requires("robots:read")],
    responses=problems(404, 422),
)
async def read_profile(name: Name, session: ReadDb, response: Response) -> ProfileOut:
    """Answer one profile with its document."""
    profile = await queries.read_profile(session, name)
    set_etag(response, profile.version)
    return profile


# --- telemetry ------------------------------------------------------------------------

_FORMATS: Final[Mapping[str, tuple[Format, bool]]] = {
    "text/csv": (Format.CSV, False),
    "application/json": (Format.JSON, False),
    "application/x-ndjson": (Format.JSON, True),
}
_RAW: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "Timestamp;Current_J0\n2022-10-26T08:17:21.847Z;0,109627604",
            },
            "application/json": {
                "schema": {"type": "array", "maxItems": 1000},
                "example": [{"at": "2022-10-26T08:17:21.847Z", "arm": {"amps": 0.11}}],
            },
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"at":"2022-10-26T08:17:21.847Z","arm":{"amps":0.11}}\n'
                '{"at":"2022-10-26T08:17:22.847Z","arm":{"amps":0.12}}\n',
            },
        },
    }
}


async def _body(
    request: Request,
    start: Annotated[
        AwareDatetime | None,
        Query(description="The moment of row 0, for a profile that counts steps."),
    ] = None,
    first_row: Annotated[
        int, Query(ge=0, le=10**12, description="The number of the first row sent.")
    ] = 0,
) -> Body:
    known = _FORMATS.get(media_type_of(request.headers.get("content-type", "")))
    if known is None:
        raise HTTPException(415, f"send one of {', '.join(_FORMATS)}")
    return Body(await request.body(), *known, start, first_row)


def _telemetry(
    session: ReadDb, runtime: RuntimeDep, pressure: PressureDep
) -> TelemetryService:
    return TelemetryService(
        SqlTelemetryTargets(session),
        bus=runtime.bus,
        partitions=runtime.settings.event_partitions,
        pressure=pressure,
        clock=runtime.clock,
    )


@router.post(
    "/robots/{robot_id}/telemetry",
    summary="Send a robot's raw telemetry",
    status_code=202,
    responses=problems(404, 413, 415, 422, 503),
    openapi_extra=_RAW,
)
@limited_as(RouteClass.TELEMETRY)
async def send_telemetry(
    *,
    robot_id: UUID,
    profile: Annotated[Name, Query(description="The integration profile to read by.")],
    request: Request,
    principal: Annotated[Principal, requires("telemetry:write")],
    body: Annotated[Body, Depends(_body)],
    service: Annotated[TelemetryService, Depends(_telemetry)],
    idempotency_key: IdempotencyKey = None,
) -> TelemetryReceipt:
    """Map up to 1,000 rows to canonical telemetry, and say which could not be read.

    Accepted rows are safe and will be processed, each once: the same moment and values
    of a robot are the same event, whenever they are sent.
    """
    asked = f"{request.url.path}?{request.url.query}".encode()
    batch_id = identify(principal.subject, idempotency_key, asked, body.content)
    mapped = await service.send(
        _viewer(principal),
        robot_id,
        body=body,
        profile_name=profile,
        batch_id=batch_id,
        principal=principal.subject,
    )
    times = [sample.time for sample in mapped.samples]
    return TelemetryReceipt(
        batch_id=batch_id,
        accepted=len(mapped.samples),
        refused=_problems_of(mapped),
        first_at=min(times, default=None),
        last_at=max(times, default=None),
    )


def _problems_of(mapped: Mapped) -> list[RowProblemOut]:
    return [RowProblemOut.model_validate(problem) for problem in mapped.problems]
