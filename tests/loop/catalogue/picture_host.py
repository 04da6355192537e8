"""A shop's host for tests: https on loopback, with a certificate for its name."""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adloom.loop.catalogue.pictures.addresses import Addresses

HOST = "shop.example"
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class ShopHost:
    """A running one; ``answers`` may be changed, by path."""

    port: int
    answers: dict[str, Answer]
    addresses: Addresses
    asked: list[str]

    @property
    def name(self) -> str:
        """As the settings name it."""
        return f"{HOST}:{self.port}"

    def url(self, path: str) -> str:
        return f"https://{self.name}{path}"


@contextmanager
def running_host(folder: Path) -> Iterator[ShopHost]:
    """Serves until the block ends."""
    certificate = folder / "shop.pem"
    certificate.write_bytes(_certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    answers: dict[str, Answer] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answers[self.path](self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        addresses = Addresses(
            resolve=lambda host, port: ["127.0.0.1"],
            allowed=lambda address: True,
            tls=ssl.create_default_context(cafile=str(certificate)),
        )
        try:
            yield ShopHost(server.server_port, answers, addresses, asked)
        finally:
            server.shutdown()
            thread.join()


def sends(body: bytes, status: int = 200, **headers: str) -> Answer:
    """An answer of that body; headers with ``_`` for ``-``."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in ({"content_length": str(len(body))} | headers).items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
