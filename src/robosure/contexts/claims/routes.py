"""Claims over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Response, UploadFile, status

from robosure.contexts.claims.domain.claim import ClaimStatus
from robosure.contexts.claims.domain.evidence import ALLOWED_CONTENT_TYPES
from robosure.contexts.claims.queries import ClaimQueries, StoredContent
from robosure.contexts.claims.schemas.requests import (
    AssessClaimRequest,
    AssignClaimRequest,
    DeclineClaimRequest,
    ReportClaimRequest,
)
from robosure.contexts.claims.schemas.responses import (
    AttachmentResponse,
    ClaimReceipt,
    ClaimResponse,
    ClaimSummary,
    EvidenceResponse,
    TimelineEntryResponse,
)
from robosure.contexts.claims.service import ClaimService, read_verified
from robosure.platform.files import FileStorage
from robosure.platform.http import (
    ApiRouter,
    AuthoritiesDep,
    ClockDep,
    Cursor,
    FilesDep,
    Idempotent,
    IfMatch,
    Page,
    Principal,
    ReadDb,
    RouteClass,
    UploadsDep,
    WriteDb,
    download,
    limited_as,
    problems,
    requires,
    set_etag,
)

router = ApiRouter(tags=["claims"])

Reader = Annotated[Principal, requires("claims:read")]
Reporter = Annotated[Principal, requires("claims:report")]
Assessor = Annotated[Principal, requires("claims:assess")]
Approver = Annotated[Principal, requires("claims:approve", sensitive=True)]
Decliner = Annotated[Principal, requires("claims:approve")]
Assigner = Annotated[Principal, requires("claims:assign")]

_COMMAND_PROBLEMS: Final = problems(404, 409, 412, 422)


def _file(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is a file of one of these types."""
    binary: dict[str, Any] = {"schema": {"format": "binary"}}
    return {
        200: {
            "description": "The file; its SHA-256 has been verified.",
            "content": dict.fromkeys(sorted(media_types), binary),
        },
        **problems(404, 409, 422),
    }


@router.post(
    "/claims",
    summary="Report a loss",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Idempotent],
    responses=problems(404, 409, 422),
)
async def report_claim(
    request: ReportClaimRequest,
    response: Response,
    principal: Reporter,
    session: WriteDb,
    clock: ClockDep,
) -> ClaimReceipt:
    """Give the first notice of a loss.

    Cover is checked on the day of the incident, in the policy's time zone. A policy
    bound only seconds ago may not be known here yet: then this answers 404, and trying
    again helps.
    """
    claim = await ClaimService.on(session, clock).report(
        request.policy_number, request.to_notice(), principal=principal
    )
    response.headers["Location"] = f"/api/v1/claims/{claim.id}"
    return ClaimReceipt.model_validate(claim)


@router.get("/claims", summary="List claims", responses=problems(422))
async def list_claims(
    *,
    principal: Reader,
    session: ReadDb,
    cursor: Cursor,
    claim_status: Annotated[ClaimStatus | None, Query(alias="status")] = None,
    policy_number: str | None = None,
    adjuster: Annotated[UUID | None, Query(description="A user's id.")] = None,
) -> Page[ClaimSummary]:
    """List the claims under an insurer's policies, or those a holder made."""
    queries = ClaimQueries(session, organisation_id=principal.organisation_id)
    return await queries.claims(
        cursor, status=claim_status, policy_number=policy_number, adjuster_id=adjuster
    )


@router.get("/claims/{claim_id}", summary="Read a claim", responses=problems(404, 422))
async def read_claim(
    claim_id: UUID, response: Response, principal: Reader, session: ReadDb
) -> ClaimResponse:
    """Read a claim; its `ETag` may be given back as `If-Match` with a command."""
    queries = ClaimQueries(session, organisation_id=principal.organisation_id)
    claim, version = await queries.claim(claim_id)
    set_etag(response, version)
    return claim


@router.get(
    "/claims/{claim_id}/timeline",
    summary="Read a claim's timeline",
    responses=problems(404, 422),
)
async def read_timeline(
    claim_id: UUID, principal: Reader, session: ReadDb, cursor: Cursor
) -> Page[TimelineEntryResponse]:
    """Read everything that happened to a claim, newest first."""
    queries = ClaimQueries(session, organisation_id=principal.organisation_id)
    return await queries.timeline(claim_id, cursor)


@router.post(
    "/claims/{claim_id}/attachments",
    summary="Attach a file",
    status_code=status.HTTP_201_CREATED,
    responses=problems(404, 409, 413, 422, 503),
)
async def attach_file(
    claim_id: UUID,
    *,
    file: UploadFile,
    principal: Reporter,
    session: WriteDb,
    clock: ClockDep,
    files: FilesDep,
    uploads: UploadsDep,
) -> AttachmentResponse:
    """Attach a picture, PDF, CSV, JSON, gzip or MP4 file; the same one only once.

    Which of these it is, its content tells: a media type that says otherwise is
    refused, and the name given to it ends accordingly. Text is UTF-8, a gzip file holds
    JSON, lines of JSON or CSV, and a PDF has neither scripts nor other files nor a
    password. Where files are scanned, `503` says that one cannot be now; it is not
    kept.
    """
    upload = await uploads.inspect(
        await file.read(),
        name=file.filename,
        declared=file.content_type,
        allowed=ALLOWED_CONTENT_TYPES,
    )
    attachment = await ClaimService.on(session, clock).attach(
        claim_id, upload, principal=principal, files=files
    )
    return AttachmentResponse.model_validate(attachment)


@router.get(
    "/claims/{claim_id}/attachments",
    summary="List attachments",
    responses=problems(404, 422),
)
async def list_attachments(
    claim_id: UUID, principal: Reader, session: ReadDb, cursor: Cursor
) -> Page[AttachmentResponse]:
    """List the files attached to a claim, newest first."""
    queries = ClaimQueries(session, organisation_id=principal.organisation_id)
    return await queries.attachments(claim_id, cursor)


@router.get(
    "/claims/{claim_id}/attachments/{attachment_id}/content",
    summary="Download an attachment",
    response_class=Response,
    responses=_file(*ALLOWED_CONTENT_TYPES),
)
@limited_as(RouteClass.EXPORT)
async def download_attachment(
    claim_id: UUID,
    attachment_id: UUID,
    principal: Reader,
    session: ReadDb,
    files: FilesDep,
) -> Response:
    """Download a file as it was attached."""
    queries = ClaimQueries(session, organisation_id=principal.organisation_id)
    return await _download(
        await queries.attachment_content(claim_id, attachment_id), files
    )


@router.get(
    "/claims/{claim_id}/evidence",
    summary="List evidence",
    responses=problems(404, 422),
)
async def list_evidence(
    claim_id: UUID, principal: Reader, session: ReadDb
) -> Page[EvidenceResponse]:
    """List the telemetry that was asked for, and what of it has arrived."""
    queries = ClaimQueries(session, organisation_id=principal.organisation_id)
    return await queries.evidence(claim_id)


@router.get(
    "/claims/{claim_id}/evidence/{evidence_id}/content",
    summary="Download evidence",
    response_class=Response,
    responses=_file("application/gzip"),
)
@limited_as(RouteClass.EXPORT)
async def download_evidence(
    claim_id: UUID,
    evidence_id: UUID,
    principal: Reader,
    session: ReadDb,
    files: FilesDep,
) -> Response:
    """Download the frozen telemetry: gzip of one CloudEvent per line, by time."""
    queries = ClaimQueries(session, organisation_id=principal.organisation_id)
    return await _download(await queries.evidence_content(claim_id, evidence_id), files)


@router.post(
    "/claims/{claim_id}/assign",
    summary="Assign a claim",
    dependencies=[Idempotent],
    responses=_COMMAND_PROBLEMS,
)
async def assign_claim(
    claim_id: UUID,
    *,
    request: AssignClaimRequest,
    principal: Assigner,
    session: WriteDb,
    clock: ClockDep,
    expected: IfMatch,
) -> ClaimReceipt:
    """Give a claim to a certain adjuster, whatever their skills and load."""
    claim = await ClaimService.on(session, clock).assign(
        claim_id, request.adjuster_id, principal=principal, expected=expected
    )
    return ClaimReceipt.model_validate(claim)


@router.post(
    "/claims/{claim_id}/assessment",
    summary="Assess a claim",
    dependencies=[Idempotent],
    responses=_COMMAND_PROBLEMS,
)
async def assess_claim(
    claim_id: UUID,
    *,
    request: AssessClaimRequest,
    principal: Assessor,
    session: WriteDb,
    clock: ClockDep,
    expected: IfMatch,
) -> ClaimReceipt:
    """Value the loss; the settlement follows from the cover, step by step."""
    claim = await ClaimService.on(session, clock).assess(
        claim_id, request, principal=principal, expected=expected
    )
    return ClaimReceipt.model_validate(claim)


@router.post(
    "/claims/{claim_id}/approve",
    summary="Approve a claim",
    dependencies=[Idempotent],
    responses=_COMMAND_PROBLEMS,
)
async def approve_claim(
    *,
    claim_id: UUID,
    principal: Approver,
    session: WriteDb,
    clock: ClockDep,
    authorities: AuthoritiesDep,
    expected: IfMatch,
) -> ClaimReceipt:
    """Approve the settlement and have it paid.

    Whoever reported the claim or assessed it may not. Nor may anyone whose authority
    ends below the amount: `403` with `above_authority`, what is `allowed`
    (`allowed_minor`, `currency`), and the `roles` that may approve as much, in its
    `context`.
    """
    claim = await ClaimService.on(session, clock).approve(
        claim_id, principal=principal, authorities=authorities, expected=expected
    )
    return ClaimReceipt.model_validate(claim)


@router.post(
    "/claims/{claim_id}/decline",
    summary="Decline a claim",
    dependencies=[Idempotent],
    responses=_COMMAND_PROBLEMS,
)
async def decline_claim(
    claim_id: UUID,
    *,
    request: DeclineClaimRequest,
    principal: Decliner,
    session: WriteDb,
    clock: ClockDep,
    expected: IfMatch,
) -> ClaimReceipt:
    """Refuse the claim, with a reason that the holder is told."""
    claim = await ClaimService.on(session, clock).decline(
        claim_id, reason=request.reason, principal=principal, expected=expected
    )
    return ClaimReceipt.model_validate(claim)


@router.post(
    "/claims/{claim_id}/payout",
    summary="Retry a failed payout",
    dependencies=[Idempotent],
    responses=_COMMAND_PROBLEMS,
)
async def retry_payout(
    claim_id: UUID,
    principal: Approver,
    session: WriteDb,
    clock: ClockDep,
    expected: IfMatch,
) -> ClaimReceipt:
    """Ask again for the payment of an approved claim, after it failed."""
    claim = await ClaimService.on(session, clock).retry_payout(
        claim_id, principal=principal, expected=expected
    )
    return ClaimReceipt.model_validate(claim)


async def _download(content: StoredContent, files: FileStorage) -> Response:
    return download(
        await read_verified(content, files),
        name=content.name,
        media_type=content.content_type,
        sha256=content.sha256,
    )
