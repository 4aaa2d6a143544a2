"""The product catalogue: what is sold, on which terms, from which day.

Owns insurance products and their versions. Publishes ``ProductPublished`` with the full
terms, so that others rate and word policies without asking; listens to nobody.
"""

from __future__ import annotations

from robosure.contexts.catalog.routes import router
from robosure.contexts.catalog.service import seed
from robosure.platform.context import Context

context = Context(
    name="catalog",
    router=router,
    permissions={
        "products:read": {
            "admin",
            "underwriter",
            "adjuster",
            "risk_analyst",
            "compliance",
            "support",
            "policyholder",
            "device",
            "operator_admin",
            "manufacturer_admin",
        },
        "products:manage": {"admin"},
    },
    descriptions={
        "products:read": "See what is sold, on what terms.",
        "products:manage": "Bring out products, and new versions of them.",
    },
    seed=seed,
)
