"""What MLflow's refusals and failures are to adloom: one line each, that says what to do.

Nothing here imports MLflow: a command can tell an error of the registry without it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LOGIN = re.compile(r"(?<=://)[^/@\s'\"]+@")
_MARKUP = re.compile(r"<(style|script).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_ANSWERED = re.compile(r"too many (\d{3}) error responses")  # urllib3, after the last retry
_MOST_SAID = 160  # characters
_TOO_MANY = 429
_MENDED_BY = {
    400: "is mlflow.tracking_uri the address of an MLflow server?",
    401: "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    403: "log in as a user with that right (MLFLOW_TRACKING_USERNAME), or ask for it",
    404: "is mlflow.tracking_uri the address of an MLflow server?",
}
_OF_MLFLOW_ITSELF = {  # answers that mean something to whoever asked
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_ALREADY_EXISTS",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
}


class RegistryUnavailable(RuntimeError):
    """MLflow is away, too slow or in trouble of its own; waiting may help."""


class RegistryLost(RegistryUnavailable):
    """MLflow answers, and has none of the versions that were served from it."""


class RegistryRefused(RuntimeError):
    """MLflow said no; waiting does not help.

    Attributes:
        status: of HTTP, as 401 (no or a wrong login) or 403 (not this user's right).
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def mlflow_asked(tracking_uri: str | None = None) -> Iterator[None]:
    """Failures of MLflow in this block are told as adloom's.

    What MLflow answers to a question that can be asked so (no such version, a name that is taken)
    stays an `MlflowException`.

    Args:
        tracking_uri: the server's address; None = the one of the process.

    Raises:
        RegistryUnavailable, RegistryRefused.
    """
    try:
        yield
    except Exception as error:
        told = _told(error, tracking_uri or _process_wide_uri())
        if told is None:
            raise
        raise told from error


def without_login(text: str) -> str:
    """The text with nothing of a user or a password in its addresses."""
    return _LOGIN.sub("", text)


def _process_wide_uri() -> str:
    mlflow = sys.modules.get("mlflow")
    return str(mlflow.get_tracking_uri()) if mlflow is not None else "mlflow.tracking_uri"


def _told(error: Exception, uri: str) -> RegistryUnavailable | RegistryRefused | None:
    """None for what is no failure of MLflow."""
    status = _status(error)
    if status is None:
        return None
    where = f"MLflow at {without_login(uri)}"
    if status == _TOO_MANY or status >= 500:
        return RegistryUnavailable(f"{where}: {_why_away(error, uri)} (mlflow.tracking_uri)")
    mended = _MENDED_BY.get(status, _MENDED_BY[400])
    return RegistryRefused(f"{where} refuses this ({status}, {_said(error)}): {mended}", status)


def _status(error: Exception) -> int | None:
    """The status of an answer that failed, 503 where there was none; None for other errors."""
    import requests

    if isinstance(error, requests.RequestException):
        return 503 if error.response is None else error.response.status_code
    if isinstance(error, ModuleNotFoundError):  # of a database that is not SQLite
        return 503
    databases = sys.modules.get("sqlalchemy.exc")
    if databases is not None and isinstance(error, databases.DatabaseError):
        return 503
    exceptions = sys.modules.get("mlflow.exceptions")
    if exceptions is None or not isinstance(error, exceptions.MlflowException):
        return None
    cause = error.__cause__ or error.__context__
    if isinstance(cause, requests.RequestException) and cause.response is not None:
        return cause.response.status_code
    if error.error_code in _OF_MLFLOW_ITSELF:
        return None
    return int(error.get_http_status_code())


def _why_away(error: Exception, uri: str) -> str:
    import requests

    chain = list(_chain(error))
    told = " ".join(str(link) for link in chain)
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package {error.name} is missing; install it beside adloom"
    if any(isinstance(link, requests.exceptions.SSLError) for link in chain):
        return f"no TLS connection, {_line(str(chain[-1]))}"
    if "Failed to resolve" in told or "NameResolutionError" in told:
        return "no machine of that name is known"
    if "Connection refused" in told:
        return "the connection is refused; is it running?"
    if "timed out" in told or any(isinstance(link, requests.Timeout) for link in chain):
        return "it does not answer in time; is it running, and within reach?"
    if again := _ANSWERED.search(told):
        return f"it answers {again[1]}; try again later, or see its log"
    if not uri.startswith(("http:", "https:")):
        return f"the database cannot be used, {_said(error)}"
    if any(isinstance(link, OSError) for link in chain[1:]):
        return f"the connection breaks, {_line(str(chain[-1]))}; is it running?"
    return f"it fails, {_said(error)}; try again later, or see its log"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _said(error: Exception) -> str:
    """What MLflow said, in one short line."""
    if (of_database := getattr(error, "orig", None)) is not None:  # without the query
        return _line(str(of_database))
    response = getattr(error, "response", None)
    text = getattr(response, "text", "") or getattr(error, "message", "") or str(error)
    before, body, answer = text.partition("Response body: ")
    return _line(answer.strip("'") if body else before)


def _line(text: str) -> str:
    line = " ".join(without_login(_MARKUP.sub(" ", text)).split()) or "without a word"
    return line if len(line) <= _MOST_SAID else f"{line[:_MOST_SAID]}…"
