"""/docs and /redoc, from assets that come with the installation, not from a CDN."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from robosure.platform.http.access import BEARER, public

_ASSETS: Final = "/docs-assets"
_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_SIGN_IN: Final = """
<style>
#sign-in { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center;
  justify-content: center; padding: .75rem; font: 14px sans-serif; }
#sign-in input, #sign-in button { padding: .4rem .6rem; font: inherit; }
</style>
<form id="sign-in" aria-label="Sign in">
<input name="email" placeholder="E-mail address" aria-label="E-mail address"
  autocomplete="username" required>
<input name="password" type="password" placeholder="Password" aria-label="Password"
  autocomplete="current-password" required>
<input name="code" placeholder="Code, if asked for" aria-label="Code, if asked for"
  autocomplete="one-time-code">
<button>Sign in</button>
<output></output>
</form>
"""
_SIGNING_IN: Final = f"""
<script>
document.getElementById("sign-in").addEventListener("submit", async (event) => {{
  event.preventDefault();
  const form = event.target, said = form.querySelector("output");
  const answer = await fetch("/api/v1/auth/sign-in", {{
    method: "POST",
    headers: {{ "Content-Type": "application/json" }},
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  }});
  const told = await answer.json();
  if (answer.ok) {{
    ui.preauthorizeApiKey("{BEARER}", told.access_token);
    form.reset(); // what it says, too
    said.value = `Signed in, for ${{Math.round(told.expires_in / 60)}} minutes.`;
  }} else {{
    said.value = told.detail || told.title;
  }}
}});
</script>
"""
"""Has Swagger UI send the access token: of its own it knows OAuth's flows alone."""
_router = APIRouter(include_in_schema=False, dependencies=[public()])


def install_docs(app: FastAPI) -> None:
    """Serve both pages and their assets."""
    directory = str(files("fastapi_offline") / "static")
    app.mount(_ASSETS, _Assets(directory=directory), name="docs-assets")
    app.include_router(_router)


@_router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Swagger UI: read the API, sign in, try it."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{request.app.title} API",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
        swagger_ui_parameters={"persistAuthorization": True, "docExpansion": "none"},
    )
    return _guarded(_with_sign_in(page))


@_router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """ReDoc: the API as a document."""
    page = get_redoc_html(
        openapi_url="/openapi.json",
        title=f"{request.app.title} API",
        redoc_js_url=f"{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{_ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    return _guarded(page)


class _Assets(StaticFiles):
    """Files that only another version changes."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response


def _with_sign_in(page: HTMLResponse) -> HTMLResponse:
    """Add a form that signs in, above Swagger UI."""
    body = bytes(page.body).decode()
    body = body.replace('<div id="swagger-ui">', f'{_SIGN_IN}<div id="swagger-ui">')
    return HTMLResponse(body.replace("</body>", f"{_SIGNING_IN}</body>"))


def _guarded(page: HTMLResponse) -> HTMLResponse:
    """Let a page run its own scripts, style itself and ask this API; nothing else."""
    scripts = _INLINE_SCRIPT.findall(bytes(page.body).decode())
    hashes = [b64encode(sha256(each.encode()).digest()).decode() for each in scripts]
    page.headers["Content-Security-Policy"] = "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *(f"'sha256-{each}'" for each in hashes)]),
            "style-src 'self' 'unsafe-inline'",  # both write style attributes
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",  # where ReDoc searches
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
    return page
