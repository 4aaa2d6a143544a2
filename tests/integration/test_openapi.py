"""The OpenAPI document: valid, complete, with examples true to their schemas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from typer.testing import CliRunner

from robosure.entrypoints.cli import app as command_line
from robosure.platform.jobs import install_sender

Json = dict[str, Any]

_METHODS = {"get", "put", "post", "patch", "delete"}
_PROBLEM = "application/problem+json"
_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_BINARY = {
    "text/html",
    "application/pdf",
    "application/vnd.apache.parquet",
    "text/plain",
}
PUBLIC = {
    "GET /api/v1/auth/sso/{provider_id}",
    "GET /api/v1/auth/sso/{provider_id}/callback",
    "POST /api/v1/auth/sso/{provider_id}",
    "POST /api/v1/auth/sso/{provider_id}/back-channel-logout",
    "POST /api/v1/auth/password-reset",
    "POST /api/v1/auth/password-reset/confirm",
    "POST /api/v1/auth/sign-in",
    "POST /api/v1/auth/token",
    "POST /api/v1/payments/processor-notifications",
    "GET /health",
    "GET /ready",
    "GET /.well-known/jwks.json",
    "GET /metrics",
    "GET /metrics/summary",
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """What ``robosure openapi FILE`` writes."""
    path: Path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    result = CliRunner().invoke(command_line, ["openapi", str(path)])
    install_sender(None)
    assert result.exit_code == 0, result.output
    assert result.output == ""
    loaded: Json = orjson.loads(path.read_bytes())
    return loaded


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield f"{method.upper()} {path}", operation


def answers(document: Json) -> Iterator[tuple[str, int, Json]]:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            yield name, int(status), answer


def test_the_document_is_valid(document: Json) -> None:
    assert document["openapi"].startswith("3.1")
    errors = [str(e) for e in OpenAPIV31SpecValidator(document).iter_errors()]
    assert errors == []


def test_it_goes_to_standard_output_where_no_file_is_named(document: Json) -> None:
    result = CliRunner().invoke(command_line, ["openapi"])
    install_sender(None)
    assert result.exit_code == 0
    assert orjson.loads(result.stdout_bytes) == document


def test_every_operation_says_what_it_is_and_where_it_belongs(document: Json) -> None:
    untold = [
        name
        for name, operation in operations(document)
        if not operation.get("summary")
        or not operation.get("description")
        or len(operation.get("tags", ())) != 1
    ]
    assert untold == []


def test_operation_ids_and_summaries_are_told_apart(document: Json) -> None:
    found = [operation for _, operation in operations(document)]
    for field in ("operationId", "summary"):
        names = [operation[field] for operation in found]
        assert sorted(names) == sorted(set(names)), field


def test_every_operation_is_private_unless_it_is_known_to_be_public(
    document: Json,
) -> None:
    open_ones = {
        name for name, operation in operations(document) if "security" not in operation
    }
    assert open_ones == PUBLIC


def test_every_private_operation_documents_that_it_may_refuse_who_asks(
    document: Json,
) -> None:
    untold = [
        name
        for name, operation in operations(document)
        if name not in PUBLIC and not {"401", "403"} <= set(operation["responses"])
    ]
    assert untold == []


def test_every_operation_but_those_that_watch_documents_its_limit(
    document: Json,
) -> None:
    documented = {
        name
        for name, operation in operations(document)
        if {"Retry-After", "RateLimit", "RateLimit-Policy"}
        == set(operation["responses"].get("429", {}).get("headers", ()))
    }
    watching = {"/health", "/ready", "/metrics", "/metrics/summary"}
    expected = {
        name
        for name, _ in operations(document)
        if name.removeprefix("GET ") not in watching
    }
    assert documented == expected


def test_every_operation_with_an_idempotency_key_documents_how_it_is_refused(
    document: Json,
) -> None:
    keyed = {
        name: operation["responses"]
        for name, operation in operations(document)
        if any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ()))
    }
    assert len(keyed) > 15
    untold = [name for name, told in keyed.items() if not {"400", "422"} <= set(told)]
    assert untold == []
    # What is only sent on is never in flight: of each event there is one.
    sent_on = {"POST /api/v1/events", "POST /api/v1/robots/{robot_id}/telemetry"}
    never_in_flight = {
        name
        for name, told in keyed.items()
        if "Retry-After" not in told.get("409", {}).get("headers", ())
    }
    assert never_in_flight == sent_on


def test_every_error_is_a_problem_document(document: Json) -> None:
    wrong = {
        f"{name} {status}": sorted(answer.get("content", {}))
        for name, status, answer in answers(document)
        if status >= 400
        # Not an error, but what is missing for readiness.
        and (name, status) != ("GET /ready", 503)
        and not _is_problem(answer)
    }
    assert wrong == {}


def _is_problem(answer: Json) -> bool:
    content = answer.get("content", {})
    if set(content) != {_PROBLEM}:
        return False
    return bool(content[_PROBLEM].get("schema") == _PROBLEM_SCHEMA)


def test_reports_of_operations_are_documented_as_they_are_sent(document: Json) -> None:
    def content(path: str, status: str) -> Json:
        found: Json = document["paths"][path]["get"]["responses"][status]["content"]
        return found

    readiness = {"$ref": "#/components/schemas/Readiness"}
    assert content("/ready", "503") == {"application/json": {"schema": readiness}}
    assert set(content("/metrics", "200")) == {"text/plain"}
    assert set(content("/metrics/summary", "200")) == {"application/json"}


def test_every_request_body_shows_an_example(document: Json) -> None:
    bare = [
        f"{name} {media_type}"
        for name, operation in operations(document)
        for media_type, body in operation.get("requestBody", {})
        .get("content", {})
        .items()
        # A form is its fields, and each says what it is.
        if media_type.startswith("application/")
        and media_type != "application/x-www-form-urlencoded"
        and not _shows(document, body)
    ]
    assert bare == []


def test_every_answer_with_content_shows_an_example(document: Json) -> None:
    bare = [
        f"{name} {status} {media_type}"
        for name, status, answer in answers(document)
        for media_type, body in answer.get("content", {}).items()
        if media_type not in _BINARY
        and body["schema"].get("format") != "binary"
        and not _shows(document, body)
    ]
    assert bare == []


def _shows(document: Json, body: Json) -> bool:
    return bool(list(_examples(document, body))) or _shown(document, body["schema"])


def _shown(document: Json, schema: Json) -> bool:
    """Whether the schema, or what it is a list or a page of, has an example."""
    schema = _resolved(document, schema)
    if "examples" in schema or "example" in schema:
        return True
    properties = schema.get("properties", {})
    deeper = [schema.get("items"), properties.get("items")]
    return any(_shown(document, found) for found in deeper if found)


def _resolved(document: Json, schema: Json) -> Json:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Json = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _examples(document: Json, body: Json) -> Iterator[Any]:
    """All examples of a media type: its own, or its schema's."""
    if "example" in body:
        yield body["example"]
    yield from (each["value"] for each in body.get("examples", {}).values())
    yield from _resolved(document, body.get("schema", {})).get("examples", ())


def test_every_example_of_a_schema_is_true_to_it(document: Json) -> None:
    schemas = document["components"]["schemas"]
    untrue = [
        f"{name}: {error.json_path} {error.message}"
        for name, schema in schemas.items()
        for example in schema.get("examples", ())
        for error in _errors(
            document, {"$ref": f"#/components/schemas/{name}"}, example
        )
    ]
    assert untrue == []


def test_every_example_of_a_body_or_answer_is_true_to_its_schema(
    document: Json,
) -> None:
    bodies = [
        (f"{name} {media_type}", body)
        for name, operation in operations(document)
        for holder in (
            operation.get("requestBody", {}),
            *operation["responses"].values(),
        )
        for media_type, body in holder.get("content", {}).items()
        if "schema" in body
    ]
    untrue = [
        f"{name}: {error.json_path} {error.message}"
        for name, body in bodies
        for example in _examples(document, body)
        for error in _errors(document, body["schema"], example)
    ]
    assert untrue == []


def _errors(document: Json, schema: Json, example: Any) -> Iterator[Any]:
    rooted = {**schema, "components": document["components"]}
    validator: Any = OAS31Validator(_without_required_nulls(rooted))
    yield from validator.iter_errors(example)


def _without_required_nulls(schema: Any) -> Any:
    """FastAPI leaves nulls out of the document, and so out of examples."""
    if isinstance(schema, list):
        return [_without_required_nulls(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    eased = {key: _without_required_nulls(value) for key, value in schema.items()}
    if isinstance(required := eased.get("required"), list):
        properties = eased.get("properties", {})
        eased["required"] = [
            name
            for name in required
            if {"type": "null"} not in properties.get(name, {}).get("anyOf", ())
        ]
    return eased
