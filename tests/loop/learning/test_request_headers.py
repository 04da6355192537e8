"""What MLflow is asked with comes from MLflow and the plugins that a user has chosen."""

from __future__ import annotations

import subprocess
import sys

from tests.tcp_gate import TcpGate

_ASK = """
import sys
from adloom.loop.learning.mlflow_client import asked_client
from adloom.loop.learning.registry_errors import RegistryUnavailable
try:
    asked_client(sys.argv[1]).search_registered_models()
except RegistryUnavailable as error:
    print(error)
print("feast" in sys.modules)
"""


def test_the_first_question_does_not_import_feast_within_its_time() -> None:
    gate = TcpGate(target_port=9)
    gate.set("fail")
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK, f"http://127.0.0.1:{gate.port}"],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        gate.close()
    why, is_feast_imported = asked.stdout.splitlines()
    assert "it answers 503" in why
    assert is_feast_imported == "False"
