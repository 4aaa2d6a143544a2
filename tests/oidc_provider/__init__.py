"""A real OpenID provider for tests: npm's ``oidc-provider``, and a browser to use it.

npm fetches it once into a directory that git ignores; node runs it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from robosure.entrypoints.stack.ports import choose_port

_HERE: Final = Path(__file__).parent
_FETCHED: Final = Path(__file__).parents[2] / ".oidc-provider"
_FILES: Final = ("package.json", "package-lock.json", "server.js")
_FETCH_SECONDS: Final = 200
_START_SECONDS: Final = 60
_FORM: Final = re.compile(r'<form[^>]* action="([^"]+)"')
_PROMPT: Final = re.compile(r'name="prompt" value="([a-z]+)"')
_XSRF: Final = re.compile(r'name="xsrf" value="([^"]+)"')
_MOST_STEPS: Final = 20


@dataclass
class RealProvider:
    """One that runs."""

    port: int

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def knows(self, subject: str, /, **claims: Any) -> None:
        """Say this of somebody from now on."""
        url = f"{self.issuer}/test/accounts/{subject}"
        httpx.put(url, json=claims).raise_for_status()

    def register(self, redirect_uri: str, **metadata: Any) -> dict[str, str]:
        """Take a client in; return its id and secret."""
        document = {"redirect_uris": [redirect_uri], **metadata}
        answer = httpx.post(f"{self.issuer}/reg", json=document).raise_for_status()
        return {key: answer.json()[key] for key in ("client_id", "client_secret")}


@dataclass
class Browser:
    """Somebody's: keeps cookies, follows redirects, and fills in the provider's forms.

    Attributes:
        client: reaches the provider, and whatever else is to be reached.
        home: where a redirect to is not followed, but looked at.
    """

    client: httpx.AsyncClient
    home: str

    async def goes(self, url: str, *, name: str = "ada") -> httpx.URL:
        """Go to a provider, sign in and consent; return where it sends one back to."""
        answer = await self.client.get(url)
        for _ in range(_MOST_STEPS):
            if answer.is_redirect:
                target = answer.url.join(answer.headers["location"])
                if str(target).startswith(self.home):
                    return target
                answer = await self.client.get(target)
                continue
            form = _FORM.search(answer.raise_for_status().text)
            assert form is not None, answer.text
            prompt = _PROMPT.search(answer.text)
            assert prompt is not None, answer.text
            data = {"prompt": prompt.group(1), "login": name, "password": "any"}
            answer = await self.client.post(form.group(1), data=data)
        pytest.fail(f"went round in circles, up to {answer.url}")

    async def signs_out(self, url: str) -> None:
        """Go to where one signs out at a provider, and say that one wants to."""
        asked = (await self.client.get(url)).raise_for_status()
        form, xsrf = _FORM.search(asked.text), _XSRF.search(asked.text)
        assert form is not None, asked.text
        assert xsrf is not None, asked.text
        data = {"xsrf": xsrf.group(1), "logout": "yes"}
        answer = await self.client.post(form.group(1), data=data)
        assert answer.status_code < 400, answer.text


@contextmanager
def running_provider(directory: Path) -> Iterator[RealProvider]:
    """Run one; skip the test where node, npm or the network is missing."""
    server = _fetched() / "server.js"
    port = choose_port()
    told = directory / f"oidc-provider-{port}"
    with told.open("wb") as output:
        process = subprocess.Popen(
            ["node", str(server), str(port)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + _START_SECONDS
        while "listening" not in told.read_text():
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"oidc-provider did not start:\n{told.read_text()[-2000:]}")
            time.sleep(0.05)
        yield RealProvider(port)
    finally:
        process.kill()
        process.wait()


def _fetched() -> Path:
    """Fetch the package, unless it is there as the lock file has it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("oidc-provider needs node and npm, which are not both here")
    files = {name: (_HERE / name).read_bytes() for name in _FILES}
    version = sha256(json.dumps({k: v.decode() for k, v in files.items()}).encode())
    ready = _FETCHED / version.hexdigest()[:16]
    if ready.exists():
        return ready
    # In a directory of its own first, for others may fetch at the same moment.
    making = _FETCHED / uuid4().hex
    making.mkdir(parents=True)
    try:
        for name, content in files.items():
            (making / name).write_bytes(content)
        fetching = subprocess.run(
            [
                npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts",
                "--cache", str(_FETCHED / "cache"),
            ],
            cwd=making, capture_output=True, text=True, check=False,
            timeout=_FETCH_SECONDS,
        )  # fmt: skip
        if fetching.returncode != 0:
            pytest.skip(f"npm could not fetch oidc-provider: {fetching.stderr[-300:]}")
        if not ready.exists():
            making.rename(ready)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not fetch oidc-provider within {_FETCH_SECONDS} s")
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return ready
