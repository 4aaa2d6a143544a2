"""Integration profiles and raw telemetry over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AwareDatetime,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    StringConstraints,
    Tag,
    TypeAdapter,
)

from robosure.contexts.robots.domain.profile import (
    Format,
    ProfileDocument,
    TimeFormat,
    Unit,
)
from robosure.contexts.robots.schemas.fleet import Text
from robosure.platform.http import InputModel, OutputModel


def shipped_profiles() -> Iterator[str]:
    """Return the profiles that ship with the platform, each as one would post it."""
    folder = files("robosure.contexts.robots") / "profiles"
    for document in sorted(folder.iterdir(), key=lambda found: found.name):
        yield document.read_text("utf-8")


Name = Annotated[
    str,
    StringConstraints(max_length=64, pattern="^[a-z0-9]+(-[a-z0-9]+)*$"),
    Field(description="In kebab-case."),
]
Cell = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$", strict=True)
]
Column = Annotated[
    Cell | Annotated[StrictInt, Field(le=100_000)],
    Field(
        description="A CSV column's exact name, or its position from 0; in JSON a "
        "dotted path."
    ),
]


class CsvIn(InputModel):
    """The dialect of a CSV body."""

    delimiter: Cell = ","
    quote: Annotated[Cell | None, Field(description="None: nothing is quoted.")] = '"'
    encoding: Cell = "utf-8"
    header: Annotated[
        StrictBool, Field(description="Whether the first line names the columns.")
    ] = True


class JsonIn(InputModel):
    """The habits of a JSON body."""

    absent_is_missing: Annotated[
        StrictBool,
        Field(description="Whether a path that leads nowhere is a missing reading."),
    ] = False


class NumbersIn(InputModel):
    """How numbers are spelt, where they come as text."""

    decimal_mark: Cell = "."
    thousands_mark: Cell | None = None


class TimestampIn(InputModel):
    """The moment of a sample, read from a column."""

    column: Column
    format: TimeFormat = TimeFormat.ISO8601
    pattern: Annotated[Cell | None, Field(description="For `strptime`.")] = None
    time_zone: Annotated[
        Cell | None,
        Field(description="IANA zone that is meant where the text names none."),
    ] = None


class TimeStepsIn(InputModel):
    """The moment of a sample, counted from a start at a fixed rate."""

    step_milliseconds: float
    base: Annotated[
        AwareDatetime | None,
        Field(description="The moment of row 0; without it each upload says `start`."),
    ] = None


class QuantityIn(InputModel):
    """A number in a unit."""

    column: Column
    unit: Unit


class JointQuantitiesIn(InputModel):
    """The same quantity for every joint, base first."""

    columns: tuple[Column, ...]
    unit: Unit


class CounterIn(InputModel):
    """A whole number."""

    column: Column


class FlagIn(InputModel):
    """A yes or no, with the words for either."""

    column: Column
    true: tuple[Cell, ...] = ("true",)
    false: tuple[Cell, ...] = ("false",)


class ReadingsIn(InputModel):
    """Which canonical readings the vendor gives."""

    joint_currents: JointQuantitiesIn | None = None
    joint_temperatures: JointQuantitiesIn | None = None
    joint_speeds: JointQuantitiesIn | None = None
    tool_current: QuantityIn | None = None
    cycle: CounterIn | None = None
    protective_stop: FlagIn | None = None
    grip_lost: FlagIn | None = None
    battery: QuantityIn | None = None
    speed: QuantityIn | None = None


def _kind_of_time(value: object) -> str:
    if isinstance(value, TimeStepsIn):
        return "steps"
    steps = isinstance(value, dict) and "step_milliseconds" in value
    return "steps" if steps else "column"


class DocumentIn(InputModel):
    """How a vendor writes telemetry."""

    format: Format
    csv: CsvIn = CsvIn()
    json_: Annotated[JsonIn, Field(alias="json")] = JsonIn()
    numbers: NumbersIn = NumbersIn()
    missing: Annotated[
        tuple[Cell, ...],
        Field(description="Spellings of a reading that was not taken."),
    ] = ("",)
    timestamp: Annotated[
        Annotated[TimestampIn, Tag("column")] | Annotated[TimeStepsIn, Tag("steps")],
        Discriminator(_kind_of_time),
    ]
    readings: ReadingsIn

    def to_domain(self) -> ProfileDocument:
        """Return the domain's value.

        Raises:
            Invalid: ``invalid_profile``, with an error for every field at fault.
        """
        return _DOCUMENT.validate_python(self.model_dump(by_alias=True))


_DOCUMENT: Final = TypeAdapter(ProfileDocument)
_SHIPPED: Final[dict[str, Any]] = json.loads(next(shipped_profiles()))
_ID: Final = "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f"
_EVENT_ID: Final = "06fda198edf0ee064dc2a8523c6567fb2642cea70c4b54ffc733256481bf7fd9"
_REFUSED: Final[dict[str, Any]] = {
    "row": 17,
    "code": "not_a_number",
    "detail": "not a number: 'x' in column 'Current_J0'",
}


class ProfileIn(InputModel):
    """A profile to save."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SHIPPED]})

    name: Name
    title: Text
    document: DocumentIn


class ProfileSummary(OutputModel):
    """A profile, without its document."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": _ID, "name": _SHIPPED["name"], "title": _SHIPPED["title"]}
            ]
        }
    )

    id: UUID
    name: str
    title: str


class ProfileOut(OutputModel):
    """A profile as it is kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": _ID, **_SHIPPED, "version": 1}]}
    )

    id: UUID
    name: str
    title: str
    document: ProfileDocument
    version: int


class PreviewIn(InputModel):
    """A profile to try on a sample; nothing is saved."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document": {
                        "format": "csv",
                        "csv": {"delimiter": ";"},
                        "numbers": {"decimal_mark": ","},
                        "timestamp": {"column": "Time", "time_zone": "Europe/Oslo"},
                        "readings": {
                            "tool_current": {"column": "I_tool", "unit": "milliampere"}
                        },
                    },
                    "sample": "Time;I_tool\n2022-10-26T10:17:21;82,5\n",
                }
            ]
        }
    )

    document: DocumentIn
    sample: Annotated[
        str,
        Field(
            max_length=1_000_000,
            description="CSV; a JSON array; or JSON with one object per line.",
        ),
    ]
    start: Annotated[
        AwareDatetime | None,
        Field(description="The moment of row 0, for a profile that counts steps."),
    ] = None


class SampleOut(OutputModel):
    """A row that was read."""

    row: int = Field(description="Its number; the first is 0, a header has none.")
    event_id: str = Field(description="SHA-256 of its moment and raw values.")
    time: datetime
    data: dict[str, JsonValue] = Field(description="Canonical telemetry.")


class RowProblemOut(OutputModel):
    """A row that was not read, and why."""

    row: int
    code: str = Field(description="Stable; made for programs.")
    detail: str


class PreviewOut(OutputModel):
    """What a profile makes of a sample: the first rows, and every row at fault."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "mapped": 1,
                    "samples": [
                        {
                            "row": 0,
                            "event_id": _EVENT_ID,
                            "time": "2022-10-26T08:17:21Z",
                            "data": {"tool_current": 0.0825},
                        }
                    ],
                    "problems": [],
                }
            ]
        }
    )

    mapped: int = Field(description="Rows that were read.")
    samples: list[SampleOut] = Field(description="The first ten of them.")
    problems: list[RowProblemOut]


class TelemetryReceipt(OutputModel):
    """What became of an upload's rows. Accepted ones are safe, and are processed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "batch_id": _ID,
                    "accepted": 999,
                    "refused": [_REFUSED],
                    "first_at": "2022-10-26T08:17:21.847Z",
                    "last_at": "2022-10-26T08:34:18.101Z",
                }
            ]
        }
    )

    batch_id: UUID = Field(description="The same for a repeat with an Idempotency-Key.")
    accepted: int = Field(description="Rows on their way.")
    refused: list[RowProblemOut]
    first_at: datetime | None = Field(description="Earliest accepted sample.")
    last_at: datetime | None = Field(description="Latest accepted sample.")
