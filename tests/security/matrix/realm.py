"""What there is to ask about, and a way to ask: for every row of the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx

from robosure.kernel.ids import uuid7
from robosure.platform.runtime import Runtime
from tests.journey import World
from tests.security.matrix.estate import Estate, filled, two_estates
from tests.security.matrix.rows import Row
from tests.support import ApiClient, Delivery

_ROOT: Final = "http://robosure.test"


@dataclass(frozen=True)
class Realm:
    """What is there, the documented examples, and a way to ask."""

    world: World
    runtime: Runtime
    own: Estate
    others: Estate
    examples: dict[str, Any]

    def ids(self, row: Row, kind: str, *, own: bool) -> dict[str, str]:
        """Return what a row is about, for someone in an organisation of the kind."""
        if own:
            return self.own.named(kind)
        # There is one insurer: what is another's to it is an operator's.
        is_of_customer = kind == "insurer" and row.only_own
        return self.others.named("operator" if is_of_customer else kind)

    @classmethod
    async def build(cls, api: ApiClient, deliver: Delivery, runtime: Runtime) -> Realm:
        """Build what is one's own, and the same of others."""
        world = await World.build(api, deliver, runtime)
        own, others = await two_estates(world, runtime)
        return cls(world, runtime, own, others, _examples(api))

    async def ask(
        self, client: httpx.AsyncClient, row: Row, kind: str, *, own: bool = True
    ) -> httpx.Response:
        """Send the row's request, about one's own or another's."""
        ids = {**self.ids(row, kind, own=own), "root": _ROOT, "once": uuid7().hex}
        sent = filled(row.sends, ids)
        body = self.body(row)
        if body is not None and not {"data", "files", "content"} & sent.keys():
            sent["json"] = filled(body, ids)
        async with client:
            return await client.request(row.method, filled(row.address, ids), **sent)

    def body(self, row: Row) -> Any:
        """Return what the row sends as JSON, if it does."""
        if row.body is not None:
            return row.body
        example = self.examples.get(row.route)
        return None if example is None else {**example, **row.changes}


def _examples(api: ApiClient) -> dict[str, Any]:
    """Return the first example of each JSON body, as the document shows it."""
    document = api.app.openapi()
    schemas = document["components"]["schemas"]
    found: dict[str, Any] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            name = schema.get("$ref", "").rpartition("/")[2]
            if name:
                found[f"{method.upper()} {path}"] = schemas[name]["examples"][0]
    return found
