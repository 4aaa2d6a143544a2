"""The audit trail: who did what to what, in the transaction that did it.

``trail`` writes an entry at the very end of a transaction, with what ``changes`` saw of
its unit of work or was told of its SQL. ``chain`` says how each entry of an
organisation is bound to the one before, and ``verifying`` finds the first that is not.
``tables`` keeps it all.
"""

from robosure.platform.audit.changes import attend, note
from robosure.platform.audit.tables import audit_entries, audit_heads
from robosure.platform.audit.trail import ActorKind, Origin, record

__all__ = [
    "ActorKind",
    "Origin",
    "attend",
    "audit_entries",
    "audit_heads",
    "note",
    "record",
]
