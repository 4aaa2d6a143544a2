"""The registry: which contexts there are, and what a wrong name is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import robosure.contexts
from robosure.entrypoints.jobs import all_jobs
from robosure.entrypoints.registry import NAMES, load, load_metadata
from robosure.platform import housekeeping


def test_every_folder_is_a_context_and_is_loaded_in_order() -> None:
    folders = {
        found.parent.name
        for found in Path(robosure.contexts.__path__[0]).glob("*/__init__.py")
    }
    assert set(NAMES) == folders
    assert tuple(context.name for context in load()) == NAMES


def test_only_the_named_contexts_are_loaded_and_in_their_order() -> None:
    chosen = load(["payments", "identity"])
    assert [context.name for context in chosen] == ["identity", "payments"]


def test_an_unknown_context_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="no such context") as refused:
        load(["claims", "warehouses", "apples"])
    assert str(refused.value) == (
        f"no such context: apples, warehouses (there are {', '.join(NAMES)})"
    )


def test_every_context_has_tables_in_a_schema_of_its_own() -> None:
    schemas = {table.schema for table in load_metadata().tables.values()}
    assert schemas == {*NAMES, "platform"}


def test_jobs_are_those_of_the_contexts_and_of_the_platform() -> None:
    jobs = all_jobs()
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    assert {job.name.partition(".")[0] for job in jobs} <= {*NAMES, "platform"}
    assert set(housekeeping.jobs) <= set(jobs)
