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

from robosure.platform.http.access import public

_ASSETS: Final = "/docs-assets"
_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
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
    return _guarded(page)


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
