"""What clients say of a file, held against what it is."""

from __future__ import annotations

import pytest

from robosure.platform.uploads.declared import contradicts


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("image/jpg", "image/jpeg"),
        ("image/heif", "image/heic"),
        ("application/vnd.ms-excel", "text/csv"),
        ("application/x-gzip", "application/gzip"),
        ("application/octet-stream", "application/pdf"),
        ("", "application/pdf"),
        (None, "application/pdf"),
    ],
)
def test_what_is_meant_by_another_name_is_no_contradiction(
    declared: str | None, found: str
) -> None:
    assert not contradicts(declared, found)


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("text/html", "image/png"),
        ("image/png", "image/jpeg"),
        ("image/png", "application/pdf"),
        ("text/plain", "image/png"),
        ("application/json", "text/csv"),
        ("image/svg+xml", "image/png"),
        ("png", "image/png"),
        ("*/*", "image/png"),
    ],
)
def test_what_is_something_else_contradicts(declared: str, found: str) -> None:
    assert contradicts(declared, found)
