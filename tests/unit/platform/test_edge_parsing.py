"""What the edge reads and shapes: problems, cursors, preconditions, money, events."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from robosure.kernel.errors import ErrorKind, Invalid
from robosure.kernel.money import Money
from robosure.platform.database.types import JsonOf
from robosure.platform.http import InputModel, MoneyModel, OutputModel, problems
from robosure.platform.http.pages import PageRequest, _page_request
from robosure.platform.http.preconditions import _if_match, set_etag
from robosure.platform.http.problems import (
    STATUS,
    Problem,
    example_of,
    problem_response,
)
from robosure.platform.outages import infrastructure_is_away

DIALECT: Dialect = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_has_a_status(kind: ErrorKind) -> None:
    assert 400 <= STATUS[kind] < 600


def test_a_problem_document_says_all_that_rfc_9457_asks_for() -> None:
    scope = {"state": {"request_id": "req-1"}}
    facts = {"number": "Q-1", "premium": Money(1, "EUR"), "left": Decimal("0.5")}
    response = problem_response(
        scope, 409, code="quote_expired", detail="too late", context=facts
    )
    assert response.media_type == "application/problem+json"
    assert orjson.loads(bytes(response.body)) == {
        "type": "https://robosure.dev/problems/quote_expired",
        "title": "Quote expired",
        "status": 409,
        "detail": "too late",
        "code": "quote_expired",
        "request_id": "req-1",
        "context": {"number": "Q-1", "premium": "0.01 EUR", "left": "0.5"},
        "errors": [],
    }


def test_routes_describe_their_error_answers() -> None:
    described = problems(404, 409)
    assert list(described) == [401, 403, 404, 409]
    assert described[404] == {"model": Problem, "description": "Not Found"}
    assert example_of(404)["code"] == "not_found"


def test_a_cursor_comes_back_as_the_id_it_was_made_of() -> None:
    after = UUID("018f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    cursor = base64.urlsafe_b64encode(after.bytes).decode().rstrip("=")
    assert _page_request(20, cursor) == PageRequest(20, after)
    assert _page_request(20, None) == PageRequest(20, None)


@pytest.mark.parametrize(
    "cursor", ["", "x", "not a cursor", "AAAA", "é" * 22, "A" * 99]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        _page_request(20, cursor)
    assert refused.value.code == "invalid_cursor"


@pytest.mark.parametrize(
    ("header", "version"),
    [(None, None), ("*", None), ('"3"', 3), ('W/"12"', 12), ("7", 7), ('"0"', 0)],
)
def test_if_match_names_a_version(header: str | None, version: int | None) -> None:
    assert _if_match(header) == version


@pytest.mark.parametrize("header", ["", '"abc"', '"-1"', '"1", "2"', "²", "9" * 5000])
def test_an_if_match_that_names_none_is_refused(header: str) -> None:
    with pytest.raises(Invalid) as refused:
        _if_match(header)
    assert refused.value.code == "invalid_if_match"


def test_the_etag_is_the_version() -> None:
    response = Response()
    set_etag(response, 3)
    assert response.headers["ETag"] == '"3"'


def test_money_travels_as_minor_units_and_currency() -> None:
    class Quote(OutputModel):
        premium: Money

    assert MoneyModel.from_money(Money(5, "EUR")).to_money() == Money(5, "EUR")
    shown = Quote(premium=Money(5, "EUR")).model_dump(mode="json")
    assert shown == {"premium": {"minor": 5, "currency": "EUR"}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"minor": 1.5, "currency": "EUR"},
        {"minor": 2**63, "currency": "EUR"},
        {"minor": 1, "currency": "eur"},
        {"minor": 1, "currency": "EUR", "extra": 1},
        {"minor": 1},
    ],
)
def test_what_is_no_money_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MoneyModel.model_validate(wrong)


def test_input_with_an_unknown_field_is_refused() -> None:
    class Asked(InputModel):
        name: str

    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Asked.model_validate({"name": "x", "nmae": "y"})


@dataclass(frozen=True)
class Terms:
    limit: Money
    rate: Decimal
    tiers: tuple[int, ...]


def test_a_document_column_holds_a_typed_value() -> None:
    # given
    terms = Terms(Money(100, "EUR"), Decimal("0.120"), (1, 2))
    column: JsonOf[Terms] = JsonOf(Terms)
    # when
    stored = column.process_bind_param(terms, DIALECT)
    # then
    assert stored == {
        "limit": {"minor": 100, "currency": "EUR"},
        "rate": "0.120",
        "tiers": [1, 2],
    }
    assert column.process_result_value(stored, DIALECT) == terms
    assert column.process_bind_param(None, DIALECT) is None
    assert column.process_result_value(None, DIALECT) is None


def test_a_document_that_does_not_fit_is_not_read() -> None:
    column: JsonOf[Terms] = JsonOf(Terms)
    with pytest.raises(ValidationError):
        column.process_result_value({"limit": 1}, DIALECT)


def test_tuples_of_values_are_documents_too() -> None:
    column: JsonOf[tuple[Money, ...]] = JsonOf(tuple[Money, ...])
    value = (Money(1, "EUR"), Money(2, "EUR"))
    stored = column.process_bind_param(value, DIALECT)
    assert column.process_result_value(stored, DIALECT) == value
    assert TypeAdapter(list[dict[str, Any]]).validate_python(stored)


class _SqlError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (ConnectionRefusedError(111, "refused"), True),
        (TimeoutError(), True),
        (RedisConnectionError(), True),
        (RedisTimeoutError(), True),
        (BusyLoadingError(), True),
        (PoolTimeoutError(), True),
        (FileNotFoundError(2, "no such file", "terms.typ"), False),
        (ResponseError("WRONGTYPE"), False),
        (ValueError("ours"), False),
        *(
            (DBAPIError("SELECT 1", {}, _SqlError(state)), away)
            for state, away in {
                "08006": True,  # connection failure
                "40P01": True,  # deadlock
                "53300": True,  # too many connections
                "57P01": True,  # shut down by an administrator
                "57P03": True,  # starting up
                "57014": False,  # cancelled
                "22003": False,  # out of range
                "23505": False,  # unique
                "42P01": False,  # no such table
            }.items()
        ),
    ],
)
def test_a_server_that_is_away_is_told_from_a_fault(
    error: Exception, away: bool
) -> None:
    assert infrastructure_is_away(error) is away
