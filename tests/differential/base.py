# SPDX-License-Identifier: LGPL-2.1-or-later
"""lib/base, called from Python: the GRUB block and U-Boot's environments, by the same code that the
bootloader and the tugboot command run."""

import ctypes
import errno
import functools

import agree

GRUB_SIZE = 1024
SINGLE, REDUNDANT = 4, 5
INCREMENTAL = 0


class _Variable(ctypes.Structure):
    """The formats' variables alike: two pieces of the text."""

    _fields_ = [("name", ctypes.c_void_p), ("name_len", ctypes.c_size_t),
                ("value", ctypes.c_void_p), ("value_len", ctypes.c_size_t)]


@functools.lru_cache
def _library():
    library = agree.base_library()
    image = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    walk = [ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(_Variable)]
    arguments = {
        "ubootenv_check": image,
        "ubootenv_init": image,
        "ubootenv_seal": [*image, ctypes.c_uint8],
        "ubootenv_set": [*image, ctypes.c_char_p, ctypes.c_char_p],
        "ubootenv_unset": [*image, ctypes.c_char_p],
        "ubootenv_next": [*image, *walk],
        "ubootenv_choose": [ctypes.c_bool, ctypes.c_uint8] * 2 + [ctypes.c_int],
        "uenvtxt_check": [ctypes.c_void_p, ctypes.c_size_t],
        "uenvtxt_next": [ctypes.c_void_p, ctypes.c_size_t, *walk],
        "uenvtxt_value": [ctypes.POINTER(_Variable), ctypes.c_void_p, ctypes.c_size_t],
        "uenvtxt_set": [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.c_size_t,
                        ctypes.c_char_p, ctypes.c_char_p],
        "grubenv_init": [ctypes.c_void_p],
        "grubenv_check": [ctypes.c_void_p, ctypes.c_size_t],
        "grubenv_set": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p],
        "grubenv_unset": [ctypes.c_void_p, ctypes.c_char_p],
        "grubenv_next": [ctypes.c_void_p, ctypes.c_size_t, *walk],
        "grubenv_value": [ctypes.POINTER(_Variable), ctypes.c_void_p, ctypes.c_size_t],
    }
    for name, types in arguments.items():
        getattr(library, name).argtypes = types
    for name in ("ubootenv_next", "uenvtxt_next", "grubenv_next"):
        getattr(library, name).restype = ctypes.c_bool
    return library


class Grub:
    """A GRUB block; changes give 0 or a negative errno."""

    def __init__(self, data=None):
        self.library = _library()
        self.block = ctypes.create_string_buffer(GRUB_SIZE)
        if data is None:
            self.library.grubenv_init(self.block)
        else:
            agree.expect(len(data) == GRUB_SIZE, "a GRUB block has 1024 bytes", size=len(data))
            ctypes.memmove(self.block, data, GRUB_SIZE)

    def data(self):
        return self.block.raw

    def whole(self):
        return self.library.grubenv_check(self.block, GRUB_SIZE) == 0

    def set(self, name, value):
        return self.library.grubenv_set(self.block, name, value)

    def unset(self, name):
        return self.library.grubenv_unset(self.block, name)

    def pairs(self):
        """Name and value of every variable, in order."""
        position, variable, pairs = ctypes.c_size_t(0), _Variable(), []
        value = ctypes.create_string_buffer(GRUB_SIZE)
        while self.library.grubenv_next(self.block, GRUB_SIZE,
                                        ctypes.byref(position), ctypes.byref(variable)):
            length = self.library.grubenv_value(ctypes.byref(variable), value,
                                                GRUB_SIZE)
            pairs.append((ctypes.string_at(variable.name, variable.name_len),
                          value.raw[:length]))
        return pairs


class Uboot:
    """An image of U-Boot's environment; changes give 0 or a negative errno."""

    def __init__(self, size, form, data=None):
        self.library = _library()
        self.size, self.form = size, form
        self.image = ctypes.create_string_buffer(data or b"", size)
        if data is None:
            self.library.ubootenv_init(self.image, size, form)

    def data(self):
        return self.image.raw

    def flag(self):
        return self.image.raw[4]

    def whole(self):
        return self.library.ubootenv_check(self.image, self.size, self.form) == 0

    def set(self, name, value):
        return self.library.ubootenv_set(self.image, self.size, self.form, name, value)

    def unset(self, name):
        return self.library.ubootenv_unset(self.image, self.size, self.form, name)

    def seal(self, flag=0):
        self.library.ubootenv_seal(self.image, self.size, self.form, flag)

    def pairs(self):
        """Name and value of every variable, in order."""
        position, variable, pairs = ctypes.c_size_t(0), _Variable(), []
        while self.library.ubootenv_next(self.image, self.size, self.form,
                                         ctypes.byref(position), ctypes.byref(variable)):
            pairs.append((ctypes.string_at(variable.name, variable.name_len),
                          ctypes.string_at(variable.value, variable.value_len)))
        return pairs


class Text:
    """A text environment of U-Boot; changes give 0 or a negative errno."""

    MAX = 16 * 1024

    def __init__(self, data=b""):
        self.library = _library()
        self.text = ctypes.create_string_buffer(data, self.MAX)
        self.size = ctypes.c_size_t(len(data))

    def data(self):
        return self.text.raw[: self.size.value]

    def whole(self):
        return self.library.uenvtxt_check(self.text, self.size) == 0

    def set(self, name, value):
        """value None removes."""
        return self.library.uenvtxt_set(self.text, ctypes.byref(self.size), self.MAX, name, value)

    def pairs(self):
        """Name and value of every variable, in order."""
        position, variable, pairs = ctypes.c_size_t(0), _Variable(), []
        value = ctypes.create_string_buffer(self.MAX)
        while self.library.uenvtxt_next(self.text, self.size, ctypes.byref(position),
                                        ctypes.byref(variable)):
            length = self.library.uenvtxt_value(ctypes.byref(variable), value, self.MAX)
            pairs.append((ctypes.string_at(variable.name, variable.name_len),
                          value.raw[:length]))
        return pairs


def choose(images):
    """Which of two redundant images counts: 0, 1, or -1."""
    arguments = []
    for image in images:
        arguments += [image.whole(), image.flag()]
    return _library().ubootenv_choose(*arguments, INCREMENTAL)


def is_full(result):
    """Was a change refused for want of room? It was made otherwise."""
    agree.expect(result in (0, -errno.ENOSPC), "a change is made, or there is no room",
                 result=result)
    return result != 0
