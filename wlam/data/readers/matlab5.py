"""Cells, structures and numbers of MATLAB v5 files, with declared sizes checked.

scipy.io.loadmat allocates what a file declares, follows cells in cells without a limit
and crashes on some damaged bytes; here every size must fit into the bytes that are
there, and nesting is limited.

The format: MathWorks, "MAT-File Format", chapter 1 (level 5).
"""

import math
import struct
import zlib
from typing import Any

import numpy as np

from wlam.data.files import StrPath
from wlam.data.readers.common import MATLAB_5, UNREADABLE, error, head, kind, some
from wlam.types import DataError

NEEDED = "a MATLAB v5 file (save -v7)"
HEADER = 128
MATRIX, COMPRESSED = 14, 15  # types of elements, beside those of numbers:
STORED = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
CELL, STRUCT, TEXT = 1, 2, 4  # classes of matrices, beside those of numbers:
CLASSES = {
    **{6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2"},
    **{12: "i4", 13: "u4", 14: "i8", 15: "u8"},
}
COMPLEX = 0x800  # a flag
MOST_NESTING = 4  # of cells and structures; channels -> user is 2
RECORD_BYTES = 256  # approximate memory of one of them in Python
EMPTY = np.empty((0, 0))


def load(path: StrPath, names: tuple[str, ...], max_bytes: int) -> dict[str, Any]:
    """Read those of `names` that a file holds.

    Args:
        path: A MATLAB v5 file ("save -v7" or "-v6"), compressed or not.
        names: The variables to read; others are skipped.
        max_bytes: Largest memory of the unpacked file.

    Returns:
        Numbers as arrays, text as str, cells as a list of their contents, structure
        arrays as a list of dicts; the lists in MATLAB's order, column by column.

    Raises:
        DataError: no such file, another format, broken, none of the names, sizes that
            do not fit, functions, objects and sparse matrices among them.
    """
    first = head(path, 520, NEEDED)
    if not first.startswith(MATLAB_5):
        raise error(path, "path", f"is {kind(first)}, must be {NEEDED}")
    try:
        with open(path, "rb") as file:
            return _Content(path, file.read(max_bytes + 1), max_bytes).load(names)
    except DataError:
        raise
    except (*UNREADABLE, struct.error) as cause:
        problem = f"cannot be read as MATLAB v5 ({cause}), must be {NEEDED}"
        raise error(path, "path", problem) from cause


class _Content:
    """The bytes of a file."""

    def __init__(self, path, data, max_bytes):
        self.path, self.data, self.left = path, data, max_bytes
        if len(data) > max_bytes:
            raise self.broken(f"is larger than max_bytes = {max_bytes}")
        # The byte order mark reads "MI" where the order is that of the reader.
        self.order = {b"IM": "<", b"MI": ">"}.get(data[126:128], "")
        if not self.order or self.number("H", data, 124) != 0x100:
            raise self.broken("has an unknown version")

    def load(self, names):
        held, found = [], {}
        position = HEADER
        while position < len(self.data):
            # No padding here: compressed elements have none, matrices need none.
            type_, start, stop, _ = self.tag(self.data, position, len(self.data))
            data = self.data[position:stop]
            if type_ == COMPRESSED:
                data = self.unpack(self.data[start:stop])
            position = stop
            type_, start, stop, _ = self.tag(data, 0, len(data))
            if type_ != MATRIX:
                raise self.broken(f"holds an element of type {type_}")
            name = self.header(data, start, stop)[2]
            if name in held:
                raise self.broken(f"holds {name!r} twice")
            held.append(name)
            if name in names:
                found[name] = self.matrix(data, start, stop, 1)
        if not found:
            problem = f"is missing, the file holds {some(held)}"
            raise error(self.path, names[0], problem)
        return found

    def unpack(self, packed):
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, self.left + 1)
        self.take(len(data))
        if not unpacker.eof:
            raise self.broken("ends within compressed data")
        return data

    def take(self, size):
        """Counts memory before it is allocated."""
        self.left -= size
        if self.left < 0:
            raise self.broken("unpacks to more than max_bytes")

    def matrix(self, data, start, stop, depth):
        """The matrix in these bytes, which it must fill."""
        if start == stop:
            return EMPTY
        flags, dims, _, position = self.header(data, start, stop)
        class_, count = flags & 0xFF, math.prod(dims)
        if class_ in CLASSES:
            values, position = self.numbers(data, position, stop, count)
            values = values.astype(CLASSES[class_])
            if flags & COMPLEX:
                imaginary, position = self.numbers(data, position, stop, count)
                values = values + 1j * imaginary
            value = values.reshape(dims, order="F")
        elif class_ == TEXT:
            _, text_at, text_stop, position = self.tag(data, position, stop)
            value = data[text_at:text_stop].decode("utf-8", "replace")
        elif class_ in (CELL, STRUCT):
            if depth > MOST_NESTING:
                raise self.broken(f"nests deeper than {MOST_NESTING}")
            fields = [None]
            if class_ == STRUCT:
                fields, position = self.fields(data, position, stop)
            if count * len(fields) * 8 > stop - position:
                problem = f"declares {list(dims)} in {stop - position} bytes"
                raise self.broken(problem)
            self.take(count * len(fields) * RECORD_BYTES)
            value = []
            for _ in range(count):
                record = {}
                for field in fields:
                    type_, begin, end, position = self.tag(data, position, stop)
                    if type_ != MATRIX:
                        raise self.broken(f"holds an element of type {type_} in a cell")
                    record[field] = self.matrix(data, begin, end, depth + 1)
                value.append(record if class_ == STRUCT else record[None])
        else:
            raise self.broken(f"holds a matrix of class {class_}, not numbers")
        if position < stop:
            raise self.broken(f"holds more than {list(dims)}")
        return value

    def numbers(self, data, position, stop, count):
        """A flat array, which may be stored in a smaller type than it has."""
        type_, start, end, position = self.tag(data, position, stop)
        if type_ not in STORED:
            raise self.broken(f"holds numbers of type {type_}")
        dtype = np.dtype(self.order + STORED[type_])
        if count * dtype.itemsize != end - start:
            raise self.broken(f"declares {count} numbers in {end - start} bytes")
        self.take(count * 8)
        return np.frombuffer(data, dtype, count, start), position

    def fields(self, data, position, stop):
        """The names of a structure, all of one length."""
        _, length_at, _, position = self.tag(data, position, stop)
        length = self.number("i", data, length_at)
        _, start, end, position = self.tag(data, position, stop)
        if length < 1 or end == start:
            raise self.broken(f"declares field names of {length} bytes")
        names = [data[at : at + length] for at in range(start, end, length)]
        return [n.split(b"\0")[0].decode("latin1") for n in names], position

    def header(self, data, start, stop):
        """Flags, dimensions and name of a matrix, and where its content starts."""
        _, flags_at, _, position = self.tag(data, start, stop)
        _, dims_at, dims_stop, position = self.tag(data, position, stop)
        _, name_at, name_stop, position = self.tag(data, position, stop)
        rank = (dims_stop - dims_at) // 4
        if not 2 <= rank <= 32:
            raise self.broken(f"declares {rank} dimensions")
        dims = struct.unpack_from(f"{self.order}{rank}i", data, dims_at)
        if min(dims) < 0:
            raise self.broken(f"declares {list(dims)}")
        name = data[name_at:name_stop].decode("latin1").rstrip("\0")
        return self.number("I", data, flags_at), dims, name, position

    def tag(self, data, position, end):
        """Type of an element, start and stop of its content, start of the next."""
        if position + 8 > end:
            raise self.broken(f"ends within an element, at byte {position}")
        first = self.number("I", data, position)
        if first >> 16:  # up to 4 bytes are put into the tag
            type_, size = first & 0xFFFF, first >> 16
            start, room, following = position + 4, 4, position + 8
        else:
            type_, size = first, self.number("I", data, position + 4)
            start, room = position + 8, end - position - 8
            following = min(start + size + -size % 8, end)
        if size > room:
            raise self.broken(f"declares {size} bytes where {room} are left")
        return type_, start, start + size, following

    def number(self, code, data, position):
        return struct.unpack_from(self.order + code, data, position)[0]

    def broken(self, problem):
        return error(self.path, "path", f"{problem}, must be {NEEDED}")
