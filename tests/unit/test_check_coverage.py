"""The gate on coverage has to be able to close."""

from __future__ import annotations

from typing import Any

from scripts.check_coverage import shortfalls


def a_file(
    *, covered: int, lines: int, missing_branches: tuple[tuple[int, int], ...] = ()
) -> dict[str, Any]:
    return {
        "summary": {
            "covered_lines": covered,
            "num_statements": lines,
            "covered_branches": 0,
            "num_branches": len(missing_branches),
        },
        "missing_lines": list(range(covered + 1, lines + 1)),
        "missing_branches": [list(branch) for branch in missing_branches],
    }


def test_full_domains_and_a_covered_rest_are_enough() -> None:
    files = {
        "src/robosure/kernel/money.py": a_file(covered=10, lines=10),
        "src/robosure/contexts/policies/domain.py": a_file(covered=10, lines=10),
        "src/robosure/contexts/policies/routes.py": a_file(covered=85, lines=100),
    }
    assert shortfalls({"files": files}) == []


def test_a_line_missing_in_the_kernel_is_named() -> None:
    files = {"src/robosure/kernel/money.py": a_file(covered=9, lines=10)}
    assert shortfalls({"files": files}) == [
        "src/robosure/kernel/money.py: must be covered fully, misses 10"
    ]


def test_a_branch_missing_in_a_domain_package_is_named() -> None:
    branchless = a_file(covered=9, lines=9, missing_branches=((3, 5),))
    files = {"src/robosure/contexts/policies/domain/rating.py": branchless}
    (line,) = shortfalls({"files": files})
    assert line.endswith("domain/rating.py: must be covered fully, misses 3->5")


def test_a_rest_below_85_percent_is_named() -> None:
    files = {"src/robosure/platform/cache.py": a_file(covered=84, lines=100)}
    assert shortfalls({"files": files}) == [
        "must be at least 85 %; furthest from it are",
        "  src/robosure/platform/cache.py: 84 of 100",
    ]
