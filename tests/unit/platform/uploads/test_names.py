"""File names as labels, and as what a download is called."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.platform.http import attachment
from robosure.platform.uploads.names import label


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("fixture.png", "fixture.png"),
        ("Fixtüre 2.PNG", "Fixtüre 2.PNG"),
        ("../../etc/passwd", "passwd.png"),
        ("..\\..\\windows\\system.ini", "system.ini.png"),
        ("C:\\photos\\arm.png", "arm.png"),
        ("/", "attachment.png"),
        ("..", "attachment.png"),
        (".htaccess", "htaccess.png"),
        (".png", "png.png"),
        ("", "attachment.png"),
        (None, "attachment.png"),
        ("arm.png\x00.exe", "arm.png.exe.png"),
        ("arm\r\nSet-Cookie: a=b.png", "armSet-Cookie: a=b.png"),
        # a mark that turns the direction of writing: shown as "armexe.png"
        ("arm\u202egnp.exe", "armgnp.exe.png"),
        ("a\u2066b\u2069\u200b\ufeff.png", "ab.png"),
        ("invoice.exe", "invoice.exe.png"),
        ("fixture.html", "fixture.html.png"),
        ("arm.png. . .", "arm.png"),
        ("A\u030angstro\u0308m.png", "Ångström.png"),
        ("x" * 300 + ".png", "x" * 200 + ".png"),
        ("x" * 300, "x" * 200 + ".png"),
        ("\ud800.png", "png.png"),
    ],
)
def test_a_name_is_kept_as_a_label(name: str | None, kept: str) -> None:
    assert label(name, "image/png") == kept


@pytest.mark.parametrize(
    ("media_type", "kept"),
    [
        ("image/jpeg", "arm.png.jpg"),
        ("application/pdf", "arm.png.pdf"),
        ("application/x-unheard-of", "arm.png"),
    ],
)
def test_a_name_ends_as_its_content_does(media_type: str, kept: str) -> None:
    assert label("arm.png", media_type) == kept


@given(st.text(max_size=400))
def test_a_label_is_never_a_path_and_always_prints(name: str) -> None:
    kept = label(name, "image/png")
    assert kept.isprintable()
    assert not set(kept) & set("/\\\0\r\n")
    assert not kept.startswith(".")
    assert kept.lower().endswith((".png", ".apng"))
    assert len(kept) <= 205


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("arm 2.png", 'attachment; filename="arm 2.png"'),
        (
            "Fixtüre.png",
            "attachment; filename=\"Fixture.png\"; filename*=UTF-8''Fixt%C3%BCre.png",
        ),
        (
            'a"; filename="b.html',
            (
                'attachment; filename="a__ filename__b.html"; filename*=UTF-8'
                "''a%22%3B%20filename%3D%22b.html"
            ),
        ),
        ("腕.png", "attachment; filename=\".png\"; filename*=UTF-8''%E8%85%95.png"),
        ("%41.png", "attachment; filename=\"_41.png\"; filename*=UTF-8''%2541.png"),
    ],
)
def test_a_download_is_called_by_its_label(name: str, header: str) -> None:
    assert attachment(name) == header


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_header_is_one_line_of_ascii_from_which_the_name_comes_back(
    name: str,
) -> None:
    header = attachment(name)
    said = re.fullmatch(
        r"attachment; filename=\"([\w .-]*)\"(?:; filename\*=UTF-8''([\w.~%-]*))?",
        header,
        flags=re.ASCII,
    )
    assert said is not None
    assert (said[1] if said[2] is None else unquote(said[2])) == name
