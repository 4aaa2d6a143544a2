"""Letting others say who somebody is: OpenID Connect, and OAuth 2 with a userinfo.

We are the relying party, of as many providers as there are, none of which is believed
more than it has to be: one must not learn what belongs to another (RFC 9700).
"""

from robosure.platform.federation.assertion import Assertion, Authentication
from robosure.platform.federation.flow import Answer, Flow
from robosure.platform.federation.logout import LogoutNotice
from robosure.platform.federation.provider import Endpoints, Provider, Request
from robosure.platform.federation.relying_party import RelyingParty

__all__ = [
    "Answer",
    "Assertion",
    "Authentication",
    "Endpoints",
    "Flow",
    "LogoutNotice",
    "Provider",
    "RelyingParty",
    "Request",
]
