"""The stream worker, as far as it is not the streams themselves."""

from __future__ import annotations

import asyncio

from robosure.entrypoints.registry import load
from robosure.entrypoints.worker import Streams
from robosure.platform.metrics import STREAM_LANES, summary
from robosure.platform.runtime import Runtime
from robosure.platform.streams.bus import INGEST, INGEST_GROUP


async def test_a_worker_is_seen_before_it_has_any_lane(runtime: Runtime) -> None:
    # given a worker that is to stop before it takes a lane
    STREAM_LANES.clear()
    stop = asyncio.Event()
    stop.set()
    # when it runs
    await Streams(runtime, load()).run(stop)
    # then it is shown with none
    assert summary()[f"stream_lanes{{consumer={INGEST_GROUP},stream={INGEST}}}"] == 0
