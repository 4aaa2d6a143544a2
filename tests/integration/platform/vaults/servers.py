"""Vaults on this machine, which the vendors' own clients talk to."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from google.cloud.secretmanager_v1 import types

TOKEN = "a-token-of-the-identity"
_PEM = serialization.Encoding.PEM
_PKCS8 = serialization.PrivateFormat.PKCS8
_PLAIN = serialization.NoEncryption()
_SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"


@dataclass(frozen=True)
class Certificate:
    """Of this machine's own, which is trusted where its file is named."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, directory: Path) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2050, 1, 1, tzinfo=UTC))
            .add_extension(here, critical=False)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .sign(key, hashes.SHA256())
        )
        made = cls(directory / "certificate.pem", directory / "key.pem")
        made.certificate.write_bytes(signed.public_bytes(_PEM))
        made.key.write_bytes(key.private_bytes(_PEM, _PKCS8, _PLAIN))
        return made


class _KeyVault(BaseHTTPRequestHandler):
    """Azure's REST protocol, and that of a managed identity."""

    secrets: Mapping[str, str | None]

    def do_GET(self) -> None:
        assert isinstance(self.server, ThreadingHTTPServer)
        port = self.server.server_port
        home = f"https://127.0.0.1:{port}/secrets"
        *_, name = path = self.path.partition("?")[0].strip("/").split("/")
        if name == "identity":
            assert self.headers["X-IDENTITY-HEADER"] == "header"
            self._say({"access_token": TOKEN, "expires_on": "4102444800"})
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            # A vault's domain is where it is found but for its first label.
            asked = (
                'Bearer authorization="https://login.microsoftonline.com/tenant", '
                f'resource="https://0.0.1:{port}"'
            )
            self._say({}, status=401, **{"WWW-Authenticate": asked})
        elif path == ["secrets"]:
            known = [
                {"id": f"{home}/{each}", "attributes": {"enabled": True}}
                for each in self.secrets
            ]
            self._say({"value": known, "nextLink": None})
        elif (value := self.secrets[name]) is None:
            self._say({"error": {"code": "Forbidden", "message": "no"}}, status=403)
        else:
            self._say({"value": value, "id": f"{home}/{name}/v1", "attributes": {}})

    def _say(self, body: Any, *, status: int = 200, **headers: str) -> None:
        content = json.dumps(body).encode()
        said = {"Content-Type": "application/json", **headers}
        self.send_response(status)
        for header in (said | {"Content-Length": str(len(content))}).items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def key_vault(
    secrets: Mapping[str, str | None], certificate: Certificate
) -> Iterator[tuple[str, str]]:
    """Serve an Azure Key Vault over TLS, and an identity to read it with.

    Yields:
        The URLs of both.
    """
    handler = type("_Handler", (_KeyVault,), {"secrets": secrets})
    with ExitStack() as stack:
        vault, identity = (
            stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            for _ in range(2)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        vault.socket = context.wrap_socket(vault.socket, server_side=True)
        for server in (vault, identity):
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield (
            f"https://127.0.0.1:{vault.server_port}",
            f"http://127.0.0.1:{identity.server_port}/identity",
        )


@contextmanager
def secret_manager(
    secrets: Mapping[str, str | None], certificate: Certificate
) -> Iterator[str]:
    """Serve Google's Secret Manager over gRPC and TLS; yields its host and port."""

    def listed(
        request: types.ListSecretsRequest, _: grpc.ServicerContext
    ) -> types.ListSecretsResponse:
        names = [types.Secret(name=f"{request.parent}/secrets/{s}") for s in secrets]
        return types.ListSecretsResponse(secrets=names)

    def accessed(
        request: types.AccessSecretVersionRequest, context: grpc.ServicerContext
    ) -> types.AccessSecretVersionResponse:
        _, _, _, name, _, version = request.name.split("/")
        assert version == "latest"
        value = secrets[name]
        if value is None:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        payload = types.SecretPayload(data=str(value).encode())
        return types.AccessSecretVersionResponse(name=request.name, payload=payload)

    methods: dict[str, Any] = {
        "ListSecrets": (listed, types.ListSecretsRequest, types.ListSecretsResponse),
        "AccessSecretVersion": (
            accessed,
            types.AccessSecretVersionRequest,
            types.AccessSecretVersionResponse,
        ),
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=asked.deserialize,
            response_serializer=told.serialize,
        )
        for name, (answer, asked, told) in methods.items()
    }
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, handlers),)
    )
    pair = (certificate.key.read_bytes(), certificate.certificate.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def a_service_account(directory: Path) -> Path:
    """Write a service account's key, with which its holder signs its own tokens."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "project_id": "robots",
        "private_key_id": "1",
        "private_key": key.private_bytes(_PEM, _PKCS8, _PLAIN).decode(),
        "client_email": "robosure@robots.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    file = directory / "account.json"
    file.write_text(json.dumps(account))
    return file
