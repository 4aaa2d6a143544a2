"""The AsyncAPI document: valid, complete, and true to what the contexts do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft7Validator
from pydantic import SecretStr
from typer.testing import CliRunner

from robosure.contexts.eventflow.schemas import SAMPLE
from robosure.entrypoints.api import create_app
from robosure.entrypoints.cli import app as command_line
from robosure.entrypoints.registry import load
from robosure.platform.events import type_of
from robosure.platform.jobs import install_sender
from robosure.platform.settings import Settings
from tests.support import ApiClient

Json = dict[str, Any]

_SCHEMA = Path(__file__).parent.parent / "schemas" / "asyncapi-3.0.0.json"


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    return Draft7Validator(orjson.loads(_SCHEMA.read_bytes()))


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """What ``robosure asyncapi FILE`` writes."""
    path: Path = tmp_path_factory.mktemp("asyncapi") / "asyncapi.json"
    result = CliRunner().invoke(command_line, ["asyncapi", str(path)])
    install_sender(None)
    assert result.exit_code == 0, result.output
    assert result.output == ""
    loaded: Json = orjson.loads(path.read_bytes())
    return loaded


def test_the_document_is_valid(document: Json, validator: Draft7Validator) -> None:
    errors = [f"{e.json_path} {e.message}" for e in validator.iter_errors(document)]
    assert errors == []


def test_it_is_valid_where_kafka_is_chosen_as_well(
    validator: Draft7Validator,
) -> None:
    chosen = Settings(_env_file=None, event_bus=SecretStr("kafkas://one,two:8"))
    document = create_app(settings=chosen).state.asyncapi()
    install_sender(None)

    assert [e.message for e in validator.iter_errors(document)] == []
    channel = document["channels"]["robosure.policies"]
    assert channel["address"] == "robosure.events.policies"
    assert document["servers"]["streams"]["protocol"] == "kafka-secure"


def test_a_document_with_a_mistake_is_not(
    document: Json, validator: Draft7Validator
) -> None:
    operation = {**document["operations"]["policies.tells"], "action": "shout"}
    wrong = {**document, "operations": {"policies.tells": operation}}

    assert not validator.is_valid(wrong)


def test_it_goes_to_standard_output_where_no_file_is_named(document: Json) -> None:
    result = CliRunner().invoke(command_line, ["asyncapi"])
    install_sender(None)
    assert result.exit_code == 0
    assert orjson.loads(result.stdout_bytes) == document


def references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from references(each)
    elif isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)


def test_every_reference_leads_somewhere(document: Json) -> None:
    found = set(references(document))
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]
    assert len(found) > 50


def test_every_reaction_of_a_context_is_an_operation(document: Json) -> None:
    expected = {
        (consumer.group, type_of(consumer.event))
        for context in load()
        for consumer in context.consumers
    }
    taken_in = {
        (context.name, handler.event_type)
        for context in load()
        for handler in context.batch_handlers
    }
    told = {
        (name.partition(".")[0], message["$ref"].rpartition("/")[2])
        for name, operation in document["operations"].items()
        if operation["action"] == "receive"
        for message in operation["messages"]
    }
    assert expected
    assert taken_in == {("risk", "robot.telemetry.v1")}
    assert told == {*expected, *taken_in, ("eventflow", "robot.telemetry.v1")}


def test_its_names_are_what_tools_take(document: Json) -> None:
    names = [
        name
        for part in ("messages", "schemas", "securitySchemes")
        for name in document["components"][part]
    ]
    assert [n for n in names if not re.fullmatch(r"[\w.\-]+", n)] == []


def test_the_sample_of_a_message_is_true_to_its_schema(document: Json) -> None:
    messages = document["components"]["messages"]
    samples = {
        name: [each["payload"] for each in message["examples"]]
        for name, message in messages.items()
    }
    assert samples["robot.telemetry.v1"] == [SAMPLE]

    for name, message in messages.items():
        # A reference within the schema leads into the document that it is in.
        schema = {**message["payload"], "components": document["components"]}
        (sample,) = samples[name]
        Draft7Validator(schema).validate(sample)
        assert not Draft7Validator(schema).is_valid({})


async def test_it_is_served_to_whoever_is_signed_in(
    api: ApiClient, document: Json
) -> None:
    client = api.as_("device")

    answer = await client.get("/asyncapi")

    assert answer.status_code == 200
    assert answer.json()["channels"] == document["channels"]
    assert answer.json()["components"] == document["components"]
    beside_openapi = await client.get("http://robosure.test/asyncapi.json")
    assert beside_openapi.json() == answer.json()


@pytest.mark.parametrize("path", ["/asyncapi.json", "/api/v1/asyncapi"])
async def test_it_is_not_served_to_just_anyone(api: ApiClient, path: str) -> None:
    answer = await api.anonymous().get(f"http://robosure.test{path}")

    assert answer.status_code == 401
    assert "channels" not in answer.json()
