"""Claims: from the first notice of loss to the payment that closes it.

Owns the schema ``claims``. Listens to ``policies.PolicyBound`` (its copy of cover),
``identity.UserRegistered`` and ``UserChanged`` (the roster of adjusters),
``eventflow.TelemetryExtracted`` (evidence), ``payments.PayoutCompleted`` and
``PayoutFailed``. Tells ``ClaimReported``, ``EvidenceRequested``, ``ClaimDecided``,
``PayoutRequested`` and ``ClaimPaid``.
"""

from robosure.contexts.claims.consumers import consumers
from robosure.contexts.claims.jobs import assign_waiting, forget_old_contacts
from robosure.contexts.claims.repository import ClaimsPersonalData
from robosure.contexts.claims.routes import router
from robosure.platform.context import Context

context = Context(
    name="claims",
    router=router,
    consumers=consumers,
    jobs=[assign_waiting, forget_old_contacts],
    personal_data=ClaimsPersonalData(),
    permissions={
        "claims:report": {
            "admin",
            "adjuster",
            "operator_admin",
            "policyholder",
            "support",
        },
        "claims:read": {
            "admin",
            "adjuster",
            "compliance",
            "operator_admin",
            "policyholder",
            "risk_analyst",
            "support",
            "underwriter",
        },
        "claims:assess": {"admin", "adjuster"},
        "claims:approve": {"admin", "adjuster"},
        "claims:assign": {"admin"},
    },
    descriptions={
        "claims:report": "Report losses, and attach files to them.",
        "claims:read": "See claims, their evidence and their course.",
        "claims:assess": "Value losses that are assigned to one.",
        "claims:approve": "Approve settlements within one's authority; decline claims.",
        "claims:assign": "Give claims to adjusters.",
    },
)
