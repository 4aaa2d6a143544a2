"""The check that looks for secrets has to be able to fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = "AKIA" + "IOSFODNN7" + "ABCDEFG"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with our baseline's settings, and nothing in it that is known."""
    baseline = json.loads((ROOT / ".secrets.baseline").read_text())
    text = json.dumps({**baseline, "results": {}})
    (tmp_path / ".secrets.baseline").write_text(text)
    (tmp_path / ".gitignore").write_text(".secrets_cache/\nignored.py\n")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def check(checkout: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "scripts/check_secrets.py"), *arguments]
    ended = subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_a_secret_is_found_and_not_shown(checkout: Path) -> None:
    (checkout / "settings.py").write_text(f'\naws = "{KEY}"\n')
    (checkout / "ignored.py").write_text(f'aws = "{KEY}"\n')
    for _ in ("searched", "remembered"):
        status, told = check(checkout)
        assert status == 1
        assert told.splitlines()[0] == "settings.py:2: AWS Access Key"
        assert KEY not in told
        assert "ignored.py" not in told


def test_what_is_known_to_be_harmless_may_move_but_not_change(checkout: Path) -> None:
    # given a finding that was taken into the baseline
    file = checkout / "settings.py"
    file.write_text(f'aws = "{KEY}"\n')
    assert check(checkout, "--write")[0] == 0
    written = (checkout / ".secrets.baseline").read_text()
    assert KEY not in written
    assert str(checkout) not in written
    # when it moves, nothing is to be done, and the baseline stays the same
    file.write_text(f'\n\n\naws = "{KEY}"\n')
    assert check(checkout) == (0, "1 findings, known to be harmless\n")
    assert check(checkout, "--write")[0] == 0
    assert (checkout / ".secrets.baseline").read_text() == written
    # when it changes, it is another one
    file.write_text(f'aws = "{KEY[:-1]}Q"\n')
    assert check(checkout)[0] == 1
    # and when it is gone, so it is from the baseline
    file.unlink()
    assert check(checkout, "--write")[0] == 0
    assert json.loads((checkout / ".secrets.baseline").read_text())["results"] == {}


def test_lock_files_are_not_searched(checkout: Path) -> None:
    shutil.copy(ROOT / "uv.lock", checkout / "uv.lock")
    (checkout / "settings.py").write_text("harmless = True\n")
    assert check(checkout) == (0, "0 findings, known to be harmless\n")
