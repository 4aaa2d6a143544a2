"""Lists page by cursor: ``{"items": [...], "next_cursor": ...}``, newest first."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select
from sqlalchemy.sql import ColumnElement

from robosure.kernel.errors import Invalid
from robosure.platform.database.session import ReadSession

T = TypeVar("T", bound=BaseModel)


class Page(BaseModel, Generic[T]):
    """Part of a list, and how to get the next part."""

    items: list[T]
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last."
    )


@dataclass(frozen=True)
class PageRequest:
    """How much of a list, and after which item."""

    limit: int
    after: UUID | None


def _page_request(
    limit: Annotated[int, Query(ge=1, le=200, description="Items per page.")] = 50,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before.")
    ] = None,
) -> PageRequest:
    if cursor is None:
        return PageRequest(limit, None)
    try:
        return PageRequest(limit, UUID(bytes=base64.urlsafe_b64decode(cursor + "==")))
    except (binascii.Error, ValueError) as error:
        raise Invalid("invalid_cursor") from error


Cursor = Annotated[PageRequest, Depends(_page_request)]


async def paginate(
    session: ReadSession,
    statement: Select[*tuple[Any, ...]],
    *,
    by: ColumnElement[UUID],
    cursor: PageRequest,
    model: type[T],
) -> Page[T]:
    """Run a listing, newest first, and shape one page of it.

    Args:
        session: to read on.
        statement: selects the model's fields; ``by`` must be among the columns.
        by: the UUIDv7 column that orders the list.
        cursor: from the request.
        model: built from each row's attributes.
    """
    if cursor.after is not None:
        statement = statement.where(by < cursor.after)
    statement = statement.order_by(by.desc()).limit(cursor.limit + 1)
    rows = (await session.execute(statement)).all()
    shown = rows[: cursor.limit]
    items = [model.model_validate(row, from_attributes=True) for row in shown]
    more = len(rows) > cursor.limit
    return Page(items=items, next_cursor=_encode(shown, by) if more else None)


def matching(
    *filters: tuple[ColumnElement[Any], object],
) -> list[ColumnElement[bool]]:
    """Turn the filters of a listing that were given into its conditions.

    Args:
        filters: columns and what they are to equal; None leaves one out.
    """
    return [column == value for column, value in filters if value is not None]


def _encode(rows: Sequence[Any], by: ColumnElement[UUID]) -> str:
    last: UUID = getattr(rows[-1], str(getattr(by, "key", "id")))
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")
