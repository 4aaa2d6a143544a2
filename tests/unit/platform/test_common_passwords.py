"""The passwords that many people have."""

from __future__ import annotations

import subprocess
import sys

from robosure.platform.security import Passwords


async def test_the_most_common_are_known_also_those_that_are_names() -> None:
    common = await Passwords().common()
    for each in ("123456", "password", "qwerty", "michael", "jennifer", "one"):
        assert each in common
    assert "correct horse battery staple" not in common


def test_they_are_not_read_before_they_are_needed() -> None:
    code = "import sys, robosure.platform.security; sys.exit('zxcvbn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0
