"""Colour profiles made for tests, as small as the format (ICC.1:2001) lets them be."""

from __future__ import annotations

import itertools
import struct

DISPLAY_P3 = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
"""XYZ of red, green and blue under D50."""


def rgb_profile(primaries: tuple[tuple[float, float, float], ...], gamma: float = 2.2) -> bytes:
    """A screen's: three primaries and one gamma."""
    curve = struct.pack(">4s4xIH", b"curv", 1, round(gamma * 256))
    tags = {f"{c}TRC".encode(): curve for c in "rgb"}
    tags |= {f"{c}XYZ".encode(): _xyz(xyz) for c, xyz in zip("rgb", primaries, strict=True)}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def cmyk_profile(ink: tuple[int, int, int], paper: tuple[int, int, int]) -> bytes:
    """A press whose four inks all have one colour: Lab of any ink at full, and of none."""
    identity = bytes(range(256))
    grid = b"".join(
        _lab(ink if any(corner) else paper) for corner in itertools.product((0, 1), repeat=4)
    )
    matrix = struct.pack(">9i", *(65_536 * (i % 4 == 0) for i in range(9)))
    table = struct.pack(">4s4xBBBx", b"mft1", 4, 3, 2) + matrix
    table += identity * 4 + grid + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table, b"A2B1": table})


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    name = b"made for a test\0"
    white = (0.9642, 1.0, 0.8249)
    tags |= {
        b"desc": struct.pack(">4s4xI", b"desc", len(name)) + name + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": _xyz(white),
    }
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", tag, offset + len(body), len(content))
        body += padded
    head = struct.pack(">I4xI4s4s4s", offset + len(body), 0x02400000, kind, space, connection)
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _xyz(white)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(xyz: tuple[float, ...]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(part * 65_536) for part in xyz))


def _lab(lab: tuple[int, int, int]) -> bytes:
    return bytes((round(lab[0] * 2.55), lab[1] + 128, lab[2] + 128))
