"""Replays over HTTP: what is asked for, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Self, cast
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from robosure.platform.http import InputModel, OutputModel
from robosure.platform.streams.projections.replays import Phase, Status
from robosure.platform.streams.projections.side import side_of

_PROJECTION: Final[dict[str, Any]] = {
    "name": "risk.exposure",
    "description": "Telemetry per robot, and the windows and days it sums up to.",
    "tables": ["risk.models", "risk.robots", "risk.chunks"],
    "facts": ["robots.ModelRegistered", "robots.RobotRegistered"],
    "events": ["robot.telemetry.v1"],
    "incomplete": None,
}
_REPLAY: Final[dict[str, Any]] = {
    "id": "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f",
    "projection": "risk.exposure",
    "from": None,
    "to": None,
    "status": "running",
    "phase": "events",
    "cancelling": False,
    "requested_at": "2026-03-02T08:17:21.847Z",
    "requested_by": "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e60",
    "started_at": "2026-03-02T08:17:22.104Z",
    "finished_at": None,
    "done": 1200000,
    "total": 4800000,
    "rate": 40000.0,
    "remaining_seconds": 90.0,
    "left_out": None,
    "lock_attempts": 0,
    "tables_in": None,
    "rows": None,
    "kept_until": None,
    "error": None,
}


class ProjectionOut(OutputModel):
    """Tables that follow from facts and events, and so can be rebuilt."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PROJECTION]})

    name: str
    description: str
    tables: list[str]
    facts: list[str] = Field(description="The kinds of facts that it follows from.")
    events: list[str] = Field(description="The types of events that it follows from.")
    incomplete: str | None = Field(
        description="Why it cannot be rebuilt from the beginning; null if it can."
    )


class ProjectionsOut(OutputModel):
    """Projections."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_PROJECTION]}]}
    )

    items: list[ProjectionOut]


class ReplayIn(InputModel):
    """What to replay."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"projection": "risk.exposure"}]}
    )

    projection: str = Field(max_length=100)
    since: AwareDatetime | None = Field(
        default=None,
        alias="from",
        description="Only what happened since then. Where the projection follows from "
        "events, the range is theirs; for them to be read, all facts are replayed.",
    )
    until: AwareDatetime | None = Field(
        default=None, alias="to", description="Only what happened before then."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.since >= self.until:
            raise ValueError("`from` has to be before `to`")
        return self


class ReplayOut(OutputModel):
    """A replay, and how far it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_REPLAY]}, serialize_by_alias=True
    )

    id: UUID
    projection: str
    since: datetime | None = Field(alias="from")
    until: datetime | None = Field(alias="to")
    status: Status = Field(
        description="`waiting` to begin, `running`, `done`: its tables are live; "
        "`kept`: they are kept for looking at; `failed` or `cancelled`."
    )
    phase: Phase | None = Field(
        description="Of a running one: replaying `facts` or `events`, `deriving` what "
        "jobs make of them, or `switching` to the new tables."
    )
    cancelling: bool = Field(description="Whether it is to be given up.")
    requested_at: datetime
    requested_by: UUID
    started_at: datetime | None
    finished_at: datetime | None
    done: int = Field(description="Facts and events that were replayed.")
    total: int | None = Field(description="About how many there are.")
    rate: float | None = Field(description="Facts and events per second.")
    remaining_seconds: float | None = Field(description="As far as can be told.")
    left_out: int | None = Field(
        description="Facts that are not in it, as they wait to be handled, or are dead "
        "letters; they are handled as usual, or once replayed."
    )
    lock_attempts: int = Field(
        description="How often a transaction stayed at the tables for too long to "
        "switch; it goes on trying."
    )
    tables_in: str | None = Field(
        description="The database schema with the tables that are kept: the new ones "
        "of a range, or those that were replaced."
    )
    rows: dict[str, int] | None = Field(description="Of a range, by table.")
    kept_until: datetime | None = Field(description="When those are dropped.")
    error: str | None

    @model_validator(mode="before")
    @classmethod
    def _shown(cls, row: Any) -> object:
        if isinstance(row, dict):
            return cast("object", row)
        done: int = row.done
        total: int | None = row.total
        rate = done / row.worked_seconds if row.worked_seconds else None
        remaining = None
        if row.status == "running" and rate and total is not None:
            remaining = round(max(0, total - done) / rate, 1)
        own = {"since", "until", "rate", "remaining_seconds", "tables_in", "total"}
        return {
            **{n: getattr(row, n) for n in cls.model_fields if n not in own},
            "from": row.since,
            "to": row.until,
            # What comes in while it goes on makes it more.
            "total": None if total is None else max(total, done),
            "rate": None if rate is None else round(rate, 1),
            "remaining_seconds": remaining,
            "tables_in": side_of(row.id) if row.kept_until else None,
        }
