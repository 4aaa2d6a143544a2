"""How an amount of the API's is shown to a person."""

from __future__ import annotations

from typing import Any


def shown(money: dict[str, Any]) -> str:
    """Write an amount out, such as ``1,250.00 EUR``."""
    return f"{money['minor'] / 100:,.2f} {money['currency']}"
