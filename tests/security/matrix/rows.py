"""The matrix: every route, what it takes to use it, and what each answer must be.

A row states the permission, what whoever holds it is answered about what is their own,
and what a customer who holds it is answered about what is another's. Without the
permission the answer is 403, and without a sign-in 401; that is not stated row by row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from tests.uploads import PDF

PUBLIC: Final = "public"
SIGNED_IN: Final = "signed in"


@dataclass(frozen=True)
class Row:
    """One route.

    Attributes:
        route: method and template, as the application declares it.
        access: the permission; or that anyone may, or anyone who is signed in.
        path: with the ids of an estate; by default the template, if it has none.
        answer: to whoever may, about what is their own.
        others: to a customer who may, about what is another's; None where the route is
            about nothing that belongs to anyone.
        owners: the kinds of organisation that own such a thing.
        only_own: whether the insurer, too, sees its own alone.
        lists: the id that a list shows of what is one's own, and of another's only to
            those who may see that.
        body: JSON; by default, the example that the document shows, if it has any.
        changes: to the example.
        sends: other arguments of the request, such as a form.
    """

    route: str
    access: str
    path: str = ""
    answer: int = 200
    others: int | None = None
    owners: tuple[str, ...] = ("insurer", "operator", "manufacturer")
    only_own: bool = False
    lists: str = ""
    body: Any = None
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    sends: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.route.split()[0]

    @property
    def address(self) -> str:
        """What is asked for, with the estate's names in braces."""
        return self.path or self.route.split()[1].removeprefix("/api/v1")

    def is_shown_to(self, kind: str, *, own: bool) -> bool:
        """Whether those in such an organisation see the estate's, own or another's."""
        if kind == "insurer" and not self.only_own:
            return True
        return own and kind in self.owners


_V1: Final = "/api/v1"
_CSV: Final = {
    "params": {"profile": "ur3-cobotops"},
    "content": b"",
    "headers": {"Content-Type": "text/csv"},
}
_ONE_EVENT: Final = {
    "specversion": "1.0",
    "id": "from-the-matrix",
    "source": "/robots/{robot}",
    "type": "robot.telemetry.v1",
    "subject": "{robot}",
    "time": "2026-03-02T11:30:00Z",
    "data": {"cycle": 1},
}
_CLOUD_EVENT: Final = {"headers": {"Content-Type": "application/cloudevents+json"}}


IDENTITY: Final = (
    Row(
        f"POST {_V1}/auth/sign-in",
        PUBLIC,
        answer=401,
        # Somebody else each time: whoever fails too often has to wait.
        changes={"email": "{once}@example.com"},
    ),
    Row(
        f"POST {_V1}/auth/token",
        PUBLIC,
        answer=401,
        sends={"data": {"grant_type": "refresh_token", "refresh_token": "none"}},
    ),
    Row(
        f"POST {_V1}/auth/password",
        SIGNED_IN,
        answer=403,  # people of the matrix have no password
        changes={"new_password": "staple at the edge of it"},
    ),
    Row(
        f"POST {_V1}/auth/password-reset",
        PUBLIC,
        answer=202,
        changes={"email": "{once}@example.com"},
    ),
    Row(f"POST {_V1}/auth/password-reset/confirm", PUBLIC, answer=401),
    Row(f"POST {_V1}/auth/proof", SIGNED_IN, answer=403),  # for the same reason
    Row(f"POST {_V1}/auth/sign-out", SIGNED_IN, answer=409),  # nor a session
    Row(f"GET {_V1}/auth/second-factor", SIGNED_IN),
    Row(f"POST {_V1}/auth/second-factor", SIGNED_IN, answer=403),
    Row(f"POST {_V1}/auth/second-factor/confirm", SIGNED_IN, answer=404),
    Row(f"POST {_V1}/auth/second-factor/recovery-codes", SIGNED_IN, answer=401),
    Row(f"POST {_V1}/auth/second-factor/removal", SIGNED_IN, answer=401),
    Row(
        f"DELETE {_V1}/users/{{user_id}}/second-factor",
        "users:manage",
        "/users/{user}/second-factor",
        answer=404,  # they have none
        others=404,
    ),
    Row(f"GET {_V1}/auth/sessions", SIGNED_IN),
    Row(
        f"DELETE {_V1}/auth/sessions/{{session_id}}",
        SIGNED_IN,
        "/auth/sessions/{operator}",
        answer=404,
    ),
    Row(
        f"DELETE {_V1}/users/{{user_id}}/sessions",
        "users:manage",
        "/users/{user}/sessions",
        answer=204,
        others=404,
    ),
    Row(f"GET {_V1}/auth/me", SIGNED_IN),
    Row(f"GET {_V1}/permissions", "users:read"),
    Row(f"GET {_V1}/roles", "users:read"),
    Row(
        f"POST {_V1}/custom-roles",
        "roles:manage",
        answer=409,
        changes={"name": "underwriter"},
    ),
    Row(
        f"GET {_V1}/custom-roles",
        "users:read",
        lists="custom_role",
        owners=("insurer",),
        only_own=True,
    ),
    *(
        Row(
            f"{method} {_V1}/custom-roles/{{role_id}}",
            right,
            "/custom-roles/{custom_role}",
            answer=status,
            others=404,
            owners=("insurer",),
            only_own=True,
        )
        for method, right, status in (
            ("GET", "users:read", 200),
            ("PUT", "roles:manage", 200),
            # The last, for it is gone then.
            ("DELETE", "roles:manage", 204),
        )
    ),
    Row(
        f"POST {_V1}/organisations",
        "organisations:manage",
        answer=409,
        changes={"name": "Assembly Lines"},
    ),
    Row(f"GET {_V1}/organisations", "organisations:read", lists="organisation"),
    Row(
        f"GET {_V1}/organisations/{{organisation_id}}",
        "organisations:read",
        "/organisations/{organisation}",
        others=404,
    ),
    Row(
        f"POST {_V1}/users",
        "users:manage",
        answer=409,
        others=404,
        changes={
            "organisation_id": "{organisation}",
            "email": "{email}",
            "roles": ["{role}"],
            "skills": [],
        },
    ),
    Row(f"GET {_V1}/users", "users:read", lists="user"),
    Row(f"GET {_V1}/users/{{user_id}}", "users:read", "/users/{user}", others=404),
    Row(
        f"PATCH {_V1}/users/{{user_id}}",
        "users:manage",
        "/users/{user}",
        others=404,
        body={"active": True},
    ),
    Row(
        f"POST {_V1}/api-keys",
        "api-keys:manage",
        answer=201,
        others=404,
        changes={"organisation_id": "{organisation}", "scopes": ["products:read"]},
    ),
    Row(f"GET {_V1}/api-keys", "api-keys:manage", lists="api_key"),
    # Whoever may is told that this key was rotated already.
    Row(
        f"POST {_V1}/api-keys/{{api_key_id}}/rotate",
        "api-keys:manage",
        "/api-keys/{api_key}/rotate",
        answer=409,
        others=404,
    ),
    Row(
        f"DELETE {_V1}/api-keys/{{api_key_id}}",
        "api-keys:manage",
        "/api-keys/{api_key}",
        answer=204,
        others=404,
    ),
    # People of the matrix have no account.
    Row(f"GET {_V1}/auth/me/personal-data", SIGNED_IN, answer=404),
    Row(
        f"GET {_V1}/users/{{user_id}}/personal-data",
        "personal-data:read",
        "/users/{user}/personal-data",
        others=404,
    ),
    Row(
        f"POST {_V1}/authority-limits",
        "authority:propose",
        answer=404,
        changes={"role": None, "user_id": "00000000-0000-7000-8000-000000000000"},
    ),
    Row(
        f"GET {_V1}/authority-limits",
        "authority:read",
        lists="limit",
        only_own=True,
    ),
    *(
        Row(
            f"{method} {_V1}/authority-limits/{{limit_id}}{action}",
            f"authority:{right}",
            f"/authority-limits/{{limit}}{action}",
            answer=status,
            others=404,
            only_own=True,
        )
        for method, action, right, status in (
            ("GET", "", "read", 200),
            ("POST", "/approve", "approve", 409),
            ("POST", "/reject", "approve", 409),
        )
    ),
    # Disabled, so that nobody is sent there.
    Row(
        f"GET {_V1}/auth/sso/{{provider_id}}",
        PUBLIC,
        "/auth/sso/{identity_provider}",
        answer=404,
    ),
    Row(
        f"POST {_V1}/auth/sso/{{provider_id}}",
        PUBLIC,
        "/auth/sso/{identity_provider}",
        answer=403,  # from no page that is known
    ),
    Row(
        f"POST {_V1}/auth/sso/{{provider_id}}/back-channel-logout",
        PUBLIC,
        "/auth/sso/{identity_provider}/back-channel-logout",
        answer=400,  # nobody has signed anything
    ),
    Row(
        f"GET {_V1}/auth/sso/{{provider_id}}/callback",
        PUBLIC,
        "/auth/sso/{identity_provider}/callback",
        answer=401,  # nobody went
    ),
    Row(
        f"POST {_V1}/identity-providers",
        "identity-providers:manage",
        answer=409,
        changes={"name": "{identity_provider_name}", "role_mapping": {}},
    ),
    Row(
        f"GET {_V1}/identity-providers",
        "identity-providers:manage",
        only_own=True,
        lists="identity_provider",
    ),
    Row(
        f"GET {_V1}/identity-providers/{{provider_id}}",
        "identity-providers:manage",
        "/identity-providers/{identity_provider}",
        others=404,
        only_own=True,
    ),
    Row(
        f"PATCH {_V1}/identity-providers/{{provider_id}}",
        "identity-providers:manage",
        "/identity-providers/{identity_provider}",
        others=404,
        only_own=True,
        body={"enabled": False},
    ),
    Row(
        f"DELETE {_V1}/identity-providers/{{provider_id}}",
        "identity-providers:manage",
        "/identity-providers/{spare_identity_provider}",
        answer=204,
        others=404,
        only_own=True,
    ),
    Row(f"GET {_V1}/audit-entries", "audit:read"),
    Row(f"GET {_V1}/audit-entries/export", "audit:read"),
)

CATALOG: Final = (
    Row(f"GET {_V1}/products", "products:read"),
    Row(
        f"GET {_V1}/products/{{code}}", "products:read", "/products/robot-comprehensive"
    ),
    Row(
        f"GET {_V1}/products/{{code}}/versions",
        "products:read",
        "/products/robot-comprehensive/versions",
    ),
    Row(f"POST {_V1}/products", "products:manage", answer=409),
    Row(
        f"POST {_V1}/products/{{code}}/versions",
        "products:manage",
        "/products/robot-comprehensive/versions",
        answer=409,
        changes={"effective_from": "2020-01-01"},
    ),
)

ROBOTS: Final = (
    Row(f"GET {_V1}/manufacturers", "robots:read"),
    Row(
        f"POST {_V1}/robot-models",
        "models:manage",
        answer=409,
        others=403,
        changes={"manufacturer_id": "{manufacturer}", "name": "{model_name}"},
    ),
    Row(f"GET {_V1}/robot-models", "robots:read"),
    Row(f"GET {_V1}/robot-models/{{model_id}}", "robots:read", "/robot-models/{model}"),
    Row(
        f"POST {_V1}/robots",
        "robots:manage",
        answer=409,
        others=403,
        changes={
            "operator_id": "{operator}",
            "model_id": "{model}",
            "serial_number": "{serial_number}",
        },
    ),
    Row(f"GET {_V1}/robots", "robots:read", lists="robot"),
    Row(f"GET {_V1}/robots/{{robot_id}}", "robots:read", "/robots/{robot}", others=404),
    Row(
        f"PATCH {_V1}/robots/{{robot_id}}",
        "robots:manage",
        "/robots/{robot}",
        others=404,
        body={"firmware": "3.15.8"},
    ),
    Row(f"POST {_V1}/integration-profiles", "profiles:manage", answer=409),
    Row(f"POST {_V1}/integration-profiles/preview", "profiles:manage"),
    Row(f"GET {_V1}/integration-profiles", "robots:read"),
    Row(
        f"GET {_V1}/integration-profiles/{{name}}",
        "robots:read",
        "/integration-profiles/ur3-cobotops",
    ),
    Row(
        f"POST {_V1}/robots/{{robot_id}}/telemetry",
        "telemetry:write",
        "/robots/{robot}/telemetry",
        answer=422,
        others=404,
        sends=_CSV,
    ),
)

EVENTS: Final = (
    Row(
        f"POST {_V1}/events",
        "events:write",
        answer=202,
        others=202,
        body=_ONE_EVENT,
        sends=_CLOUD_EVENT,
    ),
    # What is streamed never ends; that it begins is shown beside it.
    Row(
        f"GET {_V1}/events/stream",
        "events:read",
        answer=422,
        sends={"params": {"subject": "no id"}},
    ),
    Row(f"GET {_V1}/events", "events:read", lists="event"),
    Row(
        f"GET {_V1}/events/export",
        "events:read",
        lists="robot",
        sends={
            "params": {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
        },
    ),
    Row(f"GET {_V1}/events/{{uid}}", "events:read", "/events/{event}", others=404),
    Row(
        f"GET {_V1}/events/{{uid}}/trace",
        "events:read",
        "/events/{event}/trace",
        others=404,
    ),
    Row(
        f"GET {_V1}/event-counts",
        "events:read",
        "/event-counts?subject={robot}",
        others=404,
    ),
    Row(f"GET {_V1}/event-archives", "event_archives:read"),
    Row(
        f"GET {_V1}/event-archives/{{archive_id}}/file",
        "event_archives:read",
        "/event-archives/{archive}/file",
    ),
    Row(f"GET {_V1}/dead-letters", "events:read", lists="letter"),
    Row(f"GET {_V1}/dead-letters/kinds", "events:read"),
    Row(
        f"GET {_V1}/dead-letters/{{letter_id}}",
        "events:read",
        "/dead-letters/{letter}",
        others=404,
    ),
    Row(
        f"PATCH {_V1}/dead-letters/{{letter_id}}",
        "dead_letters:manage",
        "/dead-letters/{letter}",
        answer=204,
        others=404,
        body={"data": {"cycle": 1}},
    ),
    Row(
        f"POST {_V1}/dead-letters/{{letter_id}}/replay",
        "dead_letters:manage",
        "/dead-letters/00000000-0000-7000-8000-000000000000/replay",
        answer=404,
    ),
    Row(
        f"POST {_V1}/dead-letters/{{letter_id}}/discard",
        "dead_letters:manage",
        "/dead-letters/00000000-0000-7000-8000-000000000000/discard",
        answer=404,
    ),
    Row(
        f"POST {_V1}/dead-letters/replay",
        "dead_letters:manage",
        answer=202,
        body={"traceback_digest": "0123456789abcdef"},
    ),
    Row(
        f"POST {_V1}/dead-letters/discard",
        "dead_letters:manage",
        body={"reason": "none of these", "traceback_digest": "0123456789abcdef"},
    ),
    Row(f"GET {_V1}/projections", "replays:manage"),
    Row(
        f"POST {_V1}/replays",
        "replays:manage",
        answer=404,
        body={"projection": "no.projection"},
    ),
    Row(f"GET {_V1}/replays", "replays:manage"),
    Row(
        f"GET {_V1}/replays/{{replay_id}}",
        "replays:manage",
        "/replays/00000000-0000-7000-8000-000000000000",
        answer=404,
    ),
    Row(
        f"POST {_V1}/replays/{{replay_id}}/cancel",
        "replays:manage",
        "/replays/00000000-0000-7000-8000-000000000000/cancel",
        answer=404,
    ),
    Row(
        f"DELETE {_V1}/replays/{{replay_id}}/tables",
        "replays:manage",
        "/replays/00000000-0000-7000-8000-000000000000/tables",
        answer=404,
    ),
    Row(f"GET {_V1}/event-types", SIGNED_IN),
    Row(
        f"GET {_V1}/event-types/{{name}}", SIGNED_IN, "/event-types/robot.telemetry.v1"
    ),
    Row(
        f"GET {_V1}/event-types/{{name}}/schema",
        SIGNED_IN,
        "/event-types/robot.telemetry.v1/schema",
    ),
    Row(f"GET {_V1}/asyncapi", SIGNED_IN),
)

RISK: Final = (
    Row(
        f"GET {_V1}/robots/{{robot_id}}/risk",
        "risk:read",
        "/robots/{robot}/risk",
        others=404,
    ),
    Row(
        f"GET {_V1}/robots/{{robot_id}}/risk/history",
        "risk:read",
        "/robots/{robot}/risk/history",
        others=404,
    ),
    Row(
        f"GET {_V1}/robots/{{robot_id}}/risk/windows",
        "risk:read",
        "/robots/{robot}/risk/windows",
        others=404,
        sends={
            "params": {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
        },
    ),
    Row(f"GET {_V1}/risk-models", "risk:read"),
)

POLICIES: Final = (
    Row(
        f"POST {_V1}/quotes",
        "quotes:write",
        answer=201,
        changes={
            "holder_id": "{operator}",
            "robot_ids": ["{robot}"],
            "term": {"inception": "2026-03-03", "time_zone": "Europe/Berlin"},
        },
    ),
    Row(f"GET {_V1}/quotes", "quotes:read", lists="quote"),
    Row(f"GET {_V1}/quotes/{{quote_id}}", "quotes:read", "/quotes/{quote}", others=404),
    Row(
        f"POST {_V1}/quotes/{{quote_id}}/bind",
        "policies:bind",
        "/quotes/00000000-0000-7000-8000-000000000000/bind",
        answer=404,
    ),
    Row(f"GET {_V1}/policies", "policies:read", lists="policy"),
    Row(
        f"GET {_V1}/policies/{{policy_id}}",
        "policies:read",
        "/policies/{policy}",
        others=404,
    ),
    Row(
        f"GET {_V1}/policies/{{policy_id}}/transactions",
        "policies:read",
        "/policies/{policy}/transactions",
        others=404,
    ),
    Row(
        f"GET {_V1}/policies/{{policy_id}}/certificate",
        "policies:read",
        "/policies/{policy}/certificate",
        others=404,
    ),
)

CLAIMS: Final = (
    Row(
        f"POST {_V1}/claims",
        "claims:report",
        answer=422,
        others=404,
        changes={
            "policy_number": "{policy_number}",
            "robot_id": "{robot}",
            "incident_at": "2020-03-02T11:00:00Z",
        },
    ),
    Row(f"GET {_V1}/claims", "claims:read", lists="claim"),
    Row(f"GET {_V1}/claims/{{claim_id}}", "claims:read", "/claims/{claim}", others=404),
    Row(
        f"GET {_V1}/claims/{{claim_id}}/timeline",
        "claims:read",
        "/claims/{claim}/timeline",
        others=404,
    ),
    Row(
        f"POST {_V1}/claims/{{claim_id}}/attachments",
        "claims:report",
        "/claims/{claim}/attachments",
        answer=409,
        others=404,
        sends={"files": {"file": ("note.pdf", PDF, "application/pdf")}},
    ),
    Row(
        f"GET {_V1}/claims/{{claim_id}}/attachments",
        "claims:read",
        "/claims/{claim}/attachments",
        others=404,
    ),
    Row(
        f"GET {_V1}/claims/{{claim_id}}/attachments/{{attachment_id}}/content",
        "claims:read",
        "/claims/{claim}/attachments/{attachment}/content",
        others=404,
    ),
    Row(
        f"GET {_V1}/claims/{{claim_id}}/evidence",
        "claims:read",
        "/claims/{claim}/evidence",
        others=404,
    ),
    Row(
        f"GET {_V1}/claims/{{claim_id}}/evidence/{{evidence_id}}/content",
        "claims:read",
        "/claims/{claim}/evidence/{evidence}/content",
        others=404,
    ),
    Row(
        f"POST {_V1}/claims/{{claim_id}}/assign",
        "claims:assign",
        "/claims/{paid_claim}/assign",
        answer=409,
        changes={"adjuster_id": "{adjuster}"},
    ),
    Row(
        f"POST {_V1}/claims/{{claim_id}}/assessment",
        "claims:assess",
        "/claims/{paid_claim}/assessment",
        answer=409,
    ),
    Row(
        f"POST {_V1}/claims/{{claim_id}}/approve",
        "claims:approve",
        "/claims/{paid_claim}/approve",
        answer=409,
    ),
    Row(
        f"POST {_V1}/claims/{{claim_id}}/decline",
        "claims:approve",
        "/claims/{paid_claim}/decline",
        answer=409,
    ),
    Row(
        f"POST {_V1}/claims/{{claim_id}}/payout",
        "claims:approve",
        "/claims/{paid_claim}/payout",
        answer=409,
    ),
)

PAYMENTS: Final = (
    Row(f"GET {_V1}/instalments", "payments:read", lists="instalment"),
    Row(
        f"GET {_V1}/instalments/{{instalment_id}}",
        "payments:read",
        "/instalments/{instalment}",
        others=404,
    ),
    Row(
        f"POST {_V1}/instalments/{{instalment_id}}/retry",
        "payments:collect",
        "/instalments/{instalment}/retry",
        answer=409,
    ),
    Row(f"GET {_V1}/payouts", "payments:read", lists="payout"),
    Row(f"GET {_V1}/ledger/transactions", "ledger:read"),
    Row(f"GET {_V1}/ledger/balances", "ledger:read"),
    Row(f"POST {_V1}/payments/processor-notifications", PUBLIC, answer=422, body={}),
)

_MESSAGES: Final[dict[str, Any]] = {"owners": ("operator",), "only_own": True}

NOTIFICATIONS: Final = (
    Row(f"GET {_V1}/deliveries", "deliveries:read"),
    Row(f"GET {_V1}/messages", "messages:read", lists="message", **_MESSAGES),
    Row(f"GET {_V1}/messages/unread-count", "messages:read"),
    Row(
        f"POST {_V1}/messages/{{message_id}}/read",
        "messages:read",
        "/messages/{message}/read",
        answer=204,
        others=404,
        **_MESSAGES,
    ),
    Row(f"GET {_V1}/webhook-event-types", "webhooks:manage"),
    Row(f"POST {_V1}/webhook-endpoints", "webhooks:manage", answer=422, body={}),
    Row(
        f"GET {_V1}/webhook-endpoints",
        "webhooks:manage",
        lists="endpoint",
        only_own=True,
    ),
    *(
        Row(
            f"{method} {_V1}/webhook-endpoints/{{endpoint_id}}{action}",
            "webhooks:manage",
            f"/webhook-endpoints/{{endpoint}}{action}",
            answer=status,
            others=404,
            only_own=True,
        )
        for method, action, status in (
            ("GET", "", 200),
            ("PUT", "", 200),
            ("POST", "/disable", 200),
            ("POST", "/enable", 200),
            ("POST", "/rotate-secret", 200),
            ("POST", "/test", 202),
            ("GET", "/deliveries", 200),
        )
    ),
    Row(
        f"GET {_V1}/webhook-deliveries/{{delivery_id}}",
        "webhooks:manage",
        "/webhook-deliveries/{delivery}",
        others=404,
        only_own=True,
    ),
    Row(
        f"POST {_V1}/webhook-deliveries/{{delivery_id}}/redeliver",
        "webhooks:manage",
        "/webhook-deliveries/{delivery}/redeliver",
        answer=202,
        others=404,
        only_own=True,
    ),
    # The last, for it is gone then.
    Row(
        f"DELETE {_V1}/webhook-endpoints/{{endpoint_id}}",
        "webhooks:manage",
        "/webhook-endpoints/{endpoint}",
        answer=204,
        others=404,
        only_own=True,
    ),
)

OPERATIONS: Final = tuple(
    Row(f"GET {path}", access, f"{{root}}{path}")
    for path, access in (
        ("/health", PUBLIC),
        ("/ready", PUBLIC),
        ("/.well-known/jwks.json", PUBLIC),
        ("/metrics", PUBLIC),
        ("/metrics/summary", PUBLIC),
        ("/docs", PUBLIC),
        ("/redoc", PUBLIC),
        ("/asyncapi.json", SIGNED_IN),
    )
)

ENDS: Final = (
    # The last, for somebody is gone then.
    Row(
        f"POST {_V1}/users/{{user_id}}/erasure",
        "personal-data:erase",
        "/users/{user}/erasure",
        others=404,
    ),
)

MATRIX: Final = (
    *IDENTITY,
    *CATALOG,
    *ROBOTS,
    *EVENTS,
    *RISK,
    *POLICIES,
    *CLAIMS,
    *PAYMENTS,
    *NOTIFICATIONS,
    *OPERATIONS,
    *ENDS,
)
