"""What a person sees of the demo."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from robosure.entrypoints.client.progress import LiveView, Silence
from robosure.entrypoints.demo.view import summary


def eur(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "EUR"}


REPORT: dict[str, Any] = {
    "quote": {
        "robots": [
            {
                "factors": [
                    {
                        "name": "Where it works",
                        "value": "factory",
                        "relativity": "1.00",
                    },
                    {"name": "Telemetry", "value": "44.9", "relativity": "1.1703"},
                ]
            }
        ],
        "premium_without_telemetry": eur(60_000),
        "premium": eur(70_218),
        "total": eur(86_534),
    },
    "policy": {"number": "POL-2026-000042"},
    "claim": {
        "number": "CLM-2026-000007",
        "status": "paid",
        "settlement": {
            "steps": [
                {"explanation": "less the deductible", "after": eur(1_150_000)},
                {"explanation": "at most the limit", "after": eur(1_150_000)},
            ]
        },
    },
    "ledger": {"transactions": 5, "sum_minor": 0},
    "deliveries": 5,
    "seconds": 21.4,
}


@pytest.fixture
def console() -> Console:
    return Console(width=120, record=True, force_terminal=False, quiet=False)


def test_the_summary_says_what_moved_the_price_and_how_the_claim_was_settled(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    console.print(summary(REPORT))
    text = console.export_text()
    rows = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]
    for row in (
        "How the price was made",
        "Where it works factory 1.00",
        "Telemetry 44.9 1.1703",
        "Premium without telemetry 600.00 EUR",
        "Premium 702.18 EUR",
        "Total with tax 865.34 EUR",
        "How CLM-2026-000007 was settled",
        "less the deductible 11,500.00 EUR",
        "at most the limit 11,500.00 EUR",
    ):
        assert row in rows
    assert rows[-2] == (
        "Policy POL-2026-000042, claim CLM-2026-000007 paid, ledger sums to 0, "
        "5 notices, in 21.4 s"
    )


def test_each_step_stays_on_the_screen_with_its_result(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    with LiveView(console) as view:
        view.begin("Replaying telemetry", total=200)
        view.advance(100)
        view.advance(100)
        view.finish("200 stored")
        view.begin("Waiting for the score")
        view.finish("44.9 of 100")
    lines = console.export_text().splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("✓")] == [
        "✓ Replaying telemetry",
        "✓ Waiting for the score",
    ]
    assert [line.strip() for line in lines if line.startswith("    ")] == [
        "200 stored",
        "44.9 of 100",
    ]


def test_silence_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    silence = Silence()
    silence.begin("Replaying telemetry", total=2)
    silence.advance(1)
    silence.finish("done")
    assert capsys.readouterr() == ("", "")
