"""OpenTelemetry traces, exported by OTLP over HTTP when an endpoint is configured.

Without one there are none: even a span that goes nowhere is made, entered and left in
many small steps, which a request that is answered thousands of times a second notices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, StatusCode

from robosure.platform.correlation import current
from robosure.platform.settings import Settings

_tracer: trace.Tracer | None = None
"""Of this process, if its spans are exported."""
_nowhere: Final = nullcontext(trace.INVALID_SPAN)


def configure_tracing(settings: Settings, *, service: str) -> None:
    """Export this process's spans, if the settings say where to."""
    global _tracer  # noqa: PLW0603 - one per process, as OpenTelemetry's own
    if settings.otlp_endpoint is None:
        return
    # Imported only where they are wanted: they take a third of a second.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - see above
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - see above

    from robosure.platform.collector import connection_to  # noqa: PLC0415 - see above

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    exporter = OTLPSpanExporter(**connection_to(settings, "/v1/traces"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _tracer = provider.get_tracer("robosure")


def is_on() -> bool:
    """Whether this process' spans are exported."""
    return _tracer is not None


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    carrier: Mapping[str, str] | None = None,
) -> AbstractContextManager[trace.Span]:
    """Trace what is done within; the correlation id is among its attributes.

    Args:
        name: low in cardinality: a route, an event type, a job.
        kind: server, consumer, ...
        carrier: headers that may hold the caller's ``traceparent``.
    """
    if _tracer is None:
        return _nowhere
    return _recorded(_tracer, name, kind=kind, carrier=carrier)


@contextmanager
def _recorded(
    tracer: trace.Tracer,
    name: str,
    *,
    kind: SpanKind,
    carrier: Mapping[str, str] | None,
) -> Iterator[trace.Span]:
    correlation = current().correlation_id
    with tracer.start_as_current_span(
        name,
        context=extract(carrier) if carrier else None,
        kind=kind,
        attributes={"correlation_id": correlation} if correlation else None,
        # What an exception says may be of any kind; the log shows it, masked.
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        try:
            yield started
        except Exception as error:
            started.set_attribute("error.type", type(error).__qualname__)
            started.set_status(StatusCode.ERROR)
            raise
