"""The store of events: days made ahead, events archived and dropped in their time."""

from robosure.contexts.eventflow.service.storage.retention import (
    RetentionService,
    longest,
    make_days,
)

__all__ = ["RetentionService", "longest", "make_days"]
