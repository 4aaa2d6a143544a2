"""A robot's sums, brought up to date with what arrived in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.risk.domain import (
    Day,
    Exposure,
    Sample,
    Settled,
    Span,
    Summing,
    Sums,
    Window,
    by_window,
    day_start,
)
from tests.unit.contexts.risk.factories import a_sample, at

_DAY = 24 * 3600


@dataclass
class Store:
    """What is kept of one robot, and what was read of it last."""

    settled: Settled = field(default_factory=Settled)
    days: dict[datetime, Day] = field(default_factory=dict)
    windows: dict[datetime, Window] = field(default_factory=dict)
    samples: dict[datetime, list[Sample]] = field(default_factory=dict)
    read_days: int = 0
    read_windows: int = 0
    read_samples: int = 0

    def take(self, *batch: Sample) -> Sums:
        """Sum up as scoring does."""
        arrived = by_window(batch)
        first_at = {
            start: min(sample.at for sample in part) for start, part in arrived.items()
        }
        summing = Summing(self.settled, first_at)
        since = summing.days_since
        days = [d for d in self.days.values() if since is None or d.starts_at >= since]
        spans = summing.windows_of(days)
        windows = [w for w in self.windows.values() if _lies_in(w, spans)]
        late = summing.samples_of(windows)
        samples = {start: self.samples[start] for start in late}
        sums = summing.sum_up(arrived, earlier=samples)
        self.read_days, self.read_windows = len(days), len(windows)
        self.read_samples = sum(map(len, samples.values()))
        for start, part in arrived.items():
            self.samples.setdefault(start, []).extend(part)
        self.windows |= {window.starts_at: window for window in sums.windows}
        self.days |= {d.starts_at: Day.kept(d.starts_at, d.settled) for d in sums.days}
        self.settled = sums.settled
        return sums


def _lies_in(window: Window, spans: list[Span]) -> bool:
    return any(since <= window.starts_at < before for since, before in spans)


_batches = st.lists(
    st.lists(
        st.builds(
            a_sample,
            # Within an hour, or on the days around; around midnight, too.
            st.integers(0, 4000)
            | st.integers(-3, 3).map(lambda day: day * _DAY)
            | st.integers(16 * 3600 - 900, 16 * 3600 + 900),
            key=st.integers(0, 2),
            protective_stop=st.sampled_from([True, False, None]),
        ),
        max_size=8,
    ),
    max_size=8,
)


@given(_batches)
def test_summing_up_after_each_batch_ends_where_doing_so_once_does(
    batches: list[list[Sample]],
) -> None:
    # given samples that arrive in batches, in any order, some of them again
    known: dict[tuple[int, str], Sample] = {}
    store, exposure = Store(), Exposure()
    for batch in batches:
        same = [known.setdefault((s.at_us, s.key), s) for s in batch]
        # when they are summed up after each
        exposure = store.take(*same).exposure
    # then the exposure is that of all samples at once
    assert exposure == Exposure.of(known.values())
    # and so is what is kept of windows and days
    parts = by_window(known.values())
    assert {start: store.windows[start].exposure for start in parts} == {
        start: Exposure.of(part) for start, part in parts.items()
    }
    for day in store.days.values():
        if day.is_over:
            inside = [s for s in known.values() if day_start(s.at) == day.starts_at]
            assert day.exposure == Exposure.of(inside)


def _three_days() -> Store:
    """Three samples in each of six windows a day, of which the last may grow."""
    store = Store()
    for day in range(3):
        for window in range(6):
            begin = day * _DAY + window * 600
            store.take(*(a_sample(begin + second) for second in (0, 1, 2)))
    return store


def test_what_follows_reads_its_day_and_window_and_no_sample() -> None:
    store = _three_days()

    sums = store.take(a_sample(2 * _DAY + 3003))

    assert (store.read_days, store.read_windows, store.read_samples) == (1, 1, 0)
    assert [window.starts_at for window in sums.windows] == [at(2 * _DAY + 3000)]
    assert sums.days == []
    assert sums.closed == set()
    assert sums.exposure.samples == 55


def test_nothing_new_reads_as_much_and_changes_nothing() -> None:
    store = _three_days()
    before = store.settled

    sums = store.take()

    assert (store.read_days, store.read_windows, store.read_samples) == (1, 1, 0)
    assert (sums.windows, sums.days, sums.closed) == ([], [], set())
    assert sums.settled == before
    assert sums.exposure.samples == 54


def test_a_late_sample_reads_its_window_its_day_and_the_sums_of_days() -> None:
    store = _three_days()

    sums = store.take(a_sample(600.5))

    # The six windows of its day, and the one of today that may grow.
    assert (store.read_days, store.read_windows, store.read_samples) == (3, 7, 3)
    assert [window.starts_at for window in sums.windows] == [at(600)]
    assert [day.starts_at for day in sums.days] == [day_start(at(0))]
    assert sums.closed == {at(600)}
    assert sums.settled.exposure.samples == 37


def test_a_new_day_settles_the_one_before_and_closes_its_last_window() -> None:
    store = _three_days()

    sums = store.take(a_sample(3 * _DAY))

    assert [day.starts_at for day in sums.days] == [
        day_start(at(2 * _DAY)),
        day_start(at(3 * _DAY)),
    ]
    assert [day.is_over for day in sums.days] == [True, False]
    assert sums.closed == {at(2 * _DAY + 3000)}
    assert sums.settled.until == day_start(at(3 * _DAY))
    assert sums.settled.exposure.samples == 54
    assert sums.exposure.samples == 55


def test_a_sample_from_before_everything_comes_first() -> None:
    store = _three_days()

    sums = store.take(a_sample(-5 * _DAY, key=0))

    assert sums.exposure.first_at == at(-5 * _DAY)
    assert sums.exposure.samples == 55
    assert store.days[day_start(at(-5 * _DAY))].is_over


def test_a_robot_without_telemetry_has_no_exposure() -> None:
    sums = Store().take()

    assert (sums.windows, sums.days, sums.closed) == ([], [], set())
    assert (sums.settled, sums.exposure) == (Settled(), Exposure())
