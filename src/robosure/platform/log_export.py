"""Lines of the log, to the collector of traces as well (OTLP over HTTP).

They leave by a thread of their own. While the collector is away some of them wait, the
oldest make room for newer ones, and nobody who logs waits: standard error has them all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from robosure.platform.logging import as_json, get_logger
from robosure.platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import (
        LogRecordExporter,
        LogRecordExportResult,
    )

_WAITING: Final = 10_000
"""Lines that wait at most."""
_AT_ONCE: Final = 500
_EVERY_MS: Final = 1_000
_PATIENCE_SECONDS: Final = 5.0
"""How long a batch may take, its repetitions included."""
_LAST_SECONDS: Final = 3.0
"""For how long batches are still begun when a process ends."""
_OF_EXPORT: Final = ("opentelemetry", "requests", "urllib3")
"""Loggers that tell how lines were sent: those would beget others."""


@contextmanager
def exporting_logs(settings: Settings, *, service: str) -> Iterator[None]:
    """Send what this process logs within, if the settings say so."""
    begin_export(settings, service=service)
    try:
        yield
    finally:
        end_export()


def begin_export(settings: Settings, *, service: str) -> None:
    """Send what this process logs from now on, if the settings say so.

    After `configure_logging`, which decides what is logged at all.
    """
    if settings.otlp_logs:
        logging.getLogger().addHandler(LogExport(settings, service=service))
        get_logger().info("platform.log_export.start_completed")


def end_export() -> None:
    """Send what waits, for some seconds at most, and nothing after that."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, LogExport)]:
        root.removeHandler(handler)
        handler.close()


class LogExport(logging.Handler):
    """Hands each line over as fields, masked as those on standard error are."""

    def __init__(self, settings: Settings, *, service: str) -> None:
        super().__init__()
        # Imported only where they are wanted: they take a third of a second.
        from opentelemetry.exporter.otlp.proto.http._log_exporter import (  # noqa: PLC0415 - see above
            OTLPLogExporter,
        )
        from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415 - see above
        from opentelemetry.sdk._logs.export import (  # noqa: PLC0415 - see above
            BatchLogRecordProcessor,
        )
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415 - see above

        from robosure.platform.collector import connection_to  # noqa: PLC0415 - see above

        self._exporter = _Ending(
            OTLPLogExporter(
                **connection_to(settings, "/v1/logs"), timeout=_PATIENCE_SECONDS
            )
        )
        self._provider = LoggerProvider(
            resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False
        )
        self._provider.add_log_record_processor(
            BatchLogRecordProcessor(
                cast("LogRecordExporter", self._exporter),
                schedule_delay_millis=_EVERY_MS,
                max_export_batch_size=_AT_ONCE,
                max_queue_size=_WAITING,
            )
        )
        self._lines = self._provider.get_logger("robosure")
        self.setFormatter(as_json())

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line."""
        if record.name.startswith(_OF_EXPORT):
            return
        from opentelemetry._logs import LogRecord, SeverityNumber  # noqa: PLC0415 - see above

        try:
            fields: dict[str, Any] = orjson.loads(self.format(record))
            self._lines.emit(
                LogRecord(
                    timestamp=round(record.created * 1e9),
                    severity_text=record.levelname,
                    severity_number=SeverityNumber[_severity(record.levelno)],
                    body=fields.pop("event", ""),
                    attributes=_attributes(fields),
                )
            )
        except Exception:  # noqa: BLE001 - as every handler: logging breaks nothing
            self.handleError(record)

    def close(self) -> None:
        """Send what waits, for some seconds at most."""
        self._exporter.ends_at = time.monotonic() + _LAST_SECONDS
        self._provider.shutdown()
        super().close()


class _Ending:
    """An exporter that begins nothing more once its time is over."""

    def __init__(self, exporter: LogRecordExporter) -> None:
        self._exporter = exporter
        self.ends_at: float | None = None

    def export(
        self, batch: Sequence[ReadableLogRecord]
    ) -> LogRecordExportResult | None:
        """Send a batch."""
        if self.ends_at is not None and time.monotonic() > self.ends_at:
            return None
        return self._exporter.export(batch)

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # has no types


def _severity(level: int) -> str:
    """Return OpenTelemetry's name for a level of the standard library's."""
    if level >= logging.CRITICAL:
        return "FATAL"
    if level >= logging.ERROR:
        return "ERROR"
    if level >= logging.WARNING:
        return "WARN"
    return "INFO" if level >= logging.INFO else "DEBUG"


def _attributes(fields: Mapping[str, Any]) -> dict[str, str | bool | int | float]:
    """Return fields as OTLP has them; what is nested as JSON, as in the line."""
    return {
        key: value
        if isinstance(value, (str, bool, int, float))
        else orjson.dumps(value).decode()
        for key, value in fields.items()
        if value is not None
    }
