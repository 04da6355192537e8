"""One server greeted step by step, as a client does: name, connection, TLS, protocol, login.

The client only says that it cannot bootstrap. Who set a wrong port or password needs to know which
step failed.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

from kafka.errors import KafkaError, NoError, for_code
from kafka.net.sasl import SASL_MECHANISMS
from kafka.protocol.metadata import ApiVersionsRequest, MetadataRequest
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused, login_refused
from adloom.stream.settings import KafkaSettings

_STEP_SECONDS = 5.0
_LOOK_SECONDS = 2.0  # at one of those that clients are sent to
_READ_BYTES = 1 << 16
_MOST_BYTES = 1_000_000  # of an answer
_MOST_LOOKED_AT = 3
_TLS_ALERT = b"\x15\x03"


class HungUp(BrokerUnavailable):
    """Somebody listens, and hangs up or says nothing: another program, or a broker in trouble."""


def greet(host: str, port: int, kafka: KafkaSettings) -> None:
    """Returns once the server has taken adloom in.

    Raises:
        KafkaRefused: no waiting mends it.
        HungUp: it is not sure that this is a broker.
        BrokerUnavailable: nobody listens.
    """
    _Greeting(host, port, kafka).run()


class _NotKafka(Exception):
    """What came is no answer of a broker.

    Attributes:
        first: the first bytes of it; empty when the other side hung up or said nothing.
    """

    def __init__(self, said: str, first: bytes = b"") -> None:
        super().__init__(said)
        self.first = first


class _Greeting:
    def __init__(self, host: str, port: int, kafka: KafkaSettings) -> None:
        self._place = (host, port)
        self._where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._kafka = kafka
        self._tls = kafka.security_protocol in ("SSL", "SASL_SSL")
        self._login = kafka.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def run(self) -> None:
        with self._server() as server:
            self._talk(server)

    @contextlib.contextmanager
    def _server(self) -> Iterator[_Server]:
        context = _tls_context(self._kafka) if self._tls else None
        with contextlib.ExitStack() as open_sockets:
            connection = open_sockets.enter_context(self._connected())
            if context is not None:
                connection = open_sockets.enter_context(self._through_tls(connection, context))
            yield _Server(connection)

    def _connected(self) -> socket.socket:
        try:
            return socket.create_connection(self._place, timeout=_STEP_SECONDS)
        except OSError as error:
            raise BrokerUnavailable(f"{self._where}: {_why(error)}") from error

    def _through_tls(self, plain: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        try:
            return context.wrap_socket(plain, server_hostname=self._place[0])
        except ssl.SSLCertVerificationError as error:
            raise KafkaRefused(
                f"{self._where}: its certificate is not trusted ({error.verify_message}): "
                "see kafka.ssl_cafile and the name in kafka.bootstrap_servers"
            ) from error
        except OSError as error:
            if _is_alert(error):
                raise self._no_certificate(error) from error
            with contextlib.suppress(_NotKafka, OSError), self._connected() as again:
                _Server(again).ask(ApiVersionsRequest(version=0))
                raise self._other_protocol("speaks without TLS", tls=False) from error
            raise HungUp(
                f"{self._where} does not speak TLS, and is no Kafka broker without it: see "
                f"kafka.bootstrap_servers and kafka.security_protocol ({self._protocol})"
            ) from error

    def _talk(self, server: _Server) -> None:
        try:
            versions = server.ask(ApiVersionsRequest(version=0))
        except _NotKafka as error:
            raise self._no_broker(error) from error
        if MetadataRequest.API_KEY not in {api.api_key for api in versions.api_keys}:
            raise KafkaRefused(
                f"{self._where} is a controller of the cluster and no broker: see "
                "kafka.bootstrap_servers"
            )
        try:
            if self._login:
                self._log_in(server)
            found = server.ask(MetadataRequest(version=1, topics=[]))
        except _NotKafka as error:
            if not self._login and self._takes_logins():
                raise self._other_protocol("wants a login", login=True) from error
            raise HungUp(f"{self._where} is a broker, and {error} after the greeting") from error
        self._look_at([(broker.host, broker.port) for broker in found.brokers])

    def _look_at(self, brokers: list[tuple[str, int]]) -> None:
        """Where the cluster sends its clients must be reachable from here too."""
        if self._place in brokers:
            return
        for broker in brokers[:_MOST_LOOKED_AT]:
            try:
                socket.create_connection(broker, timeout=_LOOK_SECONDS).close()
            except OSError as error:
                problem = error
            else:
                return
        if brokers:
            host, port = brokers[min(len(brokers), _MOST_LOOKED_AT) - 1]
            raise BrokerUnavailable(
                f"{self._where} sends its clients to {host}:{port}, which cannot be reached from "
                f"here ({_why(problem)}): see advertised.listeners of the cluster"
            )

    def _takes_logins(self) -> bool:
        with contextlib.suppress(_NotKafka, BrokerUnavailable), self._server() as server:
            return bool(server.ask(SaslHandshakeRequest(version=1, mechanism="")).mechanisms)
        return False

    def _log_in(self, server: _Server) -> None:
        name = self._kafka.sasl_mechanism or ""
        offered = server.ask(SaslHandshakeRequest(version=1, mechanism=name)).mechanisms
        if not offered:
            raise self._other_protocol("takes no logins", login=False)
        if name not in offered or name not in SASL_MECHANISMS:
            both = ", ".join(sorted(SASL_MECHANISMS.keys() & set(offered)))
            raise KafkaRefused(
                f"{self._where}: kafka.sasl_mechanism is {name}, and logins are taken by {both}"
            )
        try:
            self._authenticate(server, name)
        except (KafkaError, ValueError, KeyError) as error:
            raise login_refused(self._kafka) from error

    def _authenticate(self, server: _Server, name: str) -> None:
        mechanism = SASL_MECHANISMS[name](host=self._place[0], **self._kafka.client_options())
        while not mechanism.is_done():
            token = mechanism.auth_bytes()
            answer = server.ask(SaslAuthenticateRequest(version=0, auth_bytes=token))
            if for_code(answer.error_code) is not NoError:
                raise for_code(answer.error_code)
            mechanism.receive(answer.auth_bytes)
        if not mechanism.is_authenticated():
            raise ValueError("the server did not prove that it knows the password")

    def _no_broker(self, error: _NotKafka) -> KafkaRefused | HungUp:
        """What it is, where the first request was not answered as a broker does."""
        cause = error.__cause__
        alert = cause if isinstance(cause, OSError) and _is_alert(cause) else self._alert(error)
        if alert is not None:
            return self._no_certificate(alert)
        if error.first.startswith(_TLS_ALERT) or self._speaks_tls(error):
            return self._other_protocol("speaks TLS", tls=True)
        told = f"{self._where} is no Kafka broker ({error}): see kafka.bootstrap_servers"
        if error.first:
            return KafkaRefused(told)
        if self._tls and self._kafka.ssl_certfile is None:
            return HungUp(f"{told}, or kafka.ssl_certfile, where it wants a certificate")
        return HungUp(f"{told} and kafka.security_protocol ({self._protocol})")

    def _alert(self, error: _NotKafka) -> OSError | None:
        """Why it hung up, which what was sent meanwhile may have kept from arriving."""
        if self._tls and not error.first:
            try:
                with self._server() as server:
                    server.wait()
            except OSError as said:
                return said if _is_alert(said) else None
        return None

    def _speaks_tls(self, error: _NotKafka) -> bool:
        if self._tls or error.first or isinstance(error.__cause__, TimeoutError):
            return False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
        try:
            with self._connected() as plain, context.wrap_socket(plain):
                return True
        except BrokerUnavailable:
            return False
        except OSError as problem:
            return _is_alert(problem)

    def _other_protocol(
        self, what: str, *, tls: bool | None = None, login: bool | None = None
    ) -> KafkaRefused:
        tls, login = self._tls if tls is None else tls, self._login if login is None else login
        better = ("SASL_" if login else "") + ("SSL" if tls else "PLAINTEXT")
        return KafkaRefused(
            f"{self._where} {what}: kafka.security_protocol is {self._protocol}, try {better}"
        )

    def _no_certificate(self, error: OSError) -> KafkaRefused:
        return KafkaRefused(
            f"{self._where} refuses the connection by TLS ({_why(error)}): see kafka.ssl_certfile "
            "and kafka.ssl_keyfile"
        )

    @property
    def _protocol(self) -> str:
        return self._kafka.security_protocol


class _Server:
    """Requests and answers over a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._protocol = KafkaProtocol(client_id="adloom", receive_message_max_bytes=_MOST_BYTES)

    def ask(self, request: Any) -> Any:
        """The answer. Raises _NotKafka."""
        self._protocol.send_request(request)
        first = b""
        try:
            self._connection.sendall(self._protocol.send_bytes())
            while True:
                data = self._connection.recv(_READ_BYTES)
                if not data:
                    raise _NotKafka("it hangs up", first)
                first = first or data[:16]
                for _, answer in self._protocol.receive_bytes(data):
                    return answer
        except TimeoutError as error:
            raise _NotKafka("it says nothing", first) from error
        except OSError as error:
            raise _NotKafka("it hangs up", first) from error
        except (KafkaError, ValueError) as error:
            raise _NotKafka(f"it answers {first!r}", first) from error

    def wait(self) -> None:
        """Until the other side says something by itself. Raises OSError."""
        self._connection.recv(_READ_BYTES)


def _tls_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """As the client makes it. Raises KafkaRefused when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if kafka.ssl_cafile is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(kafka.ssl_cafile)
    except OSError as error:
        raise KafkaRefused(f"kafka.ssl_cafile: {kafka.ssl_cafile}: {_why(error)}") from error
    try:
        if kafka.ssl_certfile is not None:
            # Without a password openssl would ask for one at the terminal.
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password="")
    except OSError as error:
        files = f"{kafka.ssl_certfile}, {kafka.ssl_keyfile}"
        raise KafkaRefused(f"kafka.ssl_certfile, ssl_keyfile: {files}: {_why(error)}") from error
    return context


def _is_alert(error: OSError) -> bool:
    """Whether the other side speaks TLS and says what it does not like."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return error.strerror or str(error)
