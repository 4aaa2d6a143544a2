"""/docs and /redoc, from assets that come with the installation, not from a CDN."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from robosure.platform.http.access import public

_ASSETS: Final = "/docs-assets"
_router = APIRouter(include_in_schema=False, dependencies=[public()])


def install_docs(app: FastAPI) -> None:
    """Serve both pages and their assets."""
    directory = str(files("fastapi_offline") / "static")
    app.mount(_ASSETS, StaticFiles(directory=directory), name="docs-assets")
    app.include_router(_router)


@_router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Swagger UI: read the API, sign in, try it."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{request.app.title} API",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
        swagger_ui_parameters={"persistAuthorization": True, "docExpansion": "none"},
    )


@_router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """ReDoc: the API as a document."""
    return get_redoc_html(
        openapi_url="/openapi.json",
        title=f"{request.app.title} API",
        redoc_js_url=f"{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{_ASSETS}/favicon.png",
        with_google_fonts=False,
    )
