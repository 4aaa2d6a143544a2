"""Check that no file holds what looks like a secret and is not known to be harmless.

detect-secrets looks through all that git knows or would add. What it finds and somebody
has looked at is in ``.secrets.baseline``, as a hash by file, with the settings of the
search: the examples of the documentation, the passwords of the tests. What a file holds
is remembered by its content, so only what changed is searched again.

Prints a line per finding that is not in the baseline; exits 1 if there is one. With
``--write``, takes all that is found into the baseline, and drops what is gone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from detect_secrets.__version__ import VERSION
from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import get_settings

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ".secrets.baseline"
REMEMBERED = Path(".secrets_cache") / "found.json"

Found = dict[str, list[dict[str, Any]]]
"""What was found, by file: the type, the hash and the line of each."""


def files() -> list[str]:
    """Return the files that git knows or would add, relative to the checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(  # nosec B603 # noqa: S603 - nobody's input
        command, check=True, capture_output=True
    )
    names = set(listed.stdout.decode().split("\0"))
    return sorted(name for name in names if name and Path(name).is_file())


def search(names: Iterable[str]) -> Found:
    """Find what looks like a secret, by the settings of the baseline that was read."""
    settings = json.dumps([VERSION, get_settings().json()], sort_keys=True)
    keys = {name: _key(settings, name) for name in names}
    remembered: Found = {}
    if REMEMBERED.exists():
        remembered = json.loads(REMEMBERED.read_text())
    changed = [name for name, key in keys.items() if key not in remembered]
    if changed:
        scanned = SecretsCollection()
        scanned.scan_files(*changed)
        fresh = scanned.json()
        remembered |= {keys[name]: fresh.get(name, []) for name in changed}
    REMEMBERED.parent.mkdir(exist_ok=True)
    REMEMBERED.write_text(json.dumps({key: remembered[key] for key in keys.values()}))
    return {name: found for name, key in keys.items() if (found := remembered[key])}


def _key(settings: str, name: str) -> str:
    content = Path(name).read_bytes()
    return sha256(b"\0".join((settings.encode(), name.encode(), content))).hexdigest()


def unknown(found: Found, known: Mapping[str, Iterable[Mapping[str, Any]]]) -> Found:
    """Return what was found and is not in a baseline's results."""
    left: Found = {}
    for name, secrets in found.items():
        hashes = {(each["type"], each["hashed_secret"]) for each in known.get(name, ())}
        new = [s for s in secrets if (s["type"], s["hashed_secret"]) not in hashes]
        if new:
            left[name] = new
    return left


def slim(found: Found) -> Found:
    """Return what a baseline says of findings: no lines, which every change moves."""
    return {
        name: sorted(
            (
                {key: value for key, value in secret.items() if key != "line_number"}
                for secret in secrets
            ),
            key=lambda secret: (secret["type"], secret["hashed_secret"]),
        )
        for name, secrets in sorted(found.items())
    }


def main(arguments: list[str] | None = None) -> int:
    """Check the checkout, in which it is run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--write", action="store_true", help="take what is found into the baseline"
    )
    writing = parser.parse_args(arguments).write
    known = baseline.load_from_file(BASELINE)
    baseline.load(known, filename=BASELINE)
    found = search(files())
    new = unknown(found, known["results"])
    if writing:
        written = {"version": VERSION, **get_settings().json(), "results": slim(found)}
        Path(BASELINE).write_text(f"{json.dumps(written, indent=2)}\n")
    for name, secrets in new.items():
        for secret in secrets:
            print(f"{name}:{secret['line_number']}: {secret['type']}")
    if writing:
        return 0
    if new:
        print("take it out or, if it is harmless, run scripts/check_secrets.py --write")
    else:
        count = sum(map(len, found.values()))
        print(f"{count} findings, known to be harmless")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
