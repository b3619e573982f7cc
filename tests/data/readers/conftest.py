"""Fixtures of the tests of readers: a radio, errors, and files like MATLAB's."""

import h5py
import numpy as np
import pytest

from wlam.data.readers import Radio
from wlam.types import DataError

COMPLEX = np.dtype([("real", "<f8"), ("imag", "<f8")])


@pytest.fixture(scope="session")
def radio():
    return Radio(time_step_s=5e-4, subcarrier_spacing_hz=180e3, carrier_hz=2.4e9)


@pytest.fixture(scope="session")
def problem():
    """The message of the DataError that `call` raises; it must be one line."""

    def check(call, *arguments, **options):
        with pytest.raises(DataError) as caught:
            call(*arguments, **options)
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        return message

    return check


@pytest.fixture(scope="session")
def save73():
    """Writes arrays as MATLAB v7.3 does: column by column, complex as a compound."""

    def save(path, dtype=COMPLEX, **arrays):
        options = {
            key: arrays.pop(key) for key in ("chunks", "compression") if key in arrays
        }
        with h5py.File(path, "w", userblock_size=512) as file:
            file.create_group("#refs#")
            for name, values in arrays.items():
                columns = values.ravel(order="F").reshape(values.shape[::-1])
                if np.iscomplexobj(values):
                    stored = np.empty(columns.shape, dtype)
                    stored["real"], stored["imag"] = columns.real, columns.imag
                else:
                    stored = columns
                dataset = file.create_dataset(name, data=stored, **options)
                dataset.attrs["MATLAB_class"] = np.bytes_("double")
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124))
            file.write(b"\x00\x02IM")

    return save
