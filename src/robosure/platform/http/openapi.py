"""The OpenAPI document: every error answer is a problem document, and says so."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from robosure.platform.http.idempotency_key import NAME
from robosure.platform.http.limits import UNLIMITED
from robosure.platform.http.problems import MEDIA_TYPE, Problem, example_of

_RETRY_AFTER: Final[dict[str, Any]] = {
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "schema": {"type": "integer"},
        "example": 1,
    }
}
_LIMITED: Final[dict[str, Any]] = {
    **_RETRY_AFTER,
    "RateLimit-Policy": {
        "description": "The limit: its name, quota and window in seconds.",
        "schema": {"type": "string"},
        "example": '"read";q=12000;w=60',
    },
    "RateLimit": {
        "description": "How much of it is left, and in how many seconds it is whole.",
        "schema": {"type": "string"},
        "example": '"read";r=0;t=60',
    },
}
_REFERENCE: Final = {"$ref": "#/components/schemas/Problem"}
_FASTAPIS_OWN: Final = ("HTTPValidationError", "ValidationError")
_ERRORS: Final = ("Problem", *_FASTAPIS_OWN)


def install_openapi(app: FastAPI) -> None:
    """Correct what FastAPI writes: it knows one media type for answers, JSON."""
    written = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _corrected(written())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's docs extend it


def _corrected(document: dict[str, Any]) -> dict[str, Any]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            answers: dict[str, Any] = operation["responses"]
            keyed = any(p["name"] == NAME for p in operation.get("parameters", ()))
            if keyed or "requestBody" in operation:
                answers.setdefault(str(HTTPStatus.BAD_REQUEST.value), {})
            conflict = str(HTTPStatus.CONFLICT.value)
            if keyed and conflict in answers:
                answers[conflict]["headers"] = _RETRY_AFTER
            if path not in UNLIMITED:
                limited = str(HTTPStatus.TOO_MANY_REQUESTS.value)
                answers.setdefault(limited, {})["headers"] = _LIMITED
            for status, answer in answers.items():
                if status.isdecimal() and _is_error(int(status), answer):
                    _correct(answer, int(status))
    schemas = document["components"]["schemas"]
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    template = "#/components/schemas/{model}"
    problem = Problem.model_json_schema(ref_template=template)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    return document


def _is_error(status: int, answer: dict[str, Any]) -> bool:
    """Whether the answer is a problem, and not a report such as of readiness."""
    schemas = [body.get("schema", {}) for body in answer.get("content", {}).values()]
    return status >= HTTPStatus.BAD_REQUEST and all(
        schema.get("$ref", "").rpartition("/")[2] in _ERRORS for schema in schemas
    )


def _correct(answer: dict[str, Any], status: int) -> None:
    answer["description"] = HTTPStatus(status).phrase
    answer["content"] = {
        MEDIA_TYPE: {"schema": _REFERENCE, "example": example_of(status)}
    }
