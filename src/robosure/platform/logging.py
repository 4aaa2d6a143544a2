"""structlog: JSON for machines, columns for people, and nothing secret in either.

Events are named ``{domain}.{component}.{action}_{state}``. Services mix in
:class:`LoggerMixin`; functions use :func:`get_logger`; :class:`DomainLogger` spells the
names of an action's start, end and failure.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import date
from textwrap import indent
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
import structlog
from structlog.types import EventDict, Processor

from robosure.platform.correlation import told

if TYPE_CHECKING:
    from robosure.platform.settings import Settings

_SECRET: Final = re.compile(
    r"password|passwd|secret|token|authorization|cookie|private[_-]?key|^key$|"
    r"api[_-]?key",
    re.IGNORECASE,
)
_PERSONAL: Final = re.compile(
    r"^(e_?mail|to|recipient|phone|contact|full_name|username|address|iban|"
    r"payment_method)$",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(
    # Starts where a run of such characters does, so that a long one is read once.
    r"(?<![A-Za-z0-9._%+-])([A-Za-z0-9._%+-])[A-Za-z0-9._%+-]*+@([A-Za-z0-9.-]+)"
)
_CREDENTIAL: Final = re.compile(
    r"(?i:bearer)\s+[A-Za-z0-9._~+/-]{8,}=*"
    r"|eyJ[A-Za-z0-9._~+/-]{8,}=*"
    r"|rbs_[A-Za-z0-9_-]{8,}"
    r"|whsec_[A-Za-z0-9+/]{8,}=*"
    r"|\$argon2[a-z]*\$[^\s'\"]+|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
    re.DOTALL,
)
_URL_PASSWORD: Final = re.compile(r"(://[^:/@\s]*):[^/\s]+@")
_SECRET_PAIR: Final = re.compile(
    r"((?:password|passwd|secret|token|api[_-]?key|authorization)\\?['\"]?\s*[=:]\s*)"
    r"(?:\\?\"[^\"]*\"|\\?'[^']*'|(?:basic\s+)?[^\s'\",&}]+)",
    re.IGNORECASE,
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN: Final = (bool, int, float, date, UUID, type(None))
_OF_STRUCTLOG: Final = frozenset({"_record", "_from_structlog"})
HIDDEN: Final = "***"
_REPETITIVE: Final = ("aiokafka.client", "aiokafka.conn", "aiokafka.cluster")
"""Tell many times a second that a server is away."""
_SELDOM_SECONDS: Final = 10.0
_NOISY: Final = (
    # They tell of every request and every job; we tell of them ourselves.
    "celery.app.trace",
    "celery.beat",
    "celery.worker.strategy",
    "httpcore",
    "httpx",
    "uvicorn.access",
)


def one_line(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Keep what is told from looking like lines of the log; for people's eyes.

    Values are written as Python would, but an event of another's logger is any text,
    and so is what an exception says.
    """
    event["event"] = _CONTROL.sub(_escaped, str(event.get("event", "")))
    if "exception" in event:
        event["exception"] = indent(event["exception"], "  ", lambda _: True)
    return event


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def mask(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Hide secrets and shorten personal data, however deep they lie."""
    return {
        key: value if key in _OF_STRUCTLOG else masked(str(key), value)
        for key, value in event.items()
    }


def masked(key: str, value: Any) -> Any:
    """Return what may be shown of a field, by its name and by what it holds."""
    if _SECRET.search(key):
        return HIDDEN
    if _PERSONAL.match(key) and isinstance(value, str):
        return shortened(value)
    return _mask_value(value)


def shortened(personal: str) -> str:
    """Return the beginning of what says who a person is; and an address's domain."""
    address = _EMAIL.sub(r"\1***@\2", personal)
    return address if address != personal else personal[:1] + HIDDEN


def _mask_value(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(k): masked(str(k), v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # a mapping of anything
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_mask_value(item) for item in value]  # pyright: ignore[reportUnknownVariableType]  # a list of anything
    if isinstance(value, bytes):
        return _mask_text(value.decode(errors="replace"))
    return _mask_text(str(value))


def _mask_text(text: str) -> str:
    text = _URL_PASSWORD.sub(r"\1:***@", _CREDENTIAL.sub(HIDDEN, text))
    return _EMAIL.sub(r"\1***@\2", _SECRET_PAIR.sub(rf"\1{HIDDEN}", text))


_SHARED: Final[tuple[Processor, ...]] = (
    told,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    mask,
)
"""What becomes of a line before it is written, whoever logged it."""


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library's logging through one pipeline."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_as_text() if settings.log_format == "console" else as_json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for repetitive in _REPETITIVE:
        logging.getLogger(repetitive).filters[:] = [_Seldom()]
    for owned in ("uvicorn", "uvicorn.error", "celery"):
        logging.getLogger(owned).handlers.clear()
        logging.getLogger(owned).propagate = True


class _Seldom(logging.Filter):
    """Lets each message of a logger through once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether to let it through."""
        message = str(record.msg)
        if record.created < self._next.get(message, 0.0):
            return False
        self._next[message] = record.created + _SELDOM_SECONDS
        return True


def as_json() -> logging.Formatter:
    """Return what makes one JSON object of a line."""
    return _formatter(structlog.processors.JSONRenderer(serializer=_dump))


def _as_text() -> logging.Formatter:
    return _formatter(
        one_line,
        structlog.dev.ConsoleRenderer(
            # Rich would show the values of every variable, slowly, secrets included.
            exception_formatter=structlog.dev.plain_traceback,
            colors=False,
            pad_event_to=44,
        ),
    )


def _formatter(*rendering: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *rendering,
        ],
    )


def _dump(value: MutableMapping[str, Any], **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def get_logger(name: str | None = None) -> structlog.stdlib.BoundLogger:
    """Return a logger; the request's and event's ids are bound by context."""
    named = () if name is None else (name,)  # without one, after the calling module
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(*named)
    return logger


class LoggerMixin:
    """Gives a class ``self.logger``, named after the class's module."""

    @property
    def logger(self) -> structlog.stdlib.BoundLogger:
        """The class's logger."""
        return get_logger(type(self).__module__)


class DomainLogger:
    """Names the steps of an action alike everywhere.

    ``DomainLogger("policies", "service").completed("bind", number=...)`` logs
    ``policies.service.bind_completed``.
    """

    def __init__(self, domain: str, component: str) -> None:
        self._prefix = f"{domain}.{component}"
        self._logger = get_logger(self._prefix)

    def started(self, action: str, **facts: object) -> None:
        """An action begins."""
        self._logger.info(f"{self._prefix}.{action}_started", **facts)

    def completed(self, action: str, **facts: object) -> None:
        """It did what it should."""
        self._logger.info(f"{self._prefix}.{action}_completed", **facts)

    def refused(self, action: str, **facts: object) -> None:
        """A rule said no."""
        self._logger.warning(f"{self._prefix}.{action}_refused", **facts)

    def failed(self, action: str, **facts: object) -> None:
        """Something broke; call it where the exception is handled."""
        self._logger.error(f"{self._prefix}.{action}_failed", exc_info=True, **facts)  # noqa: LOG014 - the caller handles
