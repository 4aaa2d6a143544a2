"""Files are scanned over clamd's protocol: by a stand-in, and by clamd where it is."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import md5
from pathlib import Path

import pytest

from robosure.kernel.errors import Unavailable
from robosure.platform.uploads import Scanner
from tests.clamav import EICAR, MOST, ScannerStandIn, a_scanner

CLAMD = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")


@asynccontextmanager
async def a_clamd() -> AsyncIterator[str]:
    """Run a real clamd with a database of one signature, at a Unix socket."""
    assert CLAMD is not None
    with tempfile.TemporaryDirectory(prefix="clamd-") as made:
        home = Path(made)
        (home / "database").mkdir()
        (home / "database" / "test.hdb").write_text(
            f"{md5(EICAR, usedforsecurity=False).hexdigest()}:{len(EICAR)}:Eicar-Test\n"
        )
        (home / "clamd.conf").write_text(
            f"DatabaseDirectory {home}/database\nLocalSocket {home}/clamd.ctl\n"
            f"Foreground yes\nStreamMaxLength {MOST}\nTemporaryDirectory {home}\n"
        )
        process = await asyncio.create_subprocess_exec(
            CLAMD, "--config-file", str(home / "clamd.conf"),
            stdout=asyncio.subprocess.DEVNULL, env=dict(os.environ),
        )  # fmt: skip
        try:
            url = f"unix://{home}/clamd.ctl"
            async with asyncio.timeout(60):
                while not await Scanner(url, 5).is_there():
                    assert process.returncode is None, "clamd did not start"
                    await asyncio.sleep(0.1)
            yield url
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


@asynccontextmanager
async def _stand_in_at_a_unix_socket() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="clamd-") as made:
        path = f"{made}/clamd.ctl"
        async with await asyncio.start_unix_server(ScannerStandIn().serve, path):
            yield f"unix://{path}"


@asynccontextmanager
async def _stand_in_at_a_port() -> AsyncIterator[str]:
    async with a_scanner() as (_, url):
        yield url


@pytest.mark.parametrize(
    "running",
    [
        pytest.param(_stand_in_at_a_port, id="port"),
        pytest.param(_stand_in_at_a_unix_socket, id="socket"),
        pytest.param(
            a_clamd,
            id="clamd",
            marks=pytest.mark.skipif(CLAMD is None, reason="there is no clamd here"),
        ),
    ],
)
async def test_a_scanner_tells_what_it_finds(running: type) -> None:
    async with running() as url:
        scanner = Scanner(url, timeout_seconds=30)
        assert await scanner.is_there()
        # of nothing, of something, of more than one piece, and of what it knows
        for content in (b"", b"a,b\n1,2\n", os.urandom(200_000)):
            assert await scanner.signature_in(content) is None
        found = await scanner.signature_in(EICAR)
        assert found is not None
        assert found.startswith("Eicar-Test")
        # and what is more than it takes was not scanned
        with pytest.raises(Unavailable, match="scanner unavailable"):
            await scanner.signature_in(bytes(MOST + 1))
        assert await scanner.is_there()


@pytest.mark.parametrize(
    "answer",
    [
        b"stream: OK\n\0",
        b"INSTREAM size limit exceeded. ERROR\0",
        b"stream: Can't allocate memory ERROR\0",
        b"UNKNOWN COMMAND\0",
        b"stream: OK",
        b"\0",
        b"stream: " + b"x" * 100_000 + b" FOUND\0",
        b"\xff\xfe\0",
    ],
)
async def test_whatever_else_it_says_is_no_answer(answer: bytes) -> None:
    async with a_scanner() as (stand_in, url):
        stand_in.answer = answer
        scanner = Scanner(url, timeout_seconds=5)
        if answer == b"stream: OK\n\0":  # but for white space
            assert await scanner.signature_in(b"a") is None
            return
        with pytest.raises(Unavailable) as refused:
            await scanner.signature_in(b"a")
        assert refused.value.code == "scanner_unavailable"
        assert not await scanner.is_there()


async def test_a_scanner_that_is_silent_is_not_waited_for() -> None:
    async with a_scanner() as (stand_in, url):
        stand_in.silent = True
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="scanner unavailable"):
            await Scanner(url, timeout_seconds=0.2).signature_in(b"a")
        assert time.monotonic() - begun < 5
        assert not await Scanner(url, timeout_seconds=60).is_there()


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:1", "unix:///nowhere/clamd.ctl"])
async def test_a_scanner_that_is_not_there_is_no_answer(url: str) -> None:
    scanner = Scanner(url, timeout_seconds=5)
    assert not await scanner.is_there()
    with pytest.raises(Unavailable, match="scanner unavailable"):
        await scanner.signature_in(b"a")
