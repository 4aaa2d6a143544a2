"""The one page of the API: whether somebody wants to sign in by their provider."""

from __future__ import annotations

from html import escape
from typing import Final

from fastapi.responses import HTMLResponse

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in to Robosure</title>
<h1>Sign in to Robosure</h1>
<form method="post"><button>Continue with {name}</button></form>
<p>If you did not mean to sign in, close this page.</p>
</html>
"""
_HEADERS: Final = {
    # No form-action: browsers hold it against where the provider is, too.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # Under no-referrer a form does not say where it was sent from.
    "Referrer-Policy": "same-origin",
}


def sign_on_page(provider: str) -> HTMLResponse:
    """Ask; a press of the button sends the form to the page's own address."""
    return HTMLResponse(_PAGE.format(name=escape(provider)), headers=_HEADERS)
