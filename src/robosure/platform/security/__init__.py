"""Who is asking, and may they: principals, passwords, codes, tokens, permissions."""

from robosure.platform.security.authority import Authorities
from robosure.platform.security.breached_passwords import BreachedPasswords
from robosure.platform.security.ended import OVER, EndedSessions
from robosure.platform.security.keys import RememberedKeys
from robosure.platform.security.once import OneTime
from robosure.platform.security.passwords import Passwords
from robosure.platform.security.principal import Authenticator, Principal
from robosure.platform.security.roles import RoleCatalogue
from robosure.platform.security.throttle import Attempt, Throttle
from robosure.platform.security.tokens import Tokens
from robosure.platform.security.vault import FernetVault

__all__ = [
    "OVER",
    "Attempt",
    "Authenticator",
    "Authorities",
    "BreachedPasswords",
    "EndedSessions",
    "FernetVault",
    "OneTime",
    "Passwords",
    "Principal",
    "RememberedKeys",
    "RoleCatalogue",
    "Throttle",
    "Tokens",
]
