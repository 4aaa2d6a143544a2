"""The use cases that several routes need, with what they need."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from robosure.contexts.identity.repository import (
    SqlCustomRoles,
    SqlOrganisations,
    SqlPasswordLetters,
    SqlSecondFactors,
    SqlSessions,
    SqlUsers,
)
from robosure.contexts.identity.service.lost_factors import LostFactors
from robosure.contexts.identity.service.missed_codes import MissedCodes
from robosure.contexts.identity.service.roles import Roles
from robosure.contexts.identity.service.second_factor import SecondFactorService
from robosure.contexts.identity.service.sessions import Client, SessionService
from robosure.contexts.identity.service.sign_in import SignInService
from robosure.contexts.identity.service.sign_on_codes import SignOnCodes
from robosure.platform.http import (
    ClientAddressDep,
    ClockDep,
    EndedSessionsDep,
    PasswordsDep,
    RolesDep,
    RuntimeDep,
    SettingsDep,
    ThrottleDep,
    WriteDb,
)
from robosure.platform.security import OneTime
from robosure.platform.security.vault import FernetVault


def _sessions(session: WriteDb, ended: EndedSessionsDep) -> SqlSessions:
    return SqlSessions(session, ended=ended)


SessionsDep = Annotated[SqlSessions, Depends(_sessions)]


def _roles(session: WriteDb, catalogue: RolesDep) -> Roles:
    return Roles(SqlCustomRoles(session), catalogue=catalogue)


RolesInForceDep = Annotated[Roles, Depends(_roles)]


def _session_service(
    *,
    session: WriteDb,
    sessions: SessionsDep,
    roles: RolesInForceDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> SessionService:
    return SessionService(
        sessions,
        users=SqlUsers(session),
        organisations=SqlOrganisations(session),
        roles=roles,
        settings=settings,
        clock=clock,
    )


SessionServiceDep = Annotated[SessionService, Depends(_session_service)]


def _second_factor_service(
    session: WriteDb, runtime: RuntimeDep
) -> SecondFactorService:
    return SecondFactorService(
        SqlSecondFactors(session),
        missed=MissedCodes(runtime.redis),
        users=SqlUsers(session),
        vault=FernetVault.from_settings(runtime.settings),
        clock=runtime.clock,
    )


SecondFactorServiceDep = Annotated[SecondFactorService, Depends(_second_factor_service)]


def _lost_factors(session: WriteDb, clock: ClockDep) -> LostFactors:
    return LostFactors(
        SqlSecondFactors(session),
        letters=SqlPasswordLetters(session),
        users=SqlUsers(session),
        clock=clock,
    )


LostFactorsDep = Annotated[LostFactors, Depends(_lost_factors)]


def _sign_in_service(
    *,
    session: WriteDb,
    passwords: PasswordsDep,
    second_factors: SecondFactorServiceDep,
    lost_factors: LostFactorsDep,
    throttle: ThrottleDep,
) -> SignInService:
    return SignInService(
        SqlUsers(session),
        passwords=passwords,
        second_factors=second_factors,
        lost_factors=lost_factors,
        attempts=throttle,
    )


def _sign_on_codes(runtime: RuntimeDep, sessions: SessionServiceDep) -> SignOnCodes:
    codes = OneTime(runtime.redis, "single-sign-on-code")
    return SignOnCodes(codes, sessions=sessions, clock=runtime.clock)


SignOnCodesDep = Annotated[SignOnCodes, Depends(_sign_on_codes)]

SignInServiceDep = Annotated[SignInService, Depends(_sign_in_service)]


def _client(request: Request, address: ClientAddressDep) -> Client:
    return Client(address, request.headers.get("user-agent"))


ClientDep = Annotated[Client, Depends(_client)]
