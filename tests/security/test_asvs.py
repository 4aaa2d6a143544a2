"""``docs/security.md`` says of every requirement of ASVS 5.0 what is so.

``asvs-5.0.0.csv`` has the numbers of all requirements of levels 1 and 2, with their
levels, as OWASP publishes them (CC BY-SA 4.0, https://github.com/OWASP/ASVS). The words
in the document are ours.
"""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs" / "security.md"
LISTED: Final = Path(__file__).with_name("asvs-5.0.0.csv")

ROW: Final = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| (.+?) \| (.+?) \| (.*) \|$")
NODE: Final = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
CHECK: Final = re.compile(r"`scripts/check\.sh: ([^`]+)`")
JOB: Final = re.compile(r"`\.github/workflows/ci\.yml: (\w+)`")
LINK: Final = re.compile(r"\[[^\]]+\]\(([^)]*)\)")
OF_DOCUMENTATION: Final = re.compile(r"(2|3|5|6|7|8|11|13|14|15|16)\.1\.\d+")
"""Requirements that ask for a document: a document may show them."""


@dataclass(frozen=True)
class Row:
    """What the document says of a requirement."""

    number: str
    level: str
    words: str
    status: str
    shown: str


def rows_of(text: str) -> list[Row]:
    found = (ROW.match(line) for line in text.splitlines())
    return [Row(*match.groups()) for match in found if match]


ROWS: Final = rows_of(DOCUMENT.read_text())


@cache
def names_in(file: str) -> frozenset[str]:
    """Return the names of a module's tests; of none, where it is not there."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        each.name for each in ast.walk(tree) if isinstance(each, functions)
    )


def anchors_of(text: str) -> set[str]:
    """Return what GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def missing(shown: str) -> Iterator[str]:
    """Yield what is cited and is not there."""
    for file, name in NODE.findall(shown):
        if name not in names_in(file):
            yield f"{file}::{name}"
    checks = (ROOT / "scripts" / "check.sh").read_text()
    for name in CHECK.findall(shown):
        if f'\ncheck "{name}" ' not in checks:
            yield f"scripts/check.sh: {name}"
    jobs = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    for name in JOB.findall(shown):
        if f"\n  {name}:\n" not in jobs:
            yield f"ci.yml: {name}"
    for target in LINK.findall(shown):
        file, _, anchor = target.partition("#")
        path = (DOCUMENT.parent / file).resolve() if file else DOCUMENT
        anchors = anchors_of(path.read_text()) if path.is_file() else set[str]()
        if not path.is_file() or (anchor and anchor not in anchors):
            yield target


def wrong_with(row: Row) -> Iterator[str]:
    if row.status == "applies":
        cited = NODE.findall(row.shown) + CHECK.findall(row.shown)
        cited += JOB.findall(row.shown)
        documented = OF_DOCUMENTATION.fullmatch(row.number) and LINK.search(row.shown)
        if not cited and not documented:
            yield "applies, and nothing shows it"
    elif row.status not in {"does not apply", "open"}:
        yield f"is neither this nor that: {row.status}"
    elif not row.shown.strip():
        yield f"{row.status}, and nothing says why"
    for each in missing(row.shown):
        yield f"cites {each}, which is not there"


def test_every_requirement_of_levels_1_and_2_is_answered_once() -> None:
    # given as many as OWASP counts
    with LISTED.open() as file:
        listed = {each["number"]: each["level"] for each in csv.DictReader(file)}
    assert Counter(listed.values()) == {"1": 70, "2": 183}
    # then each of them is there once, with its level, and none besides
    assert [
        n for n, times in Counter(r.number for r in ROWS).items() if times > 1
    ] == []
    assert {row.number: row.level for row in ROWS} == listed


def test_no_row_is_passed_over() -> None:
    begun = re.findall(r"^\| *V?\d+\.\d+.*$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(begun) == len(ROWS)


def test_what_is_cited_is_there_and_what_applies_is_shown() -> None:
    wrong = [f"{row.number} {each}" for row in ROWS for each in wrong_with(row)]
    assert not wrong, "\n".join(wrong)


def test_the_summary_counts_what_the_tables_say() -> None:
    counted = Counter((row.status, row.level) for row in ROWS)
    for status in ("applies", "does not apply", "open"):
        line = f"| {status} | {counted[status, '1']} | {counted[status, '2']} |"
        assert line in DOCUMENT.read_text(), line


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("applies", ""),
        ("applies", "[somewhere](architecture.md)"),
        ("applies", "`tests/security/test_asvs.py::test_that_nobody_wrote`"),
        ("applies", "`tests/security/test_nothing.py::test_nothing`"),
        ("applies", "`scripts/check.sh: astrology`"),
        ("applies", "`.github/workflows/ci.yml: horoscope`"),
        ("open", " "),
        ("open", "[nowhere](nowhere.md)"),
        ("open", "[no such part](architecture.md#no-such-part)"),
        ("somehow", "`scripts/check.sh: mypy`"),
    ],
)
def test_a_row_that_shows_nothing_is_noticed(status: str, shown: str) -> None:
    (row,) = rows_of(f"| 1.2.4 | 1 | queries | {status} | {shown} |")
    assert len(list(wrong_with(row))) >= 1
