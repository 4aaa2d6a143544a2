"""Check that what travels stays compatible with what was published.

``docs/event-types`` holds the JSON Schema of every version of an event type or a fact,
as it was published. The code may add to it, and must not break with it:

* an event type takes, and keeps, all that its published schema took (*backward*);
* a fact can besides be read by whoever knows its published schema only (*full*).

Prints a line per difference; exits 1 if there is one. With ``--write``, publishes what
is new or compatible; what breaks needs another version, and is never written over.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robosure.contexts.eventflow.domain import backward_breaks, full_breaks
from robosure.entrypoints.registry import messages
from robosure.platform.messages import Message
from robosure.platform.settings import Settings

PUBLISHED = Path(__file__).resolve().parent.parent / "docs" / "event-types"


@dataclass(frozen=True)
class Difference:
    """A version that is not as it was published.

    Attributes:
        schema: to publish; None if that would break with what is published.
    """

    version: str
    detail: str
    schema: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.version}: {self.detail}"


def differences(
    described: Iterable[Message], published: Mapping[str, Mapping[str, Any]]
) -> Iterator[Difference]:
    """Compare what the code describes with what is published.

    Args:
        described: all that travels.
        published: JSON Schemas by version, such as ``robot.telemetry.v1``.
    """
    known: set[str] = set()
    for message in described:
        version = f"{message.series}.v{message.version}"
        known.add(version)
        if version not in published:
            yield Difference(version, "is not published", message.whole)
        elif published[version] != message.whole:
            yield from _changes(version, message, published[version])
    for version in sorted(published.keys() - known):
        yield Difference(
            version,
            "is published, and nothing describes it; once nobody sends it and none is "
            "stored, delete its file",
        )


def _changes(
    version: str, message: Message, published: Mapping[str, Any]
) -> Iterator[Difference]:
    compare = backward_breaks if message.kind == "ingested" else full_breaks
    breaks = compare(published, message.whole)
    for each in breaks:
        yield Difference(version, f"{each}; that takes version {message.version + 1}")
    if not breaks:
        yield Difference(version, "differs, and is compatible", message.whole)


def read(directory: Path) -> dict[str, dict[str, Any]]:
    """Return the schemas in a directory, by version."""
    return {
        path.stem: json.loads(path.read_text()) for path in directory.glob("*.json")
    }


def write(difference: Difference, directory: Path) -> None:
    """Publish."""
    text = json.dumps(difference.schema, indent=2, ensure_ascii=False)
    (directory / f"{difference.version}.json").write_text(f"{text}\n", encoding="utf-8")


def main(arguments: list[str] | None = None, *, directory: Path = PUBLISHED) -> int:
    """Check the checkout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--write", action="store_true", help="publish what is new or compatible"
    )
    writing = parser.parse_args(arguments).write
    described = messages(Settings(_env_file=None, environment="development"))
    left = 0
    for difference in differences(described, read(directory)):
        if writing and difference.schema is not None:
            write(difference, directory)
            print(f"{difference.version}: published")
        else:
            left += 1
            hint = "" if difference.schema is None else " (--write publishes it)"
            print(f"{difference}{hint}")
    if not left:
        print(f"{len(described)} event types and facts, as they are published")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
