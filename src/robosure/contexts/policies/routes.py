"""Policies over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Response

from robosure.contexts.policies import queries
from robosure.contexts.policies.domain.policy import PolicyStatus
from robosure.contexts.policies.domain.quote import QuoteStatus
from robosure.contexts.policies.repository import (
    SqlCertificates,
    SqlOrganisations,
    SqlPolicies,
    SqlProducts,
    SqlQuotes,
    SqlRobots,
)
from robosure.contexts.policies.schemas import (
    BindIn,
    PolicyOut,
    PolicySummary,
    QuoteIn,
    QuoteOut,
    QuoteSummary,
    TransactionOut,
)
from robosure.contexts.policies.service import (
    CertificateService,
    PolicyService,
    QuoteService,
)
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    FilesDep,
    Idempotent,
    IfMatch,
    Page,
    Principal,
    ReadDb,
    RouteClass,
    WriteDb,
    limited_as,
    problems,
    requires,
    set_etag,
)

router = ApiRouter(tags=["policies"])

_PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The certificate.",
        "content": {
            "application/pdf": {"schema": {"type": "string", "format": "binary"}}
        },
    }
}


def _quotes(session: WriteDb, clock: ClockDep) -> QuoteService:
    return QuoteService(
        SqlQuotes(session), SqlProducts(session), SqlRobots(session), clock=clock
    )


def _policies(session: WriteDb, clock: ClockDep) -> PolicyService:
    return PolicyService(
        SqlQuotes(session), SqlPolicies(session), SqlRobots(session), clock=clock
    )


def _certificates(
    session: WriteDb, storage: FilesDep, clock: ClockDep
) -> CertificateService:
    return CertificateService(
        SqlPolicies(session),
        SqlOrganisations(session),
        SqlCertificates(session),
        storage=storage,
        clock=clock,
    )


@router.post(
    "/quotes",
    summary="Ask for a quote",
    status_code=201,
    dependencies=[Idempotent],
    responses=problems(409, 422),
)
async def offer_quote(
    *,
    body: QuoteIn,
    response: Response,
    principal: Annotated[Principal, requires("quotes:write")],
    service: Annotated[QuoteService, Depends(_quotes)],
    session: WriteDb,
    clock: ClockDep,
) -> QuoteOut:
    """Price robots on their telemetry, with every factor shown. Only insurers may."""
    quote = await service.offer(
        principal,
        body.to_request(),
        product_code=body.product_code,
        product_version=body.product_version,
        robot_ids=body.robot_ids,
    )
    await session.flush()
    response.headers["Location"] = f"/api/v1/quotes/{quote.id}"
    set_etag(response, quote.version)
    return await queries.quote(
        session, quote.id, organisation_id=quote.insurer_id, now=clock.now()
    )


@router.get("/quotes", summary="List quotes", responses=problems(422))
async def list_quotes(
    *,
    principal: Annotated[Principal, requires("quotes:read")],
    session: ReadDb,
    clock: ClockDep,
    cursor: Cursor,
    holder_id: UUID | None = None,
    status: QuoteStatus | None = None,
) -> Page[QuoteSummary]:
    """List the quotes an insurer offered, or those offered to an operator."""
    return await queries.list_quotes(
        session,
        cursor,
        organisation_id=principal.organisation_id,
        now=clock.now(),
        holder_id=holder_id,
        status=status,
    )


@router.get("/quotes/{quote_id}", summary="Read a quote", responses=problems(404, 422))
async def read_quote(
    quote_id: UUID,
    response: Response,
    principal: Annotated[Principal, requires("quotes:read")],
    session: ReadDb,
    clock: ClockDep,
) -> QuoteOut:
    """Read a quote with every factor of its price."""
    quote = await queries.quote(
        session, quote_id, organisation_id=principal.organisation_id, now=clock.now()
    )
    set_etag(response, quote.version)
    return quote


@router.post(
    "/quotes/{quote_id}/bind",
    summary="Bind a quote",
    status_code=201,
    dependencies=[Idempotent],
    responses=problems(404, 409, 412, 422),
)
async def bind_quote(
    *,
    quote_id: UUID,
    body: BindIn,
    response: Response,
    if_match: IfMatch,
    principal: Annotated[Principal, requires("policies:bind")],
    service: Annotated[PolicyService, Depends(_policies)],
    session: WriteDb,
    clock: ClockDep,
) -> PolicyOut:
    """Sell the cover that was quoted: once, whoever tries how often."""
    policy = await service.bind(
        principal,
        quote_id,
        payment_method=body.payment_method,
        expected_version=if_match,
    )
    response.headers["Location"] = f"/api/v1/policies/{policy.id}"
    set_etag(response, policy.version)
    return await queries.policy(
        session, policy.id, organisation_id=policy.insurer_id, now=clock.now()
    )


@router.get("/policies", summary="List policies", responses=problems(422))
async def list_policies(
    *,
    principal: Annotated[Principal, requires("policies:read")],
    session: ReadDb,
    clock: ClockDep,
    cursor: Cursor,
    number: Annotated[
        str | None,
        Query(pattern="^[A-Z0-9-]{1,32}$", examples=["POL-2026-000042"]),
    ] = None,
    holder_id: UUID | None = None,
    status: PolicyStatus | None = None,
    in_force_on: Annotated[
        date | None, Query(description="A day of the policy's own time zone.")
    ] = None,
) -> Page[PolicySummary]:
    """List the policies an insurer sold, or those an operator holds."""
    return await queries.list_policies(
        session,
        cursor,
        organisation_id=principal.organisation_id,
        now=clock.now(),
        number=number,
        holder_id=holder_id,
        status=status,
        in_force_on=in_force_on,
    )


@router.get(
    "/policies/{policy_id}", summary="Read a policy", responses=problems(404, 422)
)
async def read_policy(
    policy_id: UUID,
    response: Response,
    principal: Annotated[Principal, requires("policies:read")],
    session: ReadDb,
    clock: ClockDep,
) -> PolicyOut:
    """Read what is covered, and what it costs."""
    policy = await queries.policy(
        session, policy_id, organisation_id=principal.organisation_id, now=clock.now()
    )
    set_etag(response, policy.version)
    return policy


@router.get(
    "/policies/{policy_id}/transactions",
    summary="List a policy's transactions",
    responses=problems(404, 422),
)
async def list_transactions(
    policy_id: UUID,
    principal: Annotated[Principal, requires("policies:read")],
    session: ReadDb,
    cursor: Cursor,
) -> Page[TransactionOut]:
    """List a policy's history, the latest transaction first."""
    return await queries.list_transactions(
        session, cursor, policy_id, organisation_id=principal.organisation_id
    )


@router.get(
    "/policies/{policy_id}/certificate",
    summary="Download the certificate",
    response_class=Response,
    responses={**_PDF, **problems(404, 409, 422)},
)
@limited_as(RouteClass.EXPORT)
async def download_certificate(
    policy_id: UUID,
    principal: Annotated[Principal, requires("policies:read")],
    service: Annotated[CertificateService, Depends(_certificates)],
) -> Response:
    """Download the certificate of insurance: a PDF, the same bytes every time."""
    document = await service.certificate(
        policy_id, organisation_id=principal.organisation_id
    )
    return Response(document, media_type="application/pdf")
