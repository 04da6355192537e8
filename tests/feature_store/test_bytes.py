"""What adloom writes as bytes is what Feast writes and reads."""

from __future__ import annotations

from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Int64List, StringList, Value
from hypothesis import given
from hypothesis import strategies as st

from adloom.feature_store import definitions, wire
from adloom.feature_store.entity_key import entity_key_of

NUMBERS = st.integers(0, 2**63 - 1)
NAMES = st.text(max_size=200)


@given(NUMBERS, NAMES, st.binary(max_size=3_000))
def test_single_values(number: int, text: str, content: bytes) -> None:
    assert wire.int64_value(number) == Value(int64_val=number).SerializeToString()
    assert wire.string_value(text) == Value(string_val=text).SerializeToString()
    assert wire.bytes_value(content) == Value(bytes_val=content).SerializeToString()


@given(st.lists(NAMES))
def test_lists_of_texts(texts: list[str]) -> None:
    elements = bytearray(b"".join(map(wire.string_element, texts)))
    value = Value(string_list_val=StringList(val=texts))
    assert wire.string_list_value(elements) == value.SerializeToString()
    if texts:
        wire.drop_first_string(elements)
        assert elements == StringList(val=texts[1:]).SerializeToString()


@given(st.lists(NUMBERS))
def test_lists_of_numbers(numbers: list[int]) -> None:
    elements = bytearray(b"".join(map(wire.varint, numbers)))
    message = Int64List(val=numbers)
    assert wire.int64_list_value(elements) == Value(int64_list_val=message).SerializeToString()
    assert wire.int64_elements(message.SerializeToString()) == elements
    if numbers:
        wire.drop_first_varint(elements)
        assert wire.int64_elements(Int64List(val=numbers[1:]).SerializeToString()) == elements


@given(NAMES, st.integers(0, 1_000))
def test_entity_keys(name: str, number: int) -> None:
    named, numbered = Value(string_val=name), Value(int64_val=number)
    for view, key, values in (
        (definitions.user_stats, (name,), [named]),
        (definitions.item_stats, (name, number), [named, numbered]),
        (definitions.stream_progress, (number,), [numbered]),
    ):
        expected = EntityKey(join_keys=view.join_keys, entity_values=values)
        assert entity_key_of(view)(key) == serialize_entity_key(expected, 3)
