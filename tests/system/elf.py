# SPDX-License-Identifier: LGPL-2.1-or-later
"""Facts in an ELF file about how it was built: 64 bits, the byte order of this machine."""

import re
import struct

ET_DYN, PT_LOAD, PT_DYNAMIC, PT_INTERP = 3, 1, 2, 3
PT_GNU_STACK, PT_GNU_RELRO = 0x6474e551, 0x6474e552
PF_X, PF_W = 1, 2
DT_NULL, DT_NEEDED, DT_RPATH, DT_BIND_NOW, DT_TEXTREL, DT_RUNPATH, DT_FLAGS = 0, 1, 15, 24, 22, 29, 30
DT_FLAGS_1 = 0x6ffffffb
DF_BIND_NOW, DF_TEXTREL, DF_1_NOW, DF_1_PIE = 0x8, 0x4, 0x1, 0x08000000
SHT_SYMTAB, SHT_DYNSYM = 2, 11
EM_X86_64 = 62


class Elf:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        assert self.data[:5] == b"\x7fELF\x02", f"{path} is not an ELF file of 64 bits"
        self.type, self.machine = struct.unpack_from("<HH", self.data, 16)
        phoff, shoff = struct.unpack_from("<QQ", self.data, 32)
        phsize, phnum, shsize, shnum, self.names = struct.unpack_from("<HHHHH", self.data, 54)
        # type, flags, offset, address, physical address, size in the file, size in memory, alignment
        self.segments = [struct.unpack_from("<IIQQQQQQ", self.data, phoff + i * phsize) for i in range(phnum)]
        # name, type, flags, address, offset, size, link, info, alignment, size of an entry
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + i * shsize) for i in range(shnum)]

    def segment(self, kind):
        return next((s for s in self.segments if s[0] == kind), None)

    def loads(self):
        return [s for s in self.segments if s[0] == PT_LOAD]

    def dynamic(self):
        """Tag → values."""
        found, segment = {}, self.segment(PT_DYNAMIC)
        for at in range(segment[2], segment[2] + segment[5], 16):
            tag, value = struct.unpack_from("<QQ", self.data, at)
            if tag == DT_NULL:
                break
            found.setdefault(tag, []).append(value)
        return found

    def text(self, offset):
        return self.data[offset:self.data.index(b"\0", offset)].decode()

    def content(self, name):
        """Of the section of this name; empty where there is none."""
        for s in self.sections:
            if self.text(self.sections[self.names][4] + s[0]) == name:
                return self.data[s[4]:s[4] + s[5]]
        return b""

    def symbols(self):
        found = set()
        for s in self.sections:
            if s[1] in (SHT_SYMTAB, SHT_DYNSYM):
                strings = self.sections[s[6]][4]
                for at in range(s[4], s[4] + s[5], 24):
                    found.add(self.text(strings + struct.unpack_from("<I", self.data, at)[0]))
        return found

    def code(self):
        return b"".join(self.data[s[2]:s[2] + s[5]] for s in self.loads() if s[1] & PF_X)

    def compilers(self):
        """The command lines of the compiler that the debugging information has; none of what is stripped."""
        texts = self.content(".debug_str") + b"\0" + self.content(".debug_line_str")
        return [m.decode() for m in re.findall(rb"GNU C\d+ [^\0]*", texts)]
