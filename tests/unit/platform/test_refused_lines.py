"""How many lines refused input is worth."""

from __future__ import annotations

from robosure.platform.http.refusals import LINES, LINES_OF_ONE, Lines


def test_one_address_gets_no_more_than_its_lines_and_others_theirs() -> None:
    # given a minute that stands still
    now = [100.0]
    lines = Lines(lambda: now[0])
    # when one address goes on and on
    taken = [lines.take("a") for _ in range(LINES_OF_ONE + 5)]
    # then its last line says so, and no more follow
    assert taken[LINES_OF_ONE - 2 : LINES_OF_ONE] == [(True, False), (True, True)]
    assert taken[LINES_OF_ONE:] == [(False, False)] * 5
    # and another has its own, and this one again in a minute
    assert lines.take("b") == (True, False)
    now[0] += 60
    assert lines.take("a") == (True, False)


def test_a_flood_from_everywhere_ends_as_well() -> None:
    now = [100.0]
    lines = Lines(lambda: now[0])
    written = [lines.take(str(n))[0] for n in range(LINES * 2)]
    assert written == [True] * LINES + [False] * LINES
