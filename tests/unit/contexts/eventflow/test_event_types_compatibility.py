"""Each rule of compatibility: what it lets pass, and what it finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from robosure.contexts.eventflow.domain import backward_breaks, full_breaks
from robosure.contexts.eventflow.schemas import TELEMETRY

Json = dict[str, Any]


def an_object(required: list[str] | None = None, **properties: Any) -> Json:
    """A schema that takes no fields but these, as that of ``data``."""
    return {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": False,
    }


def an_open_object(required: list[str] | None = None, **properties: Any) -> Json:
    """A schema that passes over other fields, as that of a fact."""
    schema = an_object(required, **properties)
    del schema["additionalProperties"]
    return schema


def backward(published: Json, proposed: Json) -> list[tuple[str, str]]:
    return [(b.path, b.rule) for b in backward_breaks(published, proposed)]


def full(published: Json, proposed: Json) -> list[tuple[str, str]]:
    return [(b.path, b.rule) for b in full_breaks(published, proposed)]


NUMBER: Json = {"type": "number"}
TEXT: Json = {"type": "string"}
NULL: Json = {"type": "null"}
NULLABLE: Json = {"anyOf": [NUMBER, NULL]}


# --- fields -------------------------------------------------------------------------


def test_a_new_optional_field_is_compatible() -> None:
    published = an_object(["a"], a=NUMBER)
    proposed = an_object(["a"], a=NUMBER, b=TEXT)

    assert backward(published, proposed) == []


def test_a_removed_field_breaks() -> None:
    assert backward(an_object(a=NUMBER, b=TEXT), an_object(a=NUMBER)) == [
        ("b", "field_removed")
    ]


def test_a_field_that_would_only_be_passed_over_is_removed_too() -> None:
    published, proposed = an_open_object(a=NUMBER, b=TEXT), an_open_object(a=NUMBER)

    assert backward(published, proposed) == [("b", "field_removed")]
    assert full(published, proposed) == [("b", "field_removed")]


def test_a_renamed_field_breaks() -> None:
    assert backward(an_object(["a"], a=NUMBER), an_object(["b"], b=NUMBER)) == [
        ("a", "field_removed"),
        ("b", "field_required"),
    ]


def test_a_new_required_field_breaks() -> None:
    assert backward(an_object(a=NUMBER), an_object(["b"], a=NUMBER, b=TEXT)) == [
        ("b", "field_required")
    ]


def test_a_field_that_is_newly_required_breaks() -> None:
    assert backward(an_object(a=NUMBER), an_object(["a"], a=NUMBER)) == [
        ("a", "field_required")
    ]


def test_a_field_that_is_no_longer_required_is_compatible_for_senders() -> None:
    assert backward(an_object(["a"], a=NUMBER), an_object(a=NUMBER)) == []


def test_a_name_that_was_free_for_any_value_cannot_be_claimed_for_some() -> None:
    published = an_open_object(a=NUMBER)

    assert backward(published, an_open_object(a=NUMBER, b=TEXT)) == [
        ("b", "field_claimed")
    ]
    assert backward(published, an_open_object(a=NUMBER, b={})) == []


def test_an_open_object_cannot_be_closed() -> None:
    assert backward(an_open_object(a=NUMBER), an_object(a=NUMBER)) == [
        ("", "fields_closed")
    ]
    assert backward(an_object(a=NUMBER), an_open_object(a=NUMBER)) == []


def test_the_values_of_a_map_are_compared() -> None:
    published = {"type": "object", "additionalProperties": NULLABLE}
    proposed = {"type": "object", "additionalProperties": NUMBER}

    assert backward(published, proposed) == [("*", "type_narrowed")]
    assert backward(proposed, published) == []


def test_a_field_may_become_one_of_a_map() -> None:
    published = an_object(a=NUMBER)
    taken = {"type": "object", "additionalProperties": NUMBER}
    refused = {"type": "object", "additionalProperties": TEXT}

    assert backward(published, taken) == []
    assert backward(published, refused) == [("a", "type_narrowed")]


# --- types --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "proposed", "lost"),
    [
        (NUMBER, TEXT, ["number"]),
        (NUMBER, {"type": "integer"}, ["number"]),
        ({"type": "integer"}, NUMBER, []),
        (NULLABLE, NUMBER, ["null"]),
        (NUMBER, NULLABLE, []),
        ({"type": ["number", "null"]}, NUMBER, ["null"]),
        ({"type": ["number", "null"]}, NULLABLE, []),
        ({"oneOf": [NUMBER, TEXT, NULL]}, NUMBER, ["string", "null"]),
        ({}, NUMBER, ["value of any type"]),
        (NUMBER, {}, []),
    ],
)
def test_a_type_may_be_widened_and_not_narrowed(
    published: Json, proposed: Json, lost: list[str]
) -> None:
    breaks = backward_breaks(an_object(a=published), an_object(a=proposed))

    assert [(b.path, b.rule) for b in breaks] == [("a", "type_narrowed")] * len(lost)
    assert [b.detail for b in breaks] == [f"takes no {each} any more" for each in lost]


def test_a_field_of_no_value_at_all_is_narrowed() -> None:
    assert backward(an_object(a=True), an_object(a=False)) == [("a", "type_narrowed")]
    assert backward(an_object(a=False), an_object(a=NUMBER)) == []


def test_items_are_compared() -> None:
    published = an_object(a={"type": "array", "items": NULLABLE})
    proposed = an_object(a={"type": "array", "items": NUMBER})

    assert backward(published, proposed) == [("a[]", "type_narrowed")]
    assert backward(proposed, published) == []
    assert backward(an_object(a={"type": "array"}), proposed) == [
        ("a[]", "type_narrowed")
    ]


def test_the_places_of_a_tuple_are_compared() -> None:
    pair = {"type": "array", "prefixItems": [NUMBER, TEXT], "items": False}
    other = {"type": "array", "prefixItems": [NUMBER, NUMBER], "items": False}

    assert backward(pair, pair) == []
    assert backward(pair, other) == [("[1]", "type_narrowed")]


def test_definitions_are_followed_wherever_they_are() -> None:
    published = {
        **an_object(a={"$ref": "#/$defs/Reading", "description": "One."}),
        "$defs": {"Reading": NULLABLE},
    }
    moved = {**an_object(a={"$ref": "#/$defs/R"}), "$defs": {"R": NULLABLE}}
    narrowed = {**an_object(a={"$ref": "#/$defs/R"}), "$defs": {"R": NUMBER}}

    assert backward(published, moved) == []
    assert backward(published, an_object(a=NULLABLE)) == []
    assert backward(published, narrowed) == [("a", "type_narrowed")]


def test_a_definition_within_itself_comes_to_an_end() -> None:
    def tree(value: Json) -> Json:
        node = an_object(
            value=value, children={"type": "array", "items": {"$ref": "#/$defs/Node"}}
        )
        return {"$ref": "#/$defs/Node", "$defs": {"Node": node}}

    assert backward(tree(NUMBER), tree(NUMBER)) == []
    assert backward(tree(NUMBER), tree(TEXT))[0] == ("value", "type_narrowed")


# --- values and constraints ---------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "proposed", "detail"),
    [
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "takes no 'b' any more"),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, None),
        ({"const": "a"}, {"enum": ["a", "b"]}, None),
        ({"const": "a"}, {"const": "b"}, "takes no 'a' any more"),
        (TEXT, {"type": "string", "enum": ["a"]}, "takes no other than 'a' any more"),
        ({"type": "string", "enum": ["a"]}, TEXT, None),
    ],
)
def test_values_may_be_added_and_not_removed(
    published: Json, proposed: Json, detail: str | None
) -> None:
    breaks = backward_breaks(an_object(a=published), an_object(a=proposed))

    assert [(b.rule, b.detail) for b in breaks] == (
        [] if detail is None else [("values_removed", detail)]
    )


TIGHTER: list[tuple[Json, Json, str]] = [
    ({"maximum": 100}, {"maximum": 90}, "had maximum 100 and has maximum 90"),
    ({}, {"maximum": 90}, "had no maximum and has maximum 90"),
    (
        {"maximum": 9},
        {"exclusiveMaximum": 9},
        "had maximum 9 and has exclusiveMaximum 9",
    ),
    ({"minimum": 0}, {"minimum": 1}, "had minimum 0 and has minimum 1"),
    ({}, {"exclusiveMinimum": 1}, "had no minimum and has exclusiveMinimum 1"),
    (
        {"minimum": 0},
        {"exclusiveMinimum": 0},
        "had minimum 0 and has exclusiveMinimum 0",
    ),
    ({"maxLength": 9}, {"maxLength": 8}, "had maxLength 9 and has maxLength 8"),
    ({}, {"minLength": 1}, "had no minLength and has minLength 1"),
    ({"maxItems": 9}, {"maxItems": 8}, "had maxItems 9 and has maxItems 8"),
    ({"minItems": 1}, {"minItems": 2}, "had minItems 1 and has minItems 2"),
    ({}, {"pattern": "^a"}, "had no pattern and has pattern '^a'"),
    ({"pattern": "^a"}, {"pattern": "^b"}, "had pattern '^a' and has pattern '^b'"),
    ({}, {"format": "uuid"}, "had no format and has format 'uuid'"),
    ({}, {"multipleOf": 2}, "had no multipleOf and has multipleOf 2"),
    ({}, {"not": {"const": 0}}, "had no not and has not {'const': 0}"),
]


@pytest.mark.parametrize(("published", "proposed", "detail"), TIGHTER)
def test_a_constraint_may_not_be_tightened(
    published: Json, proposed: Json, detail: str
) -> None:
    breaks = backward_breaks(an_object(a=published), an_object(a=proposed))

    assert [(b.path, b.rule, b.detail) for b in breaks] == [
        ("a", "constraint_tightened", detail)
    ]
    assert str(breaks[0]) == f"a: {detail}"


@pytest.mark.parametrize(
    ("proposed", "published"),
    [pair[:2] for pair in TIGHTER if pair[0].get("pattern") is None],
)
def test_a_constraint_may_be_loosened(published: Json, proposed: Json) -> None:
    assert backward(an_object(a=published), an_object(a=proposed)) == []


def test_words_may_change() -> None:
    published = {**an_object(a={**NUMBER, "title": "A", "default": 1}), "title": "X"}
    proposed = {**an_object(a={**NUMBER, "description": "One."}), "description": "Y"}

    assert full(published, proposed) == []


# --- facts --------------------------------------------------------------------------


def test_a_fact_may_gain_an_optional_field() -> None:
    assert (
        full(an_open_object(["a"], a=NUMBER), an_open_object(["a"], a=NUMBER, b=TEXT))
        == []
    )


def test_a_fact_may_not_gain_a_required_field_for_old_ones_lack_it() -> None:
    published = an_open_object(["a"], a=NUMBER)
    proposed = an_open_object(["a", "b"], a=NUMBER, b=TEXT)

    assert full(published, proposed) == [("b", "field_required")]


def test_a_fact_may_not_be_wider_than_its_listeners_read() -> None:
    published = an_open_object(["a", "b"], a=NUMBER, b={**TEXT, "maxLength": 5})
    proposed = an_open_object(["b"], a=NULLABLE, b={**TEXT, "maxLength": 9})

    assert [str(each) for each in full_breaks(published, proposed)] == [
        "a: may be null, which listeners do not know",
        "b: has maxLength 9, and listeners go by maxLength 5",
        "a: the field is not always there any more",
    ]
    assert backward(published, proposed) == []


def test_a_fact_may_not_say_what_its_listeners_do_not_know() -> None:
    published = an_open_object(kind={"enum": ["insurer", "operator"]})
    proposed = an_open_object(kind={"enum": ["insurer", "operator", "broker"]})

    assert [str(each) for each in full_breaks(published, proposed)] == [
        "kind: may be 'broker', which listeners do not know"
    ]


# --- the real thing -----------------------------------------------------------------


def test_telemetry_is_compatible_with_itself_however_its_readings_are_taken_away() -> (
    None
):
    schema: Any = TELEMETRY.event_schema
    assert backward(schema, schema) == []

    for reading in schema["$defs"]["TelemetryData"]["properties"]:
        data = schema["$defs"]["TelemetryData"]
        fewer = {k: v for k, v in data["properties"].items() if k != reading}
        without = {
            **schema,
            "$defs": {"TelemetryData": {**data, "properties": fewer}},
        }
        # Adding the reading is compatible, and taking it away is not.
        assert backward(without, schema) == []
        assert backward(schema, without) == [(f"data.{reading}", "field_removed")]


SCHEMAS = st.recursive(
    st.sampled_from(
        [
            NUMBER,
            TEXT,
            NULL,
            NULLABLE,
            {"type": "integer", "minimum": 0},
            {"type": "number", "maximum": 10},
            {"type": "string", "enum": ["a", "b"]},
            {"type": "string", "maxLength": 1},
        ]
    ),
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(
            an_object,
            st.lists(st.sampled_from("ab"), unique=True),
            a=inner,
            b=inner,
        ),
    ),
    max_leaves=4,
)
VALUES = st.recursive(
    st.sampled_from([None, -1, 0, 5, 11, 0.5, "", "a", "b", "ab"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from("ab"), inner),
    ),
    max_leaves=4,
)


@given(published=SCHEMAS, proposed=SCHEMAS, values=st.lists(VALUES, max_size=20))
def test_what_a_schema_took_one_that_is_compatible_takes(
    published: Json, proposed: Json, values: list[Any]
) -> None:
    # Either side may be a choice, so that many pairs are compatible.
    widened = {"anyOf": [proposed, published]}
    for new in (proposed, widened):
        if not backward_breaks(published, new):
            old_one, new_one = (
                Draft202012Validator(published),
                Draft202012Validator(new),
            )
            taken = [value for value in values if old_one.is_valid(value)]
            assert [value for value in taken if not new_one.is_valid(value)] == []
    assert backward_breaks(published, widened) == []
