"""Check a coverage report against what has to be covered.

The kernel and every domain are covered fully, each line and each branch; everything
else together to 85 %. Reads what ``coverage json`` wrote, names what is missing, and
exits 1 if that is too much.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REST_PERCENT = 85.0

_COVERED_FULLY = re.compile(
    r"src/robosure/(?:kernel/|contexts/\w+/(?:domain\.py$|domain/))"
)


@dataclass(frozen=True)
class FileCoverage:
    """What the tests reached in one file: lines and branches, counted together.

    Attributes:
        missing: line numbers, and branches as ``from->to``, that were not reached.
    """

    path: str
    covered: int
    total: int
    missing: tuple[str, ...]

    @classmethod
    def read(cls, path: str, report: dict[str, Any]) -> FileCoverage:
        """Read one entry of the report's ``files``."""
        summary = report["summary"]
        branches = (f"{start}->{end}" for start, end in report["missing_branches"])
        return cls(
            path=path.replace("\\", "/"),
            covered=summary["covered_lines"] + summary["covered_branches"],
            total=summary["num_statements"] + summary["num_branches"],
            missing=(*map(str, report["missing_lines"]), *branches),
        )

    @property
    def must_be_full(self) -> bool:
        """Whether the file belongs to the kernel or a domain."""
        return _COVERED_FULLY.search(self.path) is not None


def shortfalls(report: dict[str, Any]) -> list[str]:
    """Say, a line each, what is covered less than it has to be."""
    files = [FileCoverage.read(path, file) for path, file in report["files"].items()]
    lines = [
        f"{file.path}: must be covered fully, misses {', '.join(file.missing)}"
        for file in sorted(files, key=lambda file: file.path)
        if file.must_be_full and file.missing
    ]
    rest = [file for file in files if not file.must_be_full]
    total = sum(file.total for file in rest)
    percent = 100 * sum(file.covered for file in rest) / total if total else 100.0
    print(f"outside kernel and domains: {percent:.1f} % of {total} lines and branches")
    if percent < REST_PERCENT:
        lines.append(f"must be at least {REST_PERCENT:.0f} %; furthest from it are")
        furthest = sorted(rest, key=lambda file: file.covered - file.total)[:15]
        lines += [f"  {file.path}: {file.covered} of {file.total}" for file in furthest]
    return lines


def main(report: Path) -> int:
    """Check the report in the file."""
    lines = shortfalls(json.loads(report.read_text(encoding="utf-8")))
    print("\n".join(lines) if lines else "coverage is as it has to be")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
