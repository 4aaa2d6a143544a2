"""A real Kafka for tests, from Apache Kafka's published jars.

Maven fetches them once into a directory that git ignores; Java runs them as one broker
that is its own controller. The processes of a test run share one, which ends with the
last of them: each holds a shared lock on a file, and who watches over the broker, this
module run as a program, waits for an exclusive one.
"""

from __future__ import annotations

import fcntl
import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from robosure.entrypoints.stack.ports import choose_port

VERSION: Final = "4.1.1"
_ROOT: Final = Path(__file__).parents[1]
_CACHE: Final = _ROOT / ".kafka" / VERSION
_FETCHED: Final = "fetched"
_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>robosure</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
_COPY: Final = (
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
)
_FETCH_SECONDS: Final = 200
_START_SECONDS: Final = 90
_USER: Final = 'username="robot" password="pass word"'
_LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@dataclass
class Broker:
    """One node of Kafka on this machine, with nothing in it.

    Attributes:
        port: where clients connect.
        gated_port: where a listener is for those who come through `gate_port`, which
            it tells them to come back to.
        sasl_port: where a user has to say who it is: robot, with the password "pass
            word".
    """

    jars: Path
    directory: Path
    port: int
    gated_port: int
    gate_port: int
    sasl_port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def prepare(self) -> None:
        """Write the settings, and format the storage."""
        controller_port = choose_port()
        self._settings.write_text(
            f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=CONTROLLER://127.0.0.1:{controller_port},\
DIRECT://127.0.0.1:{self.port},GATED://127.0.0.1:{self.gated_port},\
SASL://127.0.0.1:{self.sasl_port}
advertised.listeners=DIRECT://127.0.0.1:{self.port},\
GATED://127.0.0.1:{self.gate_port},SASL://127.0.0.1:{self.sasl_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,DIRECT:PLAINTEXT,\
GATED:PLAINTEXT,SASL:SASL_PLAINTEXT
inter.broker.listener.name=DIRECT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config={_LOGIN} {_USER} user_robot="pass word";
log.dirs={self.directory / "log"}
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
num.network.threads=1
num.io.threads=2
"""
        )
        self._run(
            "kafka.tools.StorageTool", "format", "--cluster-id", "A" * 22,
            "--config", str(self._settings),
        )  # fmt: skip

    def start(self) -> None:
        """Start the node, and wait until it answers."""
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._settings)),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        """Wait, and fail with what it told if that takes too long."""
        until = time.monotonic() + _START_SECONDS
        while not _answers(self.port):
            died = self.process is not None and self.process.poll() is not None
            if died or time.monotonic() > until:
                self.kill()
                told = (self.directory / "output").read_text()[-2000:]
                pytest.fail(f"Kafka did not start:\n{told}")
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def described(self) -> dict[str, Any]:
        """Say what another process needs to know of it."""
        return {
            "jars": str(self.jars),
            "port": self.port,
            "gated_port": self.gated_port,
            "gate_port": self.gate_port,
            "sasl_port": self.sasl_port,
        }

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    @property
    def _settings(self) -> Path:
        return self.directory / "server.properties"

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            "java", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            f"-Dkafka.logs.dir={self.directory}", f"-Djava.io.tmpdir={self.directory}",
            "-cp", f"{self.jars}/*", main, *arguments,
        ]  # fmt: skip

    def _run(self, main: str, *arguments: str) -> None:
        done = subprocess.run(
            self._java(main, *arguments), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.fail(f"{main} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")


@contextmanager
def running_broker(directory: Path) -> Iterator[Broker]:
    """Run a broker; skip the test where Java, Maven or the network is missing."""
    broker = _new_broker(_jars(), directory)
    broker.prepare()
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def shared_broker(directory: Path) -> Iterator[Broker]:
    """Join the others on this directory's broker; whoever is first starts it."""
    directory.mkdir(exist_ok=True)
    described = directory / "broker.json"
    refused = directory / "refused"
    with (directory / "used").open("w") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        with (directory / "starting").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            if refused.exists():
                pytest.skip(refused.read_text())
            if not described.exists():
                try:
                    jars = _jars()
                except pytest.skip.Exception as reason:
                    refused.write_text(str(reason))
                    raise
                broker = _new_broker(jars, directory)
                broker.prepare()
                # In the background of a shell and in a session of its own, so that it
                # outlives who is first, and what stops that one does not stop it.
                watching = [sys.executable, "-m", "tests.kafka", str(directory)]
                command = f"{shlex.join(watching)} > {directory}/watched 2>&1 &"
                described.write_text(json.dumps(broker.described()))
                subprocess.run(
                    ["sh", "-c", command], cwd=_ROOT, check=True, start_new_session=True
                )
            broker = _described(directory)
            broker.wait_until_it_answers()
        yield broker


def _new_broker(jars: Path, directory: Path) -> Broker:
    return Broker(
        jars=jars,
        directory=directory,
        port=choose_port(),
        gated_port=choose_port(),
        gate_port=choose_port(),
        sasl_port=choose_port(),
    )


def _described(directory: Path) -> Broker:
    values = json.loads((directory / "broker.json").read_text())
    return Broker(jars=Path(values.pop("jars")), directory=directory, **values)


def _jars() -> Path:
    """Fetch Kafka's jars unless they are there."""
    if shutil.which("java") is None:
        pytest.skip("Kafka needs Java, and there is no java here")
    jars = _CACHE / "jars"
    if (_CACHE / _FETCHED).exists():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        pytest.skip("Maven fetches Kafka's jars, and there is no mvn here")
    # In a directory of its own first, for other workers may fetch at the same moment.
    making = _CACHE.with_name(f"{VERSION}-{uuid4().hex}")
    making.mkdir(parents=True)
    try:
        (making / "pom.xml").write_text(_POM)
        fetching = subprocess.run(
            [
                maven, "--batch-mode", "--quiet", f"-Dmaven.repo.local={making}/local",
                _COPY, f"-DoutputDirectory={making}/jars",
            ],
            cwd=making, capture_output=True, text=True, check=False,
            timeout=_FETCH_SECONDS,
        )  # fmt: skip
        if fetching.returncode != 0:
            told = fetching.stdout.strip().partition("\n")[0]
            pytest.skip(f"Maven could not fetch Kafka: {told}")
        shutil.rmtree(making / "local")
        (making / _FETCHED).touch()
        if not (_CACHE / _FETCHED).exists():
            making.rename(_CACHE)
    except subprocess.TimeoutExpired:
        pytest.skip(f"Maven did not fetch Kafka within {_FETCH_SECONDS} s")
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return jars


def _answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def watch(directory: Path) -> None:
    """Run the broker of a directory until nobody uses it any more."""
    broker = _described(directory)
    broker.start()
    with (directory / "used").open("w") as used:
        fcntl.flock(used, fcntl.LOCK_EX)
    broker.kill()


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
