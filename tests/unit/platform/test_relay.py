from __future__ import annotations

from typing import get_type_hints
from uuid import UUID

from robosure.entrypoints.registry import facts
from robosure.platform.events import type_of
from robosure.platform.streams.relay import subject_fields


def test_what_a_fact_is_about_is_its_first_field_and_an_id() -> None:
    # given every fact that a context tells
    told = list(facts())
    # then
    about = {type_of(kind): subject_fields()[type_of(kind)] for kind in told}
    assert about["policies.PolicyBound"] == "policy_id"
    assert about["eventflow.TelemetryExtracted"] == "request_id"
    assert {get_type_hints(kind)[about[type_of(kind)]] for kind in told} == {UUID}
