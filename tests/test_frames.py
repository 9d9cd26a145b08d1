"""Messages over a pipe come out as they went in, or not at all."""

import io
import json
import struct

import numpy as np
import pytest

from core.frames import Broken, receive, send

ARRAYS = {
    "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "turned": np.arange(6.0, dtype=np.float32).reshape(2, 3).T,
    "none": np.empty((0, 3, 32, 32), np.uint8),
    "one": np.array(7, np.int64).reshape(()),
}


def written(values, arrays=None) -> io.BytesIO:
    stream = io.BytesIO()
    send(stream, values, arrays)
    stream.seek(0)
    return stream


def test_values_and_arrays_come_through():
    stream = written({"what": "classify", "name": "ünï", "k": [1, None, 0.5]}, ARRAYS)
    values, arrays = receive(stream)
    assert values == {"what": "classify", "name": "ünï", "k": [1, None, 0.5]}
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and np.array_equal(arrays[name], array)
        assert arrays[name].shape == array.shape
    assert stream.read() == b""


def test_messages_follow_each_other():
    stream = io.BytesIO()
    for number in range(3):
        send(stream, {"number": number}, {"a": np.full(number, number)})
    stream.seek(0)
    assert [receive(stream)[0]["number"] for _ in range(3)] == [0, 1, 2]


def test_cut_message_is_broken_wherever_it_is_cut():
    whole = written({"a": 1}, {"b": np.arange(10)}).getvalue()
    for length in range(len(whole)):
        with pytest.raises(Broken):
            receive(io.BytesIO(whole[:length]))


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"a": 1},
        {"arrays": [["a", "|O", [1]]]},
        {"arrays": [["a", "<f8", [-1]]]},
        {"arrays": [["a", "<f8", [10**12]]]},
        {"arrays": [["a", "nonsense", [1]]]},
        {"arrays": 3},
    ],
)
def test_header_that_lies_is_broken(header):
    text = json.dumps(header).encode()
    with pytest.raises(Broken):
        receive(io.BytesIO(struct.pack("<Q", len(text)) + text + bytes(100)))


def test_length_that_lies_is_broken():
    with pytest.raises(Broken):
        receive(io.BytesIO(struct.pack("<Q", 2**60) + b"{}"))


def test_nobody_reads():
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(Broken):
        send(stream, {})
