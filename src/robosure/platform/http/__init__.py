"""The HTTP layer: what a context's routes are written with."""

from robosure.platform.http.access import Access, ProofDep, public, requires, signed_in
from robosure.platform.http.at_once import Asked, Promise, at_once
from robosure.platform.http.downloads import attachment, download
from robosure.platform.http.edge import (
    AuthoritiesDep,
    CacheDep,
    ClockDep,
    Edge,
    FilesDep,
    PasswordsDep,
    PersonalDataDep,
    PressureDep,
    ReadDb,
    RolesDep,
    RuntimeDep,
    SettingsDep,
    TokensDep,
    UploadsDep,
    WriteDb,
    edge_of,
)
from robosure.platform.http.express import express
from robosure.platform.http.headers import media_type_of
from robosure.platform.http.idempotency import ApiRouter, Idempotent
from robosure.platform.http.idempotency_key import IdempotencyKey
from robosure.platform.http.limits import RouteClass, limited_as
from robosure.platform.http.messages import AsyncApiDep, MessagesDep
from robosure.platform.http.models import InputModel, MoneyModel, OutputModel
from robosure.platform.http.pages import Cursor, Page, PageRequest, matching, paginate
from robosure.platform.http.preconditions import IfMatch, set_etag
from robosure.platform.http.problems import problem_of, problems
from robosure.platform.http.sessions import EndedSessionsDep
from robosure.platform.http.throttling import ClientAddressDep, SourceDep, ThrottleDep
from robosure.platform.security import Principal

__all__ = [
    "Access",
    "ApiRouter",
    "Asked",
    "AsyncApiDep",
    "AuthoritiesDep",
    "CacheDep",
    "ClientAddressDep",
    "ClockDep",
    "Cursor",
    "Edge",
    "EndedSessionsDep",
    "FilesDep",
    "IdempotencyKey",
    "Idempotent",
    "IfMatch",
    "InputModel",
    "MessagesDep",
    "MoneyModel",
    "OutputModel",
    "Page",
    "PageRequest",
    "PasswordsDep",
    "PersonalDataDep",
    "PressureDep",
    "Principal",
    "Promise",
    "ProofDep",
    "ReadDb",
    "RolesDep",
    "RouteClass",
    "RuntimeDep",
    "SettingsDep",
    "SourceDep",
    "ThrottleDep",
    "TokensDep",
    "UploadsDep",
    "WriteDb",
    "at_once",
    "attachment",
    "download",
    "edge_of",
    "express",
    "limited_as",
    "matching",
    "media_type_of",
    "paginate",
    "problem_of",
    "problems",
    "public",
    "requires",
    "set_etag",
    "signed_in",
]
