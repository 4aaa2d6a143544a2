"""What payments takes and answers over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from robosure.contexts.payments.domain import TransactionKind
from robosure.platform.http import InputModel, MoneyModel, OutputModel

InstalmentStatus = Literal["scheduled", "charging", "paid", "failed"]
PayoutStatus = Literal["requested", "paying", "paid", "failed"]

_ID = "019c8f3e-9a40-7000-8000-000000000001"
_EUR: JsonDict = {"minor": 33334, "currency": "EUR"}


class InstalmentResponse(OutputModel):
    """One of the payments for a policy."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "policy_id": _ID,
                    "policy_number": "POL-2026-000042",
                    "sequence": 1,
                    "instalments": 3,
                    "amount": _EUR,
                    "due_on": "2026-03-02",
                    "status": "failed",
                    "attempts": 1,
                    "next_attempt_at": "2026-03-03T12:00:00Z",
                    "paid_at": None,
                    "failure_reason": "card_declined",
                }
            ]
        }
    )

    id: UUID
    policy_id: UUID
    policy_number: str
    sequence: int = Field(description="1 for the first of `instalments`.")
    instalments: int
    amount: MoneyModel
    due_on: date = Field(description="In the policy's time zone.")
    status: InstalmentStatus
    attempts: int = Field(description="How often collecting it was tried.")
    next_attempt_at: datetime | None = Field(
        description="When it is tried next, or asked about again; null when done."
    )
    paid_at: datetime | None
    failure_reason: str | None = Field(
        description="The processor's word for why the latest attempt failed."
    )


class PayoutResponse(OutputModel):
    """A settlement on its way to the holder."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "claim_id": _ID,
                    "claim_number": "CLM-2026-000007",
                    "payee_id": _ID,
                    "amount": _EUR,
                    "status": "paid",
                    "requested_at": "2026-03-02T12:00:00Z",
                    "paid_at": "2026-03-02T12:00:01Z",
                    "failure_reason": None,
                }
            ]
        }
    )

    id: UUID
    claim_id: UUID
    claim_number: str
    payee_id: UUID = Field(description="The holder's organisation.")
    amount: MoneyModel
    status: PayoutStatus
    requested_at: datetime
    paid_at: datetime | None
    failure_reason: str | None


class RetryRequest(InputModel):
    """Try a failed instalment again, at once."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"payment_method": "tok_ok"}, {}]}
    )

    payment_method: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None,
        description="The processor's token of another means of payment, for this one.",
    )


class EntryResponse(OutputModel):
    """One side of a transaction."""

    account: str = Field(examples=["assets:cash"])
    amount: MoneyModel = Field(description="A debit is positive, a credit negative.")


class TransactionResponse(OutputModel):
    """A change of the books; its entries sum to zero per currency."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "kind": "premium_collected",
                    "policy_id": _ID,
                    "claim_id": None,
                    "reference": "POL-2026-000042",
                    "occurred_at": "2026-03-02T12:00:00Z",
                    "entries": [
                        {
                            "account": "assets:cash",
                            "amount": {"minor": 33334, "currency": "EUR"},
                        },
                        {
                            "account": "assets:premium_receivable:POL-2026-000042",
                            "amount": {"minor": -33334, "currency": "EUR"},
                        },
                    ],
                }
            ]
        }
    )

    id: UUID
    kind: TransactionKind
    policy_id: UUID | None
    claim_id: UUID | None
    reference: str = Field(description="The policy's or claim's number.")
    occurred_at: datetime
    entries: list[EntryResponse]


class AccountBalance(OutputModel):
    """What is on one account in one currency."""

    account: str
    balance: MoneyModel
    entries: int = Field(description="How many there are.")


class LedgerTotal(OutputModel):
    """All entries of one currency together."""

    currency: str
    transactions: int
    sum_minor: int = Field(description="Of every entry; always 0.")


class BalancesResponse(OutputModel):
    """The books: every account, and the proof that they balance."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "accounts": [
                        {
                            "account": "assets:cash",
                            "balance": {"minor": 33334, "currency": "EUR"},
                            "entries": 1,
                        },
                        {
                            "account": "assets:premium_receivable:POL-2026-000042",
                            "balance": {"minor": -33334, "currency": "EUR"},
                            "entries": 2,
                        },
                    ],
                    "totals": [{"currency": "EUR", "transactions": 2, "sum_minor": 0}],
                }
            ]
        }
    )

    accounts: list[AccountBalance]
    totals: list[LedgerTotal]


class ProcessorNotification(InputModel):
    """A processor's answer that comes by itself, perhaps for the second time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operation": "charge",
                    "reference": f"{_ID}:1",
                    "declined": "card_declined",
                }
            ]
        }
    )

    operation: Literal["charge", "payout"]
    reference: Annotated[str, Field(max_length=64)]
    declined: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        description="Why it was declined; null if the money moved."
    )
