"""A process knows of ended and proven sessions: its own at once, others' soon."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from robosure.kernel.ids import uuid7
from robosure.platform.security import OVER, EndedSessions

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEPT = timedelta(minutes=10)


class Elsewhere:
    """What other processes have written, and this process' clock."""

    def __init__(self) -> None:
        self.good_from: dict[UUID, float] = {}
        self.looks: list[datetime] = []
        self.seconds = 0.0
        self.looking = asyncio.Event()
        self.while_looking = asyncio.Event()
        self.while_looking.set()

    async def look(self, since: datetime) -> Mapping[UUID, float]:
        self.looks.append(since)
        self.looking.set()
        found = dict(self.good_from)
        await self.while_looking.wait()
        return found


def known(elsewhere: Elsewhere) -> EndedSessions:
    return EndedSessions(elsewhere.look, kept=KEPT, now=lambda: elsewhere.seconds)


async def test_it_looks_once_a_second_as_far_back_as_tokens_are_good() -> None:
    # given
    elsewhere = Elsewhere()
    ended, one = known(elsewhere), uuid7()
    assert await ended.good_from(one, at=NOON) == 0
    elsewhere.good_from[one] = OVER
    # when within the second
    elsewhere.seconds = 0.99
    assert await ended.good_from(one, at=NOON) == 0
    # and after it
    elsewhere.seconds = 1.0
    assert await ended.good_from(one, at=NOON) == OVER
    assert elsewhere.looks == [NOON - KEPT, NOON - KEPT]


async def test_what_the_process_itself_ended_it_knows_at_once() -> None:
    ended, one = known(Elsewhere()), uuid7()
    assert await ended.good_from(one, at=NOON) == 0
    ended.note(one, OVER)
    assert await ended.good_from(one, at=NOON) == OVER


async def test_a_proof_here_is_not_undone_by_a_look_from_before_it() -> None:
    # given a look under way that has found the proof before this one
    elsewhere, one = Elsewhere(), uuid7()
    elsewhere.good_from[one] = 2
    elsewhere.while_looking.clear()
    ended = known(elsewhere)
    asked = asyncio.create_task(ended.good_from(one, at=NOON))
    await elsewhere.looking.wait()
    # when it is proven here, and an older proof is told of late
    ended.note(one, 5)
    ended.note(one, 4)
    elsewhere.while_looking.set()
    # then the latest counts
    assert await asked == 5


async def test_many_at_once_wait_for_one_look() -> None:
    # given
    elsewhere = Elsewhere()
    elsewhere.while_looking.clear()
    ended, one = known(elsewhere), uuid7()
    asked = [asyncio.create_task(ended.good_from(one, at=NOON)) for _ in range(50)]
    await elsewhere.looking.wait()
    # when one is ended here while another's look is on its way
    ended.note(one, OVER)
    elsewhere.while_looking.set()
    # then nobody misses it
    assert await asyncio.gather(*asked) == [OVER] * 50
    assert len(elsewhere.looks) == 1


async def test_what_tokens_can_no_longer_be_of_is_forgotten() -> None:
    # given
    elsewhere = Elsewhere()
    ended, one = known(elsewhere), uuid7()
    assert await ended.good_from(one, at=NOON) == 0
    ended.note(one, OVER)
    assert await ended.good_from(one, at=NOON) == OVER
    # when others have been looked for since
    elsewhere.seconds = 5.0
    assert await ended.good_from(one, at=NOON + KEPT) == 0


async def test_a_look_that_takes_its_time_is_not_repeated_by_each_who_waited() -> None:
    # given a look that takes longer than a second
    elsewhere = Elsewhere()
    elsewhere.while_looking.clear()
    ended = known(elsewhere)
    asked = [asyncio.create_task(ended.good_from(uuid7(), at=NOON)) for _ in range(50)]
    await elsewhere.looking.wait()
    elsewhere.seconds = 3.0
    # when it is over
    elsewhere.while_looking.set()
    await asyncio.gather(*asked)
    # then all who waited have its answer, and the next one looks again
    assert len(elsewhere.looks) == 1
    await ended.good_from(uuid7(), at=NOON)
    assert len(elsewhere.looks) == 2


async def test_a_look_that_fails_fails_for_all_who_waited_and_not_for_good() -> None:
    looks = 0

    async def look(_since: datetime) -> Mapping[UUID, float]:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        if looks == 1:
            raise OSError("away")
        return {}

    ended = EndedSessions(look, kept=KEPT)
    asked = [ended.good_from(uuid7(), at=NOON) for _ in range(10)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in outcomes} == {OSError}
    assert looks == 1
    assert await ended.good_from(uuid7(), at=NOON) == 0


async def test_who_gives_up_waiting_spoils_it_for_nobody() -> None:
    elsewhere = Elsewhere()
    elsewhere.while_looking.clear()
    ended = known(elsewhere)
    first, second = (
        asyncio.create_task(ended.good_from(uuid7(), at=NOON)) for _ in range(2)
    )
    await elsewhere.looking.wait()
    first.cancel()
    elsewhere.while_looking.set()
    assert await second == 0
