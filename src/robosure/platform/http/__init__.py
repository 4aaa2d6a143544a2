"""The HTTP layer: what a context's routes are written with."""

from robosure.platform.http.access import Access, public, requires, signed_in
from robosure.platform.http.edge import (
    CacheDep,
    ClockDep,
    FilesDep,
    PasswordsDep,
    ReadDb,
    RolesDep,
    RuntimeDep,
    SettingsDep,
    TokensDep,
    WriteDb,
)
from robosure.platform.http.idempotency import ApiRouter, Idempotent
from robosure.platform.http.models import InputModel, MoneyModel, OutputModel
from robosure.platform.http.pages import Cursor, Page, PageRequest, matching, paginate
from robosure.platform.http.preconditions import IfMatch, set_etag
from robosure.platform.http.problems import problems
from robosure.platform.security import Principal

__all__ = [
    "Access",
    "ApiRouter",
    "CacheDep",
    "ClockDep",
    "Cursor",
    "FilesDep",
    "Idempotent",
    "IfMatch",
    "InputModel",
    "MoneyModel",
    "OutputModel",
    "Page",
    "PageRequest",
    "PasswordsDep",
    "Principal",
    "ReadDb",
    "RolesDep",
    "RuntimeDep",
    "SettingsDep",
    "TokensDep",
    "WriteDb",
    "matching",
    "paginate",
    "problems",
    "public",
    "requires",
    "set_etag",
    "signed_in",
]
