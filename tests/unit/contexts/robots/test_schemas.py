from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from robosure.contexts.robots.domain.profile import Format, TimeSteps
from robosure.contexts.robots.schemas.fleet import RobotModelIn
from robosure.contexts.robots.schemas.profiles import DocumentIn, PreviewIn, ProfileIn
from robosure.contexts.robots.service import Body
from robosure.kernel.errors import FieldError, Invalid

DOCUMENT: dict[str, Any] = {
    "format": "csv",
    "timestamp": {"step_milliseconds": 8, "base": "2022-10-26T08:00:00Z"},
    "readings": {"cycle": {"column": 0}},
}


def test_a_document_becomes_the_domains_value() -> None:
    document = DocumentIn.model_validate(DOCUMENT).to_domain()

    assert document.timestamp == TimeSteps(8, datetime(2022, 10, 26, 8, tzinfo=UTC))
    assert dict(document.columns()) == {"readings.cycle.column": 0}


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        ("format", "xml", "format"),
        ("surprise", 1, "surprise"),
        ("timestamp", {"column": "t", "formt": "iso8601"}, "formt"),
        ("timestamp", {"step_milliseconds": "often"}, "step_milliseconds"),
        ("timestamp", 5, "timestamp"),
        ("readings", {"cycle": {"column": True}}, "cycle"),
        ("readings", {"speed": {"column": 0, "unit": "knots"}}, "unit"),
        ("missing", ["\0"], "missing"),
    ],
)
def test_a_field_at_fault_is_named(place: str, value: object, field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DocumentIn.model_validate({**DOCUMENT, place: value})

    assert any(field in error["loc"] for error in refused.value.errors())


def test_what_cannot_be_compiled_is_refused_with_every_field() -> None:
    document = DocumentIn.model_validate({**DOCUMENT, "numbers": {"decimal_mark": ";"}})

    with pytest.raises(Invalid) as refused:
        document.to_domain()
    assert refused.value.errors == (
        FieldError(
            "numbers.decimal_mark", "not_a_decimal_mark", "a full stop or a comma"
        ),
    )


@pytest.mark.parametrize("model", [ProfileIn, PreviewIn, RobotModelIn])
def test_the_examples_are_valid(
    model: type[ProfileIn | PreviewIn | RobotModelIn],
) -> None:
    extra: Any = model.model_config["json_schema_extra"]

    for example in extra["examples"]:
        model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("specifications", [{"note": "a\0b"}, {"note": "x" * 70_000}])
def test_specifications_must_be_storable(specifications: dict[str, str]) -> None:
    extra: Any = RobotModelIn.model_config["json_schema_extra"]
    example = {**extra["examples"][0], "specifications": specifications}

    with pytest.raises(ValidationError):
        RobotModelIn.model_validate(example)


@pytest.mark.parametrize(
    ("format_", "text", "lines"),
    [
        (Format.CSV, "[", False),
        (Format.JSON, ' [{"a": 1}]', False),
        (Format.JSON, '{"a": 1}', True),
    ],
)
def test_a_sample_is_an_array_or_lines(format_: Format, text: str, lines: bool) -> None:
    changes = {"format": format_, "readings": {"cycle": {"column": "a"}}}
    document = DocumentIn.model_validate({**DOCUMENT, **changes}).to_domain()

    body = Body.of_sample(text, document, start=None)

    assert body == Body(text.encode(), format_, lines=lines)


def test_a_sample_must_fit_the_encoding() -> None:
    changes = {"csv": {"encoding": "ascii"}}
    document = DocumentIn.model_validate({**DOCUMENT, **changes}).to_domain()

    with pytest.raises(Invalid, match="unencodable sample"):
        Body.of_sample("n\n€", document, start=None)
