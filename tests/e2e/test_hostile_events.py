"""Hostile events through a real API: nothing breaks, and no good event is lost.

ROBOSURE_HOSTILE_EVENTS says how many; `hostile.py` beside it sends a million and shows
what became of them.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.e2e.storm import events_asked_for, grown, weather_of

_EVENTS: Final = 3_000


@pytest.mark.timeout(3_600)
async def test_hostile_events_break_nothing_and_keep_no_good_event_out() -> None:
    # given malformed, oversized, repeated, late and forged events among good ones
    events = events_asked_for(_EVENTS)
    # when they are sent to a real API
    weather = await weather_of(events, seed=1)
    # then nothing broke, and every event was answered for as it had to be
    assert weather.server_errors == 0
    assert weather.wrong == {}
    assert weather.events >= events
    assert weather.accepted + 1 == weather.stored + weather.repeated + weather.failed
    # and there were good events, each stored once, and as many others
    assert weather.stored >= weather.good > events / 3
    assert weather.refused > events / 10
    # and memory does not grow with what is sent
    assert grown(weather) == []
