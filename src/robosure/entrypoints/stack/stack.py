"""What `robosure up` runs: servers, migrations, and every process of the product."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from rich.text import Text

from robosure.entrypoints.stack.child import ChildSpec
from robosure.entrypoints.stack.errors import StackError
from robosure.entrypoints.stack.output import Output
from robosure.entrypoints.stack.ports import require_port
from robosure.entrypoints.stack.servers import DATABASE, postgres_server, redis_server
from robosure.entrypoints.stack.state import Running
from robosure.entrypoints.stack.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence

    from rich.console import Console

    from robosure.entrypoints.stack.state import StackFile, State

_Result = TypeVar("_Result")

ADMIN_EMAIL = "admin@robosure.local"
_COMMAND = (sys.executable, "-m", "robosure.entrypoints.cli")
_PROBE_SECONDS = 5.0
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # nosec B104 # noqa: S104 (compared, not bound)
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stack:
    """Robosure on one machine, out of one state directory."""

    def __init__(
        self,
        state: State,
        *,
        api_host: str = "127.0.0.1",
        api_port: int = 8000,
        fresh: bool = False,
        database_url: str | None = None,
        redis_url: str | None = None,
        console: Console | None = None,
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        """Describe a stack; nothing starts yet.

        Args:
            state: where it keeps everything.
            api_host: where the API listens.
            api_port: where the API listens; 0 takes any free port.
            fresh: start from nothing, deleting what an earlier stack kept.
            database_url: use this server and start none; so does DATABASE_URL.
            redis_url: use this server and start none; so does REDIS_URL.
            console: where lines appear; None is standard error.
            environ: what the user has set; None is this process's environment.
            command: the command line interface that the processes are started by.
        """
        self._state = state
        self._host = api_host
        self._port = api_port
        self._fresh = fresh
        self._environ = dict(os.environ if environ is None else environ)
        self._database_url = database_url or self._environ.get("DATABASE_URL")
        self._redis_url = redis_url or self._environ.get("REDIS_URL")
        self._output = Output(logs=state.logs, console=console)
        self._command = command

    async def run(self, on_ready: Callable[[Running], object] | None = None) -> None:
        """Start everything, say so, and keep it running until a signal.

        Args:
            on_ready: called once everything is up.

        Raises:
            StackError: something cannot start or go on; all has been stopped.
        """

        async def until_stopped(running: Running) -> None:
            self._announce(running)
            if on_ready is not None:
                on_ready(running)
            await asyncio.Event().wait()

        await self.run_while(until_stopped)

    async def run_while(
        self, work: Callable[[Running], Awaitable[_Result]]
    ) -> _Result | None:
        """Start everything, do some work with it, and stop everything.

        Returns:
            What the work returned; None if a signal ended it.

        Raises:
            StackError: something cannot start or go on; all has been stopped.
        """
        with self._state.held() as leftovers, closing(self._output):
            for name in leftovers:
                self._output.say(name, "was left by a killed stack, and is ended")
            self._port = require_port(self._host, self._port)
            if self._fresh:
                self._state.wipe()
            content = self._state.prepare()
            supervisor = Supervisor(register=self._state.register, output=self._output)
            with self._stop_on_signals(supervisor) as stopped:
                async with supervisor:
                    serving = self._serve(supervisor, content, work)
                    return await _unless(stopped, serving)

    def environment(self, content: StackFile) -> dict[str, str]:
        """What every process of the product is told; what the user set stands."""
        postgres = postgres_server(self._state, content, self._output)
        redis = redis_server(self._state, content)
        directory = self._state.directory
        defaults = {
            "ENVIRONMENT": "development",
            "PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics"),
            "PYTHONUNBUFFERED": "1",
            "ROBOSURE_ADMIN_EMAIL": ADMIN_EMAIL,
            "ROBOSURE_ADMIN_PASSWORD": content.admin_password,
            "ROBOSURE_FILES_DIRECTORY": str(directory / "files"),
            "ROBOSURE_LOG_FORMAT": "console",
            "ROBOSURE_MAIL_DIRECTORY": str(directory / "mail"),
            "ROBOSURE_SIGNING_KEY_FILES": content.signing_key_file,
        }
        servers = {
            "DATABASE_URL": self._database_url or postgres.url(DATABASE),
            "REDIS_URL": self._redis_url or redis.url,
        }
        return {**defaults, **self._environ, **servers}

    @contextmanager
    def _stop_on_signals(self, supervisor: Supervisor) -> Generator[asyncio.Event]:
        stopped = asyncio.Event()

        def stop() -> None:
            if stopped.is_set():
                supervisor.hurry()
            else:
                self._output.say("stack", "stopping; the same again stops at once")
            stopped.set()

        # Under nohup a closed terminal is to be survived.
        signals = [one for one in _STOP_SIGNALS if not _is_ignored(one)]
        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, stop)
        try:
            yield stopped
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def _serve(
        self,
        supervisor: Supervisor,
        content: StackFile,
        work: Callable[[Running], Awaitable[_Result]],
    ) -> _Result:
        if self._environ.get("ROBOSURE_TLS_CERTIFICATE_FILE"):
            raise StackError(
                "the stack of one machine speaks plain HTTP; to serve over TLS with "
                "ROBOSURE_TLS_CERTIFICATE_FILE, use robosure serve, work and jobs"
            )
        await self._start_servers(supervisor, content)
        environment = self.environment(content)
        for step in ("migrate", "seed"):
            await self._run_step(supervisor, step, environment)
        await supervisor.start(*self._processes(environment))
        running = self._running(environment)
        self._state.save(content.model_copy(update={"running": running}))
        try:
            return await supervisor.unless_failed(asyncio.ensure_future(work(running)))
        finally:
            # Deleted under us, there is nothing left to say it in.
            with suppress(OSError):
                self._state.save(content)

    async def _start_servers(self, supervisor: Supervisor, content: StackFile) -> None:
        if not self._redis_url:
            await redis_server(self._state, content).start(supervisor)
        if not self._database_url:
            postgres = postgres_server(self._state, content, self._output)
            await postgres.start(supervisor)
            await postgres.create_database(DATABASE)

    async def _run_step(
        self, supervisor: Supervisor, step: str, environment: dict[str, str]
    ) -> None:
        command = [*self._command, step]
        spec = ChildSpec(name=step, command=command, environment=environment)
        try:
            await supervisor.run(spec)
        except StackError as error:
            raise StackError(f"{step} failed: {error}") from error

    def _processes(self, environment: dict[str, str]) -> list[ChildSpec]:
        port = str(self._port)
        api = ["serve", "--host", self._host, "--port", port]
        return [
            ChildSpec(
                name="api",
                command=[*self._command, *api],
                environment=environment,
                ready=self._answers,
                stop_timeout=15.0,
            ),
            ChildSpec(
                name="worker",
                command=[*self._command, "work"],
                environment=environment,
                stop_timeout=15.0,
            ),
            ChildSpec(
                name="jobs",
                command=[*self._command, "jobs"],
                environment=environment,
                stop_timeout=30.0,
            ),
            ChildSpec(
                name="beat",
                command=[*self._command, "jobs", "--beat"],
                environment=environment,
            ),
        ]

    async def _answers(self) -> bool:
        # By hand: an HTTP client takes longer to be made than the answer to come.
        host = _ANY_HOST.get(self._host, self._host)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PROBE_SECONDS):
                reader, writer = await asyncio.open_connection(host, self._port)
                try:
                    request = f"GET /health HTTP/1.0\r\nHost: {host}\r\n\r\n"
                    writer.write(request.encode())
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        return False

    def _api_url(self) -> str:
        host = _ANY_HOST.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    def _running(self, environment: dict[str, str]) -> Running:
        return Running(
            pid=os.getpid(),
            api_url=self._api_url(),
            admin_email=environment["ROBOSURE_ADMIN_EMAIL"],
            admin_password=environment["ROBOSURE_ADMIN_PASSWORD"],
            database_url=environment["DATABASE_URL"],
            redis_url=environment["REDIS_URL"],
        )

    def _announce(self, running: Running) -> None:
        lines = {
            "API": running.api_url,
            "Docs": f"{running.api_url}/docs",
            "Sign in": f"{running.admin_email}, password {self._password(running)}",
            "State": str(self._state.directory),
            "Stop": "Ctrl-C",
        }
        text = "".join(f"\n  {name:<8} {value}" for name, value in lines.items())
        with suppress(OSError):
            self._output.console.print(
                Text(f"\nRobosure is running.{text}\n", style="bold"), soft_wrap=True
            )

    def _password(self, running: Running) -> str:
        # Ours is for this machine only and may be shown; the user's own may not.
        if "ROBOSURE_ADMIN_PASSWORD" in self._environ:
            return "as set in ROBOSURE_ADMIN_PASSWORD"
        return running.admin_password


def _is_ignored(number: signal.Signals) -> bool:
    is_hangup = number == signal.SIGHUP
    return is_hangup and signal.getsignal(number) == signal.SIG_IGN


async def _unless(stopped: asyncio.Event, work: Awaitable[_Result]) -> _Result | None:
    task = asyncio.ensure_future(work)
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        task.cancel()
    with suppress(asyncio.CancelledError):
        return await task
    return None
