from __future__ import annotations

import pytest

from robosure.contexts.risk.domain import (
    Day,
    Exposure,
    Sample,
    Settled,
    Window,
    by_window,
    day_start,
    window_start,
)
from tests.unit.contexts.risk.factories import EIGHT, a_sample, at

_MIDNIGHT = 16 * 3600
"""Seconds from eight o'clock."""


def _window(*samples: Sample) -> Window:
    return Window(window_start(samples[0].at), Exposure.of(samples))


def test_windows_begin_every_ten_minutes() -> None:
    assert window_start(at(0)) == at(0)
    assert window_start(at(599.999999)) == at(0)
    assert window_start(at(600)) == at(600)
    assert window_start(at(-0.000001)) == at(-600)


def test_samples_are_parted_by_the_windows_they_fall_in() -> None:
    edge, next_edge = a_sample(0), a_sample(600)
    within, last = a_sample(0.000001), a_sample(599.999999)

    parts = by_window([next_edge, last, edge, within])

    assert parts == {at(600): [next_edge], at(0): [last, edge, within]}


def test_days_begin_at_midnight_in_utc() -> None:
    assert day_start(EIGHT) == at(-8 * 3600)
    assert day_start(at(_MIDNIGHT)) == at(_MIDNIGHT)
    assert day_start(at(_MIDNIGHT - 0.000001)) == at(-8 * 3600)


def test_samples_that_follow_are_added_to_a_window() -> None:
    window = _window(a_sample(0), a_sample(5))

    assert window.is_followed_by(at(5.000001))
    assert window.extended([a_sample(7), a_sample(6)]) == (
        _window(a_sample(0), a_sample(5), a_sample(6), a_sample(7))
    )
    assert window.ends_at == at(600)


@pytest.mark.parametrize("second", [4, 5])
def test_samples_do_not_follow_if_the_first_is_no_later_than_the_last(
    second: int,
) -> None:
    window = _window(a_sample(0), a_sample(5))

    assert not window.is_followed_by(at(second))


def test_anything_follows_an_empty_window() -> None:
    assert Window(EIGHT).is_followed_by(EIGHT)


def test_all_but_the_last_window_is_settled() -> None:
    first, second, third = (a_sample(0), a_sample(599)), a_sample(601), a_sample(1300)
    windows = [_window(*first), _window(second), _window(third)]

    settled, exposure = Settled().extended(windows)

    assert settled == Settled(Exposure.of([*first, second]), at(1200))
    assert exposure == Exposure.of([*first, second, third])


def test_what_is_settled_holds_until_an_earlier_window_changes() -> None:
    settled = Settled(Exposure.of([a_sample(0)]), at(600))

    assert settled.before(None) == settled
    assert settled.before(at(600)) == settled
    assert settled.before(at(0)) == Settled()
    assert Settled().before(at(0)) == Settled()
    assert settled.extended([]) == (settled, settled.exposure)


def test_a_day_is_settled_up_to_its_last_window_until_it_is_over() -> None:
    windows = [_window(a_sample(0)), _window(a_sample(700))]
    whole = Exposure.of([a_sample(0), a_sample(700)])
    day = Day.kept(day_start(EIGHT))

    today = day.extended(windows, over=False)
    yesterday = day.extended(windows, over=True)

    assert (today.settled, today.exposure) == (
        Settled(windows[0].exposure, at(600)),
        whole,
    )
    assert not today.is_over
    assert yesterday.settled == Settled(whole, at(_MIDNIGHT))
    assert yesterday.is_over
    assert yesterday.before(at(600)) == day
    assert yesterday.before(None) == yesterday
