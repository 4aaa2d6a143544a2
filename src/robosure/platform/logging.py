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
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from structlog.types import EventDict, Processor

if TYPE_CHECKING:
    from robosure.platform.settings import Settings

_SECRET: Final = re.compile(
    r"password|passwd|secret|token|authorization|cookie|private_key|^key$|api_?key",
    re.IGNORECASE,
)
_PERSONAL: Final = re.compile(
    r"^(e_?mail|to|recipient|phone|contact|full_name|username|address|iban|"
    r"payment_method)$",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(r"([A-Za-z0-9._%+-])[A-Za-z0-9._%+-]*@([A-Za-z0-9.-]+)")
_BEARER: Final = re.compile(
    r"(Bearer\s+|eyJ)[A-Za-z0-9._~+/-]{8,}=*|rbs_[A-Za-z0-9_-]{8,}"
)
_URL_PASSWORD: Final = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")
_SECRET_PAIR: Final = re.compile(
    r"((?:password|secret|token|api_?key)['\"]?\s*[=:]\s*['\"]?)[^\s'\",&}]+",
    re.IGNORECASE,
)
HIDDEN: Final = "***"


def mask(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Hide secrets and shorten personal data, however deep they lie."""
    return {key: _mask_field(str(key), value) for key, value in event.items()}


def _mask_field(key: str, value: Any) -> Any:
    if _SECRET.search(key):
        return HIDDEN
    if _PERSONAL.match(key) and isinstance(value, str):
        shortened = _EMAIL.sub(r"\1***@\2", value)
        return shortened if shortened != value else value[:1] + HIDDEN
    return _mask_value(value)


def _mask_value(value: Any) -> Any:
    if isinstance(value, str):
        text = _URL_PASSWORD.sub(r"\1:***@", _BEARER.sub(HIDDEN, value))
        return _EMAIL.sub(r"\1***@\2", _SECRET_PAIR.sub(rf"\1{HIDDEN}", text))
    if isinstance(value, Mapping):
        return {k: _mask_field(str(k), v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [_mask_value(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library's logging through one pipeline."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "celery.app.trace"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for owned in ("uvicorn", "uvicorn.error", "celery"):
        logging.getLogger(owned).handlers.clear()
        logging.getLogger(owned).propagate = True


def _renderer(settings: Settings) -> Processor:
    if settings.log_format == "console":
        return structlog.dev.ConsoleRenderer(colors=False, pad_event_to=44)
    return structlog.processors.JSONRenderer(serializer=_dump)


def _dump(value: MutableMapping[str, Any], **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def get_logger(name: str | None = None) -> structlog.stdlib.BoundLogger:
    """Return a logger; the request's and event's ids are bound by context."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
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
