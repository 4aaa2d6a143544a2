"""Payments over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Header, Query, Request, status

from robosure.contexts.payments.jobs import charge_due
from robosure.contexts.payments.queries import PaymentQueries
from robosure.contexts.payments.schemas import (
    BalancesResponse,
    InstalmentResponse,
    InstalmentStatus,
    PayoutResponse,
    PayoutStatus,
    ProcessorNotification,
    RetryRequest,
    TransactionResponse,
)
from robosure.contexts.payments.service import PaymentService
from robosure.platform.database.behalf import PLATFORM
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Idempotent,
    Page,
    Principal,
    ReadDb,
    SettingsDep,
    WriteDb,
    problems,
    public,
    requires,
)
from robosure.platform.jobs import defer

router = ApiRouter(tags=["payments"])

_NOTIFICATION: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ProcessorNotification.model_json_schema()}
        },
    }
}


@router.get(
    "/instalments",
    summary="List instalments",
    responses=problems(422),
)
async def list_instalments(
    *,
    principal: Annotated[Principal, requires("payments:read")],
    session: ReadDb,
    cursor: Cursor,
    policy_id: UUID | None = None,
    policy_number: str | None = None,
    instalment_status: Annotated[InstalmentStatus | None, Query(alias="status")] = None,
) -> Page[InstalmentResponse]:
    """List the instalments an insurer collects, or those a holder owes."""
    queries = PaymentQueries(session, organisation_id=principal.organisation_id)
    return await queries.instalments(
        cursor,
        policy_id=policy_id,
        policy_number=policy_number,
        status=instalment_status,
    )


@router.get(
    "/instalments/{instalment_id}",
    summary="Read an instalment",
    responses=problems(404, 422),
)
async def read_instalment(
    instalment_id: UUID,
    principal: Annotated[Principal, requires("payments:read")],
    session: ReadDb,
) -> InstalmentResponse:
    """Read one instalment."""
    queries = PaymentQueries(session, organisation_id=principal.organisation_id)
    return await queries.instalment(instalment_id)


@router.post(
    "/instalments/{instalment_id}/retry",
    summary="Retry a failed instalment",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[Idempotent],
    responses=problems(404, 409, 422),
)
async def retry_instalment(
    instalment_id: UUID,
    retry: RetryRequest,
    principal: Annotated[Principal, requires("payments:collect")],
    session: WriteDb,
    clock: ClockDep,
) -> InstalmentResponse:
    """Make a failed instalment due now; read it again for what becomes of it."""
    instalment = await PaymentService.on(session).retry(
        instalment_id,
        insurer_id=principal.organisation_id,
        payment_method=retry.payment_method,
        at=clock.now(),
    )
    defer(session, charge_due, str(instalment_id))
    return InstalmentResponse.model_validate(instalment)


@router.get("/payouts", summary="List payouts", responses=problems(422))
async def list_payouts(
    *,
    principal: Annotated[Principal, requires("payments:read")],
    session: ReadDb,
    cursor: Cursor,
    claim_id: UUID | None = None,
    claim_number: str | None = None,
    payout_status: Annotated[PayoutStatus | None, Query(alias="status")] = None,
) -> Page[PayoutResponse]:
    """List the settlements an insurer pays, or those a holder is paid."""
    queries = PaymentQueries(session, organisation_id=principal.organisation_id)
    return await queries.payouts(
        cursor, claim_id=claim_id, claim_number=claim_number, status=payout_status
    )


@router.get(
    "/ledger/transactions",
    summary="List ledger transactions",
    responses=problems(422),
)
async def list_transactions(
    *,
    principal: Annotated[Principal, requires("ledger:read")],
    session: ReadDb,
    cursor: Cursor,
    policy_id: UUID | None = None,
    claim_id: UUID | None = None,
    reference: Annotated[
        str | None, Query(description="A policy's or claim's number.")
    ] = None,
) -> Page[TransactionResponse]:
    """List the changes of the insurer's books, newest first."""
    queries = PaymentQueries(session, organisation_id=principal.organisation_id)
    return await queries.transactions(
        cursor, policy_id=policy_id, claim_id=claim_id, reference=reference
    )


@router.get(
    "/ledger/balances", summary="Read the ledger's balances", responses=problems()
)
async def read_balances(
    principal: Annotated[Principal, requires("ledger:read")], session: ReadDb
) -> BalancesResponse:
    """Read the balance of every account; all entries of a currency sum to zero."""
    queries = PaymentQueries(session, organisation_id=principal.organisation_id)
    return await queries.balances()


@router.post(
    "/payments/processor-notifications",
    summary="Take a payment processor's notification",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[public(behalf=PLATFORM)],
    responses=problems(404, 409, 422),
    openapi_extra=_NOTIFICATION,
)
async def take_processor_notification(
    request: Request,
    session: WriteDb,
    clock: ClockDep,
    settings: SettingsDep,
    signature: Annotated[
        str,
        Header(
            alias="X-Processor-Signature",
            description="HMAC-SHA256 of the body with the shared secret, in hex.",
        ),
    ],
) -> None:
    """Record an outcome the processor sends by itself; a repetition has no effect."""
    await PaymentService.on(session).take_notification(
        await request.body(),
        signature=signature,
        secret=settings.processor_secret.get_secret_value(),
        at=clock.now(),
    )
