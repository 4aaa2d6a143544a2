from __future__ import annotations

from datetime import timedelta
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.risk.domain import (
    Exposure,
    Sample,
    Settled,
    Window,
    window_start,
)
from tests.unit.contexts.risk.factories import EIGHT, a_sample, at


def _window(*samples: Sample, stale_from: float | None = None) -> Window:
    return Window(
        EIGHT, Exposure.of(samples), None if stale_from is None else at(stale_from)
    )


def _windows(samples: list[Sample]) -> list[Window]:
    ordered = sorted(samples, key=lambda sample: (sample.at, sample.key))
    return [
        Window(start, Exposure.of(inside), None)
        for start, inside in groupby(ordered, key=lambda s: window_start(s.at))
    ]


def test_windows_begin_every_ten_minutes() -> None:
    assert window_start(at(0)) == at(0)
    assert window_start(at(599.999999)) == at(0)
    assert window_start(at(600)) == at(600)
    assert window_start(at(-0.000001)) == at(-600)


def test_a_window_whose_samples_follow_reads_only_these() -> None:
    window = _window(a_sample(0), a_sample(5), stale_from=6)

    assert window.reads_from == at(6)
    assert window.ends_at == at(600)
    assert window.refreshed([a_sample(6)]) == _window(
        a_sample(0), a_sample(5), a_sample(6)
    )


def test_a_window_with_a_late_sample_reads_all_again() -> None:
    window = _window(a_sample(0), a_sample(5), stale_from=5)

    assert window.reads_from == EIGHT
    assert window.refreshed([a_sample(5), a_sample(0), a_sample(5, key=1)]) == (
        _window(a_sample(0), a_sample(5), a_sample(5, key=1))
    )


def test_a_new_window_reads_all() -> None:
    window = _window(stale_from=3)

    assert window.reads_from == EIGHT
    assert window.refreshed([a_sample(3)]) == _window(a_sample(3))
    assert _window(a_sample(3)).reads_from == EIGHT


def test_all_but_the_last_window_is_settled() -> None:
    samples = [a_sample(second) for second in (0, 599, 601, 1300)]

    settled, exposure = Settled().extended(_windows(samples))

    assert settled == Settled(Exposure.of(samples[:3]), at(1200))
    assert exposure == Exposure.of(samples)


def test_what_is_settled_holds_until_an_earlier_window_changes() -> None:
    settled = Settled(Exposure.of([a_sample(0)]), at(600))

    assert settled.before(None) == settled
    assert settled.before(at(600)) == settled
    assert settled.before(at(0)) == Settled()
    assert Settled().before(at(0)) == Settled()
    assert settled.extended([]) == (settled, settled.exposure)


@given(
    st.lists(
        st.lists(
            st.builds(
                a_sample,
                st.integers(0, 4000),
                key=st.integers(0, 2),
                protective_stop=st.sampled_from([True, False, None]),
            ),
            min_size=1,
            max_size=8,
        ),
        max_size=8,
    )
)
def test_scoring_after_each_batch_ends_where_scoring_once_does(
    batches: list[list[Sample]],
) -> None:
    # given samples that arrive in batches, in any order, some of them again
    stored: dict[tuple[object, object], Sample] = {}
    windows: dict[object, Window] = {}
    settled, exposure = Settled(), Exposure()
    for batch in batches:
        new = [s for s in batch if stored.setdefault((s.at, s.key), s) is s]
        # when the windows they fall in are brought up to date after each
        touched = sorted({window_start(sample.at) for sample in new})
        for start in touched:
            stale_from = min(s.at for s in new if window_start(s.at) == start)
            before = windows.get(start, Window(start, Exposure(), None))
            stale = Window(start, before.exposure, stale_from)
            read = [s for s in stored.values() if _within(s, stale)]
            windows[start] = stale.refreshed(read)
        settled = settled.before(touched[0] if touched else None)
        rest = [w for w in windows.values() if _from(w, settled)]
        settled, exposure = settled.extended(sorted(rest, key=lambda w: w.starts_at))
    # then the exposure is that of all samples at once
    assert exposure == Exposure.of(stored.values())


def _within(sample: Sample, window: Window) -> bool:
    return window.reads_from <= sample.at < window.starts_at + timedelta(minutes=10)


def _from(window: Window, settled: Settled) -> bool:
    return settled.until is None or window.starts_at >= settled.until
