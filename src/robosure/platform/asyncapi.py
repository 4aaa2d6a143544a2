"""The AsyncAPI document: which messages there are, who sends them and who hears them.

Version 3.0: https://www.asyncapi.com/docs/reference/specification/v3.0.0. It is written
from Robosure's point of view: events from outside come in over HTTP as CloudEvents, and
each context tells facts on a stream of its own, to the contexts that listen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeGuard
from urllib.parse import urlsplit

from robosure.platform.messages import Message
from robosure.platform.settings import Settings
from robosure.platform.streams.appending import key_of
from robosure.platform.streams.bus import events_of
from robosure.platform.streams.kafka_bus import brokers_of, topic_of

Json = dict[str, Any]
Address = Callable[[str], str]
"""What the bus calls a stream."""

INGEST_PATH: Final = "/api/v1/events"
_INGEST: Final = "robosure.ingest"
_OF_A_DOCUMENT: Final = ("$schema", "$id", "$defs")
_CLOUD_EVENT: Final = "application/cloudevents+json"
_TAKEN: Final[Json] = {
    "type": "object",
    "required": ["Content-Type"],
    "properties": {
        "Content-Type": {
            "description": "One event, a JSON array of up to 1,000, or one per line.",
            "enum": [
                _CLOUD_EVENT,
                "application/cloudevents-batch+json",
                "application/x-ndjson",
            ],
        },
        "Idempotency-Key": {
            "description": "Makes sending the same events again safe.",
            "type": "string",
            "maxLength": 255,
        },
        "X-Request-ID": {
            "description": "Travels along as the correlation id.",
            "type": "string",
        },
    },
}


def asyncapi(
    messages: Sequence[Message], *, title: str, version: str, settings: Settings
) -> Json:
    """Write the document.

    Args:
        messages: all that travel.
        title: of the application.
        version: of the application.
        settings: say where the servers are; their secrets are left out.
    """
    shared = _Schemas()
    channels: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        channels[_channel_of(message)].append(message)
    streams, address = _streams(settings)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{title} events",
            "version": version,
            "description": "Events that are taken in from outside, and facts that the "
            "services tell each other. Delivery is at least once, effects are exactly "
            "once: events by `source` and `id`, facts by `event_id`.",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/json",
        "servers": {"api": _api(settings), **streams},
        "channels": {
            name: _channel(name, told, list(streams), address)
            for name, told in sorted(channels.items())
        },
        "operations": dict(_operations(channels)),
        "components": {
            "messages": {m.name: _message(m, shared) for m in messages},
            "schemas": shared.named,
            "securitySchemes": _SECURITY,
        },
    }


_SECURITY: Final[Json] = {
    "api_key": {
        "type": "httpApiKey",
        "name": "X-API-Key",
        "in": "header",
        "description": "Of a machine.",
    },
    "access_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Of a person who is signed in.",
    },
}


def _api(settings: Settings) -> Json:
    api = urlsplit(settings.issuer)
    return {
        "host": _host(api.hostname, api.port),
        "protocol": api.scheme,
        "description": "The HTTP API.",
        "security": [
            {"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY
        ],
    }


def _streams(settings: Settings) -> tuple[Json, Address]:
    """Return the servers of the bus that is chosen, and where streams are on them."""
    bus = settings.event_bus.get_secret_value()
    if bus != "redis":
        return _kafka(bus), topic_of
    return _redis(settings.redis_url.get_secret_value()), lambda name: key_of(name, 0)


def _redis(url: str) -> Json:
    parts = urlsplit(url)
    streams = {
        # A socket has no host; it is on this machine.
        "host": _host(parts.hostname or "localhost", parts.port),
        "protocol": "rediss" if parts.scheme == "rediss" else "redis",
        "description": "Redis Streams, within the installation.",
    }
    return {"streams": streams}


def _kafka(url: str) -> Json:
    """Name each broker, for a server has one host."""
    first, *others = [
        {
            "host": broker,
            "protocol": "kafka-secure" if url.startswith("kafkas:") else "kafka",
            "description": "Kafka, within the installation.",
        }
        for broker in brokers_of(url)
    ]
    return {"streams": first, **{f"streams-{n}": o for n, o in enumerate(others, 2)}}


def _host(name: str | None, port: int | None) -> str:
    host = f"[{name}]" if name and ":" in name else name or "localhost"
    return host if port is None else f"{host}:{port}"


def _channel_of(message: Message) -> str:
    taken_in = message.kind == "ingested"
    return _INGEST if taken_in else f"robosure.{message.owner}"


def _channel(
    name: str, messages: Iterable[Message], streams: Iterable[str], address: Address
) -> Json:
    carried = {m.name: {"$ref": f"#/components/messages/{m.name}"} for m in messages}
    if name == _INGEST:
        return {
            "address": INGEST_PATH,
            "title": "Events from outside",
            "description": "Each event is answered for; what was accepted is safe.",
            "servers": [{"$ref": "#/servers/api"}],
            "messages": carried,
        }
    context = name.rpartition(".")[2]
    return {
        "address": address(events_of(context)),
        "title": f"Facts of {context}",
        "description": f"What {context} tells the other contexts, in order.",
        "servers": [{"$ref": f"#/servers/{server}"} for server in streams],
        "messages": carried,
    }


def _operations(
    channels: Mapping[str, Sequence[Message]],
) -> Iterable[tuple[str, Json]]:
    """Say who sends, and who receives what, in each channel."""
    for channel, messages in sorted(channels.items()):
        heard: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            for consumer in message.consumers:
                heard[consumer].append(message)
        if channel != _INGEST:
            teller = channel.rpartition(".")[2]
            summary = f"{teller} tells its facts."
            yield f"{teller}.tells", _operation("send", channel, messages, summary)
        for consumer, known in sorted(heard.items()):
            source = channel.rpartition(".")[2]
            operation = _operation(
                "receive", channel, known, f"{consumer} reacts to {source}."
            )
            if channel == _INGEST:
                operation["bindings"] = {
                    "http": {"method": "POST", "bindingVersion": "0.3.0"}
                }
            yield f"{consumer}.hears.{source}", operation


def _operation(
    action: str, channel: str, messages: Iterable[Message], summary: str
) -> Json:
    reference = f"#/channels/{channel}"
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": reference},
        "messages": [{"$ref": f"{reference}/messages/{m.name}"} for m in messages],
    }


def _message(message: Message, shared: _Schemas) -> Json:
    taken_in = message.kind == "ingested"
    described: Json = {
        "name": message.name,
        "title": f"{message.series}, version {message.version}",
        "summary": message.description,
        "contentType": _CLOUD_EVENT if taken_in else "application/json",
        "tags": [{"name": message.kind}, {"name": message.owner}],
        "payload": shared.add(message),
        "examples": [{"name": "sample", "payload": dict(message.sample)}],
    }
    if taken_in:
        described["headers"] = _TAKEN
    if message.sunset is not None:
        described["description"] = (
            f"Deprecated: send {message.successor}. From {message.sunset:%Y-%m-%d} on "
            "it may be refused."
        )
    return described


class _Schemas:
    """The schemas of a document, under names that are told apart."""

    def __init__(self) -> None:
        self.named: Json = {}

    def add(self, message: Message) -> Json:
        """Put a message's schemas among the document's; return a reference to it."""
        schema = {k: v for k, v in message.whole.items() if k not in _OF_A_DOCUMENT}
        definitions: Json = message.whole.get("$defs", {})
        names = {name: self._name(message, name) for name in definitions}
        for name, definition in definitions.items():
            self.named[names[name]] = _moved(definition, names)
        self.named[message.name] = _moved(schema, names)
        return {"$ref": f"#/components/schemas/{message.name}"}

    def _name(self, message: Message, name: str) -> str:
        """What two contexts call by one name is one thing only if it looks the same."""
        definition = _moved(message.whole["$defs"][name], {})
        same = self.named.get(name, definition) == definition
        return name if same else f"{message.owner}.{name}"


def _moved(schema: object, names: Mapping[str, str]) -> Any:
    """Let references lead to where the definitions are in the document."""
    if _is_list(schema):
        return [_moved(each, names) for each in schema]
    if not _is_object(schema):
        return schema
    moved = {key: _moved(value, names) for key, value in schema.items()}
    if "$ref" in moved:
        name = moved["$ref"].removeprefix("#/$defs/")
        moved["$ref"] = f"#/components/schemas/{names.get(name, name)}"
    return moved


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)
