"""Dead letters: listed, shown, corrected, replayed and given up."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import orjson
from rich.json import JSON
from rich.table import Table

from robosure.entrypoints.client.api import Caller
from robosure.entrypoints.client.errors import ClientError, RefusedError
from robosure.entrypoints.client.server import Server
from robosure.entrypoints.events.acting import (
    Json,
    acting,
    all_of,
    console,
    print_json,
)

_OPEN: Final = ("waiting", "retrying", "replaying")
_MOST: Final = 1000
_PAUSE_SECONDS: Final = 0.3
_PATIENCE_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant: these, or all open ones that fit."""

    ids: Sequence[str] = ()
    consumer: str | None = None
    type: str | None = None
    digest: str | None = None
    all: bool = False

    def document(self) -> Json:
        """Write it as the API takes it.

        Raises:
            ClientError: it is not clear which are meant.
        """
        fitting = {
            "consumer": self.consumer,
            "type": self.type,
            "traceback_digest": self.digest,
        }
        chosen: Json = {name: value for name, value in fitting.items() if value}
        ways = [bool(self.ids), bool(chosen), self.all]
        if ways.count(True) != 1:
            raise ClientError(
                "say which: either ids, or --consumer, --type and --digest, or --all"
            )
        return {**chosen, **({"ids": list(self.ids)} if self.ids else {})}


def list_failed(
    server: Server | None,
    chosen: Selection,
    *,
    status: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print dead letters, the last to fail first; open ones unless a status is asked.

    Raises:
        ClientError: the server is not there, or refuses.
    """

    async def fetch(caller: Caller) -> list[Json]:
        found: list[Json] = []
        for each in [status] if status else _OPEN:
            found += await all_of(
                caller,
                "/dead-letters",
                limit=limit,
                status=each,
                consumer=chosen.consumer,
                type=chosen.type,
                traceback_digest=chosen.digest,
            )
        return sorted(found, key=lambda letter: str(letter["id"]), reverse=True)[:limit]

    letters = acting(server, fetch)
    if as_json:
        print_json({"items": letters})
    elif not letters:
        console().print(f"No dead letters{f' that are {status}' if status else ''}.")
    else:
        table = Table("id", "failed", "consumer", "type", "status", "error")
        table.columns[0].no_wrap = True
        for letter in letters:
            table.add_row(
                letter["id"],
                _moment(letter["failed_at"]),
                letter["consumer"],
                letter["type"],
                _standing(letter),
                letter["error"],
            )
        console().print(table)


def count_kinds(server: Server | None, *, as_json: bool) -> None:
    """Print open dead letters by what went wrong, the most first."""
    kinds: Json = acting(server, lambda caller: caller.get("/dead-letters/kinds"))
    if as_json:
        print_json(kinds)
    elif not kinds["items"]:
        console().print("No dead letters.")
    else:
        table = Table("letters", "oldest", "consumer", "type", "digest", "last error")
        for kind in kinds["items"]:
            table.add_row(
                str(kind["letters"]),
                _moment(kind["oldest_at"]),
                kind["consumer"],
                kind["type"],
                kind["traceback_digest"],
                kind["error"],
            )
        console().print(table)


def show(server: Server | None, letter_id: str, *, as_json: bool) -> None:
    """Print a dead letter, and all it says."""
    letter: Json = acting(server, lambda caller: _letter(caller, letter_id))
    if as_json:
        print_json(letter)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in letter.items():
        if name not in {"event", "content"} and value is not None:
            table.add_row(name.replace("_", " "), str(value))
    console().print(table)
    if letter["event"] is not None:
        console().print(JSON.from_data(letter["event"]))
    else:
        console().print(letter["content"], markup=False)


def edit(
    server: Server | None, letter_id: str, *, file: str | None, as_json: bool
) -> None:
    """Change what an event says, to what a file or the person's editor says.

    Raises:
        ClientError: it is no JSON object, the letter was changed meanwhile, or the
            API refuses it.
    """

    async def change(caller: Caller) -> bool:
        letter, version = await _letter_and_version(caller, letter_id)
        event = letter["event"]
        if event is None:
            raise ClientError("nobody can read that event, so it cannot be corrected")
        before = event["payload" if "payload" in event else "data"]
        after = _edited(before) if file is None else _read(file)
        if after == before:
            return False
        await _correct(caller, letter_id, after, version=version)
        return True

    changed = acting(server, change)
    if as_json:
        print_json({"id": letter_id, "changed": changed})
    elif changed:
        console().print(f"Changed. Replay it: robosure events replay {letter_id}")
    else:
        console().print("Nothing was changed.")


def replay(
    server: Server | None, chosen: Selection, *, wait: bool, as_json: bool
) -> None:
    """Have dead letters handled again, and with ``wait`` print how each ended.

    Raises:
        ClientError: some failed again, or are not open.
    """

    async def ask(caller: Caller) -> list[Json]:
        ids = await _settle(caller, "replay", chosen, {})
        return await _ended(caller, ids) if wait else [{"id": each} for each in ids]

    letters = acting(server, ask)
    counted = Counter(str(letter.get("status", "replaying")) for letter in letters)
    failed = [letter for letter in letters if wait and letter["status"] != "replayed"]
    if as_json:
        print_json({"letters": len(letters), "items": letters})
    elif not letters:
        console().print("No open dead letters fit.")
    else:
        told = ", ".join(f"{number} {status}" for status, number in counted.items())
        console().print(f"{told}." if wait else f"{len(letters)} to be replayed.")
        for letter in failed:
            console().print(f"  {letter['id']}  {letter['error']}", markup=False)
    if failed:
        raise ClientError(f"{len(failed)} of {len(letters)} were not handled")
    _require_all(chosen, letters)


def discard(
    server: Server | None, chosen: Selection, *, reason: str, as_json: bool
) -> None:
    """Give dead letters up, for a reason.

    Raises:
        ClientError: some are not open.
    """
    ids = acting(
        server,
        lambda caller: _settle(caller, "discard", chosen, {"reason": reason}),
    )
    if as_json:
        print_json({"letters": len(ids), "ids": ids})
    elif not ids:
        console().print("No open dead letters fit.")
    else:
        console().print(f"{len(ids)} discarded.")
    _require_all(chosen, ids)


async def _settle(
    caller: Caller, action: str, chosen: Selection, more: Json
) -> list[str]:
    document = chosen.document()
    if len(chosen.ids) == 1:  # refused with the reason, if it is not open
        path = f"/dead-letters/{chosen.ids[0]}/{action}"
        return list((await caller.post(path, more))["ids"])
    asked = [document]
    if chosen.all:
        kinds = (await caller.get("/dead-letters/kinds"))["items"]
        asked = [{"consumer": name} for name in sorted({k["consumer"] for k in kinds})]
    elif chosen.ids:
        ids = list(chosen.ids)
        asked = [{"ids": ids[at : at + _MOST]} for at in range(0, len(ids), _MOST)]
    settled: list[str] = []
    for each in asked:
        path = f"/dead-letters/{action}"
        settled += (await caller.post(path, {**each, **more}))["ids"]
    return settled


async def _ended(caller: Caller, ids: Sequence[str]) -> list[Json]:
    """Wait until none of them is to be replayed any more."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    letters: list[Json] = []
    for letter_id in ids:
        while (letter := await _letter(caller, letter_id))["status"] == "replaying":
            if time.monotonic() > deadline:
                raise ClientError("they are still to be replayed; does a worker run?")
            await asyncio.sleep(_PAUSE_SECONDS)
        letters.append(letter)
    return letters


async def _letter(caller: Caller, letter_id: str) -> Json:
    letter, _ = await _letter_and_version(caller, letter_id)
    return letter


async def _letter_and_version(caller: Caller, letter_id: str) -> tuple[Json, str]:
    try:
        return await caller.versioned(f"/dead-letters/{letter_id}")
    except RefusedError as refused:
        if refused.problem.get("code") == "dead_letter_not_found":
            raise ClientError(f"there is no dead letter {letter_id}") from refused
        raise


async def _correct(caller: Caller, letter_id: str, data: Any, *, version: str) -> None:
    try:
        path = f"/dead-letters/{letter_id}"
        await caller.patch(path, {"data": data}, version=version)
    except RefusedError as refused:
        if refused.status == HTTPStatus.PRECONDITION_FAILED:
            raise ClientError(
                f"{letter_id} was changed meanwhile, and is not edited; look again"
            ) from refused
        raise


def _require_all(chosen: Selection, found: Sequence[object]) -> None:
    if chosen.ids and (missing := len(set(chosen.ids)) - len(found)):
        raise ClientError(f"{missing} of these are not open, or do not exist")


def _edited(data: Any) -> Any:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise ClientError("no $EDITOR is set; give --data FILE, or --data -")
    with TemporaryDirectory() as directory:
        file = Path(directory) / "event.json"
        file.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
        ended = subprocess.run(  # nosec B603 # the caller's own editor
            [*shlex.split(editor), str(file)], check=False
        )
        if ended.returncode:
            raise ClientError(f"{editor} ended with {ended.returncode}")
        return _parsed(file.read_bytes(), "what was written")


def _read(file: str) -> Any:
    if file == "-":
        return _parsed(sys.stdin.buffer.read(), "standard input")
    return _parsed(Path(file).read_bytes(), file)


def _parsed(content: str | bytes, where: str) -> Any:
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ClientError(f"{where} is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise ClientError(f"{where} is no JSON object")
    return cast("Json", data)


def _standing(letter: Json) -> str:
    if letter["retry_at"] and letter["status"] == "retrying":
        return f"retrying {_moment(letter['retry_at'])}"
    return str(letter["status"])


def _moment(written: str) -> str:
    return written[:19].replace("T", " ")
