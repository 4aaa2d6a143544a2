"""Policies: what cover costs, what was quoted, what was sold, and its papers.

Owns quotes, policies with their stack of transactions, and certificates. Publishes
``PolicyBound``. Listens to ``ProductPublished`` (terms to rate on),
``RobotRegistered`` and ``RobotScored`` (what is rated) and ``OrganisationRegistered``
(names on papers), and keeps its own copy of each.
"""

from __future__ import annotations

from typing import Final

from robosure.contexts.policies.consumers import consumers
from robosure.contexts.policies.routes import router
from robosure.contexts.policies.tables import (
    organisations,
    products,
    robot_scores,
    robots,
)
from robosure.platform.context import Context
from robosure.platform.streams.projections import Projection

_SELLERS: Final = {"admin", "underwriter"}
_READERS: Final = {
    *_SELLERS,
    "compliance",
    "support",
    "policyholder",
    "operator_admin",
}

context = Context(
    name="policies",
    router=router,
    consumers=consumers,
    projections=[
        Projection(
            name="policies.copies",
            description="Products, robots, their latest scores, organisations' names.",
            tables=(products, robots, robot_scores, organisations),
            consumers=tuple(consumers),
        )
    ],
    permissions={
        "quotes:write": _SELLERS,
        "quotes:read": _READERS,
        "policies:bind": _SELLERS,
        "policies:backdate": _SELLERS,
        "policies:read": {*_READERS, "adjuster"},
    },
    descriptions={
        "quotes:write": "Offer cover.",
        "quotes:read": "See quotes and how their prices came about.",
        "policies:bind": "Bind quotes, which sells cover.",
        "policies:backdate": "Offer cover that begins in the past.",
        "policies:read": "See policies, their transactions and certificates.",
    },
)
