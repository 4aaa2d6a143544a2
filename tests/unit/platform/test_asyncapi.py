from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from robosure.platform.asyncapi import asyncapi
from robosure.platform.messages import Message
from robosure.platform.settings import Settings

Json = dict[str, Any]


def a_message(name: str = "trips.Ended", **changes: Any) -> Message:
    told: Json = {
        "kind": "fact",
        "name": name,
        "series": name,
        "version": 1,
        "owner": name.partition(".")[0],
        "description": "A trip is over.",
        "schema": {"type": "object"},
        "whole": {"type": "object"},
        "sample": {"payload": {}},
        "retention_days": 30,
    }
    return Message(**{**told, **changes})


def with_definition(name: str, definition: Json) -> Json:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/schema.json",
        "type": "object",
        "properties": {"it": {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}},
        "$defs": {name: definition},
    }


def a_document(*messages: Message, **settings: Any) -> Json:
    chosen = Settings(_env_file=None, **settings)
    return asyncapi(messages, title="Trips", version="1.2.3", settings=chosen)


def test_a_context_sends_its_facts_and_those_who_listen_receive_them() -> None:
    # given two facts of one context, to one of which two others listen
    document = a_document(
        a_message("trips.Ended", consumers=["claims", "risk"]),
        a_message("trips.Begun", consumers=["risk"]),
    )
    # then there is a channel with both
    channel = document["channels"]["robosure.trips"]
    assert channel["address"] == "robosure:events.trips:0"
    assert list(channel["messages"]) == ["trips.Ended", "trips.Begun"]
    # and each receives what it listens to
    heard = {
        name: (o["action"], [m["$ref"].rpartition("/")[2] for m in o["messages"]])
        for name, o in document["operations"].items()
    }
    assert heard == {
        "trips.tells": ("send", ["trips.Ended", "trips.Begun"]),
        "claims.hears.trips": ("receive", ["trips.Ended"]),
        "risk.hears.trips": ("receive", ["trips.Ended", "trips.Begun"]),
    }


def test_events_from_outside_come_in_over_http() -> None:
    sample = {"specversion": "1.0", "id": "1"}
    document = a_document(
        a_message("trip.v1", kind="ingested", consumers=["risk"], sample=sample)
    )

    assert document["channels"]["robosure.ingest"]["address"] == "/api/v1/events"
    assert document["channels"]["robosure.ingest"]["servers"] == [
        {"$ref": "#/servers/api"}
    ]
    operation = document["operations"]["risk.hears.ingest"]
    assert operation["action"] == "receive"
    assert operation["bindings"]["http"]["method"] == "POST"
    message = document["components"]["messages"]["trip.v1"]
    assert message["contentType"] == "application/cloudevents+json"
    assert message["examples"] == [{"name": "sample", "payload": sample}]
    assert list(document["operations"]) == ["risk.hears.ingest"]


def test_a_message_on_its_way_out_says_so() -> None:
    message = a_message(
        "trip.v1", kind="ingested", sunset=date(2027, 1, 1), successor="trip.v2"
    )

    described = a_document(message)["components"]["messages"]["trip.v1"]

    assert described["description"] == (
        "Deprecated: send trip.v2. From 2027-01-01 on it may be refused."
    )


def test_what_messages_share_is_defined_once() -> None:
    money = {"type": "integer", "title": "Money"}
    document = a_document(
        a_message("trips.Ended", whole=with_definition("Money", money)),
        a_message("claims.Paid", whole=with_definition("Money", money)),
    )

    schemas = document["components"]["schemas"]
    assert list(schemas) == ["Money", "trips.Ended", "claims.Paid"]
    assert schemas["claims.Paid"] == {
        "type": "object",
        "properties": {
            "it": {"type": "array", "items": {"$ref": "#/components/schemas/Money"}}
        },
    }


def test_what_two_contexts_call_by_one_name_is_told_apart() -> None:
    document = a_document(
        a_message("trips.Ended", whole=with_definition("Leg", {"type": "integer"})),
        a_message("claims.Paid", whole=with_definition("Leg", {"type": "string"})),
    )

    schemas = document["components"]["schemas"]
    assert schemas["Leg"] == {"type": "integer"}
    assert schemas["claims.Leg"] == {"type": "string"}
    assert schemas["trips.Ended"]["properties"]["it"]["items"] == {
        "$ref": "#/components/schemas/Leg"
    }
    assert schemas["claims.Paid"]["properties"]["it"]["items"] == {
        "$ref": "#/components/schemas/claims.Leg"
    }


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("kafka://user:canary@one,two:8", "kafka"),
        ("kafkas://user:canary@one,two:8?mechanism=PLAIN", "kafka-secure"),
    ],
)
def test_facts_are_in_a_topic_of_each_broker_where_kafka_is_chosen(
    url: str, protocol: str
) -> None:
    document = a_document(a_message("trips.Ended"), event_bus=url)

    servers = document["servers"]
    brokers = [servers["streams"], servers["streams-2"]]
    assert [broker["host"] for broker in brokers] == ["one:9092", "two:8"]
    assert {broker["protocol"] for broker in brokers} == {protocol}
    assert list(servers) == ["api", "streams", "streams-2"]
    channel = document["channels"]["robosure.trips"]
    assert channel["address"] == "robosure.events.trips"
    assert channel["servers"] == [
        {"$ref": "#/servers/streams"},
        {"$ref": "#/servers/streams-2"},
    ]
    assert "canary" not in str(document)
    assert "redis" not in str(document).lower()


@pytest.mark.parametrize(
    ("url", "host", "protocol"),
    [
        ("redis://user:canary@streams:6380/2", "streams:6380", "redis"),
        ("rediss://:canary@[::1]:6379/0", "[::1]:6379", "rediss"),
        ("unix:///run/redis.sock?password=canary", "localhost", "redis"),
    ],
)
def test_servers_are_named_without_their_secrets(
    url: str, host: str, protocol: str
) -> None:
    document = a_document(
        redis_url=url, issuer="https://someone:canary@api.example.com/base"
    )

    streams = document["servers"]["streams"]
    assert (streams["host"], streams["protocol"]) == (host, protocol)
    api = document["servers"]["api"]
    assert (api["host"], api["protocol"]) == ("api.example.com", "https")
    assert "canary" not in str(document)
