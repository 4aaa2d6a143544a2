"""Names of streams in Redis, and what every reader of one needs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

INGEST: Final = "robosure:ingest"


def events_of(context: str) -> str:
    """Return the stream to which a context's facts are relayed."""
    return f"robosure:events:{context}"


async def ensure_group(redis: Redis, stream: str, group: str) -> None:
    """Create the group at the stream's beginning, unless it exists."""
    try:
        await redis.xgroup_create(stream, group, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


async def trim_acknowledged(redis: Redis, stream: str) -> None:
    """Drop entries that every group has acknowledged; never by length.

    What a group has not been given, or has not acknowledged, is kept.
    """
    groups: list[dict[str, Any]] = await redis.xinfo_groups(stream)
    lowest: list[tuple[int, int]] = []
    for group in groups:
        pending: dict[str, Any] = await redis.xpending(stream, group["name"])
        if pending["pending"]:
            lowest.append(_parse(pending["min"]))
        else:
            milliseconds, sequence = _parse(group["last-delivered-id"])
            lowest.append((milliseconds, sequence + 1))
    if lowest:
        milliseconds, sequence = min(lowest)
        minid = f"{milliseconds}-{sequence}"
        await redis.xtrim(stream, minid=minid, approximate=False)


async def oldest_waiting(redis: Redis, stream: str, group: str) -> datetime | None:
    """Return when the oldest entry was added that the group has not acknowledged.

    None if nothing waits.
    """
    if not await redis.exists(stream):
        return None
    groups: list[dict[str, Any]] = await redis.xinfo_groups(stream)
    delivered = [g["last-delivered-id"] for g in groups if _text(g["name"]) == group]
    start = f"({_text(delivered[0])}" if delivered else "-"
    entries: Any = await redis.xrange(stream, min=start, count=1)
    pending: dict[str, Any] = {"pending": 0}
    if delivered:
        pending = await redis.xpending(stream, group)
    waiting = [entry[0] for entry in entries]
    if pending["pending"]:
        waiting.append(pending["min"])
    added = [_parse(entry_id)[0] / 1000 for entry_id in waiting]
    return datetime.fromtimestamp(min(added), UTC) if added else None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _parse(entry_id: str | bytes) -> tuple[int, int]:
    milliseconds, _, sequence = _text(entry_id).partition("-")
    return int(milliseconds), int(sequence or 0)
