"""Keeps named processes running, and leaves none behind.

Children are started in stages: those of one stage together, the next stage once all
of them are ready, and stopped in reverse. A child that dies is started again, later
each time. Nobody has to look after the supervisor: if it is killed, its watchdog
ends the children.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

from prometheus_client.multiprocess import mark_process_dead  # pyright: ignore[reportUnknownVariableType]  # its library has no types

from robosure.entrypoints.stack.child import Child, ChildSpec
from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.processes import describe_status
from robosure.entrypoints.stack.watchdog import Watchdog

if TYPE_CHECKING:
    from types import TracebackType

    from robosure.entrypoints.stack.output import Output
    from robosure.entrypoints.stack.processes import Register

_PROBE_SECONDS = 0.05

_Result = TypeVar("_Result")


@dataclass(kw_only=True)
class Backoff:
    """How long to wait before a child that died is started again, in seconds.

    Doubles from `first` to `longest`, and starts over after a life of `reset_after`,
    in which a child has started and worked: who dies of its own doing does so sooner.
    """

    first: float = 0.5
    longest: float = 10.0
    reset_after: float = 10.0
    _deaths: int = field(default=0, init=False)

    def after(self, lived: float) -> float:
        """The pause after a life of so many seconds."""
        self._deaths = 0 if lived >= self.reset_after else self._deaths
        pause = min(self.first * 2.0**self._deaths, self.longest)
        self._deaths = min(self._deaths + 1, 30)
        return pause


class Supervisor:
    """A tree of processes, from its first child to the end of the last.

    Used as an async context manager: leaving it stops everything.
    """

    def __init__(
        self, *, register: Register, output: Output, failed_starts: int = 5
    ) -> None:
        """Say where children are written down and where their lines go.

        Args:
            register: the state directory's list of processes.
            output: shows and keeps what the children write.
            failed_starts: deaths in a row before readiness that end it all.
        """
        self._register = register
        self._output = output
        self._failed_starts = failed_starts
        self._stages: list[list[_Keeper]] = []
        self._hurry = asyncio.Event()
        self._watchdog = Watchdog()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        """Take charge of the state directory."""
        self._register.claim()
        self._watchdog.start()
        self._register.on_change = self._watchdog.tell
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all children, then the watchdog."""
        try:
            await self.stop()
        finally:
            self._register.on_change = None
            await asyncio.to_thread(self._watchdog.stop)
            self._register.release()
            if not self._failure.cancel() and not self._failure.cancelled():
                # Looked at, so that asyncio does not report it as overlooked.
                self._failure.exception()

    async def start(self, *specs: ChildSpec) -> None:
        """Start children together and return when all are ready.

        Raises:
            StackError: one of them, or an earlier child, does not start.
        """
        stage = [self._keeper(spec) for spec in specs]
        self._stages.append(stage)
        await self.unless_failed(asyncio.gather(*(keeper.start() for keeper in stage)))

    async def run(self, spec: ChildSpec) -> None:
        """Run a command once, to its end.

        Raises:
            StackError: it failed; the text ends with the last thing it said.
        """
        keeper = self._keeper(spec)
        self._stages.append([keeper])
        if spec.prepare is not None:
            await spec.prepare()
        child = keeper.spawn()
        status = await self.unless_failed(asyncio.ensure_future(child.wait()))
        await keeper.bury()
        self._stages.remove([keeper])
        if status != 0:
            reason = child.last_words or describe_status(status)
            raise StackError(reason)

    async def unless_failed(self, work: asyncio.Future[_Result]) -> _Result:
        """Wait for some work, but only for as long as the children can be kept.

        Raises:
            StackError: a child does not start any more; the work is cancelled.
        """
        either: set[asyncio.Future[Any]] = {work, self._failure}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
            return work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def hurry(self) -> None:
        """Do not wait any longer for children that are being stopped."""
        self._hurry.set()

    async def stop(self) -> None:
        """Stop all children, the last started first."""
        while self._stages:
            stage = self._stages[-1]
            await asyncio.gather(*(keeper.stop(self._hurry) for keeper in stage))
            self._stages.pop()

    def _keeper(self, spec: ChildSpec) -> _Keeper:
        return _Keeper(
            spec,
            stage=len(self._stages),
            register=self._register,
            output=self._output,
            failed_starts=self._failed_starts,
            failure=self._failure,
        )


class _Keeper:
    """Keeps one child running."""

    def __init__(
        self,
        spec: ChildSpec,
        *,
        stage: int,
        register: Register,
        output: Output,
        failed_starts: int,
        failure: asyncio.Future[None],
    ) -> None:
        self._spec = spec
        self._stage = stage
        self._register = register
        self._output = output
        self._failed_starts = failed_starts
        self._failure = failure
        self._backoff = Backoff()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._child: Child | None = None

    async def start(self) -> None:
        """Begin to keep it and wait until it is ready for the first time."""
        self._task = asyncio.create_task(self._keep())
        self._task.add_done_callback(self._tell_failure)
        await self._ready.wait()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop keeping it, then stop it."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._task
        if self._child is not None:
            await self._child.stop(hurry)
            await self.bury()

    def spawn(self) -> Child:
        """Start the process once."""
        self._child = Child.start(
            self._spec, stage=self._stage, register=self._register, output=self._output
        )
        return self._child

    async def bury(self) -> int:
        """Clean up after the process and forget it."""
        child = self._child
        assert child is not None, "nothing was started"  # nosec B101 # noqa: S101 - no user can cause it
        status = await child.bury()
        self._register.remove(child.pid)
        self._forget_gauges(child.pid)
        self._child = None
        return status

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        failed_starts = 0
        while True:
            if self._spec.prepare is not None:
                await self._spec.prepare()
            child = self.spawn()
            born = loop.time()
            if await self._becomes_ready(child):
                failed_starts = 0
                self._ready.set()
                await child.wait()
            else:
                failed_starts += 1
            end = describe_status(await self._end(child))
            if failed_starts >= self._failed_starts:
                raise StackError(self._last_words(child, failed_starts, end))
            pause = self._backoff.after(loop.time() - born)
            self._say(f"died ({end}), restarting in {pause:g} s")
            await asyncio.sleep(pause)

    async def _becomes_ready(self, child: Child) -> bool:
        ready = asyncio.create_task(self._probe())
        death = asyncio.create_task(child.wait())
        try:
            await asyncio.wait(
                {ready, death},
                timeout=self._spec.ready_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not ready.done() and not death.done():
                self._say(f"was not ready after {self._spec.ready_timeout:g} s")
            if ready.done():
                # A probe that raises knows that waiting is in vain.
                ready.result()
            return ready.done() and not death.done()
        finally:
            ready.cancel()
            death.cancel()

    async def _probe(self) -> None:
        if self._spec.ready is None:
            await asyncio.sleep(self._spec.settle)
            return
        while True:
            if await self._spec.ready():
                return
            await asyncio.sleep(_PROBE_SECONDS)

    async def _end(self, child: Child) -> int:
        if not child.ended:
            await child.stop(asyncio.Event())
        return await self.bury()

    def _forget_gauges(self, pid: int) -> None:
        """End what the metrics show as its state; what it counted stays."""
        environment = self._spec.environment
        told = os.environ if environment is None else environment
        if directory := told.get("PROMETHEUS_MULTIPROC_DIR"):
            # The directory may be deleted under us.
            with suppress(OSError):
                mark_process_dead(pid, directory)  # type: ignore[no-untyped-call]  # its library has no types

    def _last_words(self, child: Child, deaths: int, end: str) -> str:
        said = f': "{child.last_words}"' if child.last_words else ""
        log = self._output.log_file(self._spec.name)
        name = self._spec.name
        return (
            f"{name} does not start ({end}, {deaths} times in a row){said}; see {log}"
        )

    def _say(self, text: str) -> None:
        self._output.say(self._spec.name, text)

    def _tell_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self._failure.done():
            error = task.exception()
            if isinstance(error, OSError):
                name = self._spec.name
                error = StackError(f"cannot start {name}: {error}")
            assert error is not None, "a keeper never returns"  # nosec B101 # noqa: S101 - no user can cause it
            self._failure.set_exception(error)
