"""What a Kafka cluster refuses for good: logins, rights, limits, protocols.

No waiting mends these, so they are told apart from outages, in one line with the setting to mend.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from kafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
    UnsupportedVersionError,
)

from adloom.stream.settings import KafkaSettings


class KafkaRefused(RuntimeError):
    """The cluster says no and will say so again; the message names the cause and the setting."""


class LoginRefused(KafkaRefused):
    """By one server of a cluster, and so by all."""


class BrokerUnavailable(RuntimeError):
    """No Kafka broker answers, or none can be started."""


def refusal_of(error: BaseException, kafka: KafkaSettings) -> KafkaRefused | None:
    """What the client's error says in one line, when no waiting can mend it; None otherwise.

    An error that another one was raised from counts as well.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KafkaRefused):
            return seen
        if isinstance(seen, SaslAuthenticationFailedError):
            return login_refused(kafka)
        for kind, told in _TOLD.items():
            if isinstance(seen, kind):
                return KafkaRefused(f"{kafka.bootstrap_servers}: {told(seen, kafka)}")
        seen = seen.__cause__
    return None


def missing_rights(kafka: KafkaSettings, rights: Iterable[tuple[str, str]]) -> KafkaRefused:
    """What the cluster's ACLs do not grant.

    Args:
        rights: each as Kafka calls it (Read, Write, Create), and on what: `topic adloom.clicks`.
    """
    told = ", ".join(f"{right} on {what}" for right, what in rights)
    return KafkaRefused(f"{kafka.bootstrap_servers}: {user(kafka)} has no right {told}")


def login_refused(kafka: KafkaSettings) -> LoginRefused:
    """A wrong name or password, which is never told."""
    return LoginRefused(
        f"{kafka.bootstrap_servers}: the login of {user(kafka)} by {kafka.sasl_mechanism} is "
        "refused: see kafka.sasl_username and kafka.sasl_password"
    )


def user(kafka: KafkaSettings) -> str:
    """Who the cluster takes adloom for."""
    if kafka.sasl_username is not None:
        return f"user {kafka.sasl_username!r}"
    if kafka.ssl_certfile is not None:
        return "the user of kafka.ssl_certfile"
    return "who comes without a login (kafka.sasl_username)"


def _mechanism(error: BaseException, kafka: KafkaSettings) -> str:
    return f"kafka.sasl_mechanism: logins by {kafka.sasl_mechanism} are not taken"


def _no_login(error: BaseException, kafka: KafkaSettings) -> str:
    return (
        f"no logins are taken here: kafka.security_protocol is {kafka.security_protocol}, or "
        "bootstrap_servers names another listener than the one for logins"
    )


def _topic(error: BaseException, kafka: KafkaSettings) -> str:
    return f"{user(kafka)} has no right Read on topic {_names(error)}"


def _group(error: BaseException, kafka: KafkaSettings) -> str:
    return f"{user(kafka)} has no right Read on group {_names(error) or kafka.group_id}"


def _cluster(error: BaseException, kafka: KafkaSettings) -> str:
    return f"{user(kafka)} has no right IdempotentWrite on the cluster"


def _session(error: BaseException, kafka: KafkaSettings) -> str:
    return (
        f"kafka.session_seconds = {kafka.session_seconds:g} is out of the cluster's limits "
        "(group.min.session.timeout.ms and group.max.session.timeout.ms, by default 6 seconds to "
        "30 minutes)"
    )


def _other_group(error: BaseException, kafka: KafkaSettings) -> str:
    return (
        f"kafka.group_id: {kafka.group_id} has members of another program, or of another version, "
        "that share partitions in another way"
    )


def _group_name(error: BaseException, kafka: KafkaSettings) -> str:
    return f"kafka.group_id: {kafka.group_id!r} is no name of a group"


def _topic_name(error: BaseException, kafka: KafkaSettings) -> str:
    return f"kafka.topics or kafka.topic_prefix: no name of a topic: {_said(error)}"


def _too_large(error: BaseException, kafka: KafkaSettings) -> str:
    return "a message is larger than the topic takes: raise its max.message.bytes"


def _too_old(error: BaseException, kafka: KafkaSettings) -> str:
    return f"kafka.bootstrap_servers: this is no broker, or one too old for adloom: {_said(error)}"


def _names(error: BaseException) -> str:
    found = error.args[0] if error.args else ""
    if isinstance(found, Collection) and not isinstance(found, str):
        return ", ".join(sorted(map(str, found)))
    return str(found)


def _said(error: BaseException) -> str:
    """The client's own words; a broker's bare code has only its description."""
    if not error.args and isinstance(error, BrokerResponseError):
        return str(error.description or type(error).__name__)
    return str(error.args[0]) if error.args else type(error).__name__


# The first that fits: kinds stand before those that they are kinds of.
_TOLD: dict[type[BaseException], Callable[[BaseException, KafkaSettings], str]] = {
    UnsupportedSaslMechanismError: _mechanism,
    IllegalSaslStateError: _no_login,
    TopicAuthorizationFailedError: _topic,
    GroupAuthorizationFailedError: _group,
    ClusterAuthorizationFailedError: _cluster,
    InvalidSessionTimeoutError: _session,
    InconsistentGroupProtocolError: _other_group,
    InvalidGroupIdError: _group_name,
    InvalidTopicError: _topic_name,
    MessageSizeTooLargeError: _too_large,
    RecordListTooLargeError: _too_large,
    UnsupportedVersionError: _too_old,
}
