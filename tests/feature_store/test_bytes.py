"""What adloom writes as bytes is what Feast writes and reads."""

from __future__ import annotations

from uuid import UUID

from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import BytesList, Int64List, StringList, Value
from hypothesis import given
from hypothesis import strategies as st

from adloom.feature_store import definitions, wire
from adloom.feature_store.entity_key import entity_key_of
from adloom.feature_store.packed_ids import packed, unpacked
from adloom.feature_store.rows import HistoryRow

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
        wire.drop_first_element(elements)
        assert elements == StringList(val=texts[1:]).SerializeToString()


@given(st.lists(st.binary(max_size=50)))
def test_lists_of_bytes(contents: list[bytes]) -> None:
    elements = bytearray(b"".join(map(wire.bytes_element, contents)))
    value = Value(bytes_list_val=BytesList(val=contents))
    assert wire.bytes_list_value(elements) == value.SerializeToString()


IDS = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=18).map(lambda content: content.decode("latin-1")),
    st.uuids().map(str),
    st.uuids().map(lambda name: name.hex),
    st.uuids().map(lambda name: str(name).upper()),
)


@given(IDS)
def test_ids_come_back_as_they_were_and_uuids_are_short(text: str) -> None:
    assert unpacked(packed(text)) == text


@given(st.uuids())
def test_uuids_are_seventeen_bytes(name: UUID) -> None:
    assert len(packed(str(name))) == len(packed(name.hex)) == 17


@given(st.lists(IDS, min_size=1, max_size=5))
def test_a_history_of_an_earlier_version_is_read_and_written_anew(ads: list[str]) -> None:
    count = len(ads)
    values = {
        "item_ids": Value(string_list_val=StringList(val=["shoe"] * count)).SerializeToString(),
        "clicked_at_us": Value(int64_list_val=Int64List(val=range(count))).SerializeToString(),
        "ad_ids": Value(string_list_val=StringList(val=ads)).SerializeToString(),
    }
    row = HistoryRow.from_values(values)
    assert row.history().ad_ids == tuple(ads)
    anew = HistoryRow.from_values(row.to_values())
    assert anew.history() == row.history()
    assert Value.FromString(anew.to_values()["ad_ids"]).WhichOneof("val") == "bytes_list_val"


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
