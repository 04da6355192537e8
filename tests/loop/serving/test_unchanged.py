"""What a client has already is not sent again, however it tells."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from adloom.loop.serving.http.unchanged import has_already, names

TAG = '"abc"'


def asking(*told: str) -> Request:
    headers = [(b"if-none-match", one.encode("latin-1")) for one in told]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    "told", [[TAG], [f"W/{TAG}"], [f'"x", {TAG}'], [f'W/"x,y",W/{TAG}'], ['"x"', TAG]]
)
def test_a_tag_is_found_weak_and_among_others(told: list[str]) -> None:
    assert has_already(asking(*told), TAG)
    assert names(asking(*told), TAG)


@pytest.mark.parametrize("told", [[], ['"abcd"'], ["abc"], ['"x", W/"y"'], ['"*"'], [""]])
def test_what_is_another_is_sent(told: list[str]) -> None:
    assert not has_already(asking(*told), TAG)


def test_a_star_is_whatever_there_is_and_names_nothing() -> None:
    assert has_already(asking(" * "), TAG)
    assert not names(asking("*"), TAG)
