#!/usr/bin/env python3
"""Write worker/proto/saslprep_table.h.

    python3 t/gen/saslprep.py > worker/proto/saslprep_table.h

The classes are those of RFC 3454's tables as RFC 4013 uses them.  What is
unassigned in Unicode 3.2 is prohibited, so the normalisation needs no more
than the characters of that version; those never change any more.
"""
import stringprep as sp
import unicodedata as ud

LAST = 0x110000
SPACE, NOTHING, PROHIBITED, RANDAL, LCAT = 1, 2, 3, 4, 5
COLUMNS = 80 - 8


def is_surrogate(c):
    return 0xD800 <= c < 0xE000


def is_hangul(c):
    return 0xAC00 <= c < 0xD7A4


def is_assigned(c):
    return not is_surrogate(c) and not sp.in_table_a1(chr(c))


def class_of(c):
    ch = chr(c)
    if sp.in_table_c12(ch):
        return SPACE
    if sp.in_table_b1(ch):
        return NOTHING
    if (sp.in_table_c21_c22(ch) or sp.in_table_c3(ch) or sp.in_table_c4(ch)
            or sp.in_table_c5(ch) or sp.in_table_c6(ch) or sp.in_table_c7(ch)
            or sp.in_table_c8(ch) or sp.in_table_c9(ch)
            or sp.in_table_a1(ch)):
        return PROHIBITED
    if sp.in_table_d1(ch):
        return RANDAL
    if sp.in_table_d2(ch):
        return LCAT
    return 0


def ranges(of, shift):
    """One number for each place where the value changes."""
    out, last = [], 0
    for c in range(LAST):
        v = of(c)
        if v != last:
            out.append(c << shift | v)
            last = v
    return out


def utf16(text):
    raw = text.encode("utf-16-be")
    return [raw[i] << 8 | raw[i + 1] for i in range(0, len(raw), 2)]


def decompositions():
    found = {}
    for c in range(LAST):
        if is_assigned(c) and not is_hangul(c):
            d = ud.normalize("NFKD", chr(c))
            if d != chr(c):
                found[c] = utf16(d)
    pool, places, entries = [], {}, []
    # the longest first: others may be their tails
    for d in sorted(set(map(tuple, found.values())), key=lambda d: (-len(d), d)):
        if d in places:
            continue
        for i in range(len(d)):
            places.setdefault(d[i:], len(pool) + i)
        pool += d + (0,)
    assert len(pool) < 1 << 14
    for c in sorted(found):
        entries.append(c << 14 | places[tuple(found[c])])
    return entries, pool


def pairs():
    out = []
    for c in range(LAST):
        if not is_assigned(c) or is_hangul(c):
            continue
        d = ud.decomposition(chr(c)).split()
        if len(d) == 2 and d[0][0] != "<" and ud.normalize("NFC", chr(c)) == chr(c):
            out.append((int(d[0], 16), int(d[1], 16), c))
    return [v for triple in sorted(out) for v in triple]


def array(kind, name, numbers, width):
    print(f"\nstatic const {kind} {name}[] = {{")
    line = ""
    for v in numbers:
        word = f"0x{v:0{width}x},"
        if len(line) + 1 + len(word) > COLUMNS:
            print("\t" + line)
            line = ""
        line += (" " if line else "") + word
    print("\t" + line)
    print("};")


entries, pool = decompositions()
print("/*")
print(" * saslprep_table.h - made by t/gen/saslprep.py: for saslprep.c alone.")
print(" *")
print(" * classes         first << 3 | class, up to the next")
print(" * combining       first << 8 | canonical combining class, likewise")
print(" * decomposed      character << 14 | place in decomposition")
print(" * decomposition   UTF-16, each ended by 0; compatibility, to the end")
print(" * composed        first, second, both in one; sorted")
print(" */")
print("#ifndef WORKER_PROTO_SASLPREP_TABLE_H")
print("#define WORKER_PROTO_SASLPREP_TABLE_H")
print("\n#include <stdint.h>")
print("\n/* clang-format off */")
array("uint32_t", "classes", ranges(class_of, 3), 6)
array("uint32_t", "combining",
      ranges(lambda c: ud.combining(chr(c)) if is_assigned(c) else 0, 8), 7)
array("uint32_t", "decomposed", entries, 8)
array("uint16_t", "decomposition", pool, 4)
array("uint16_t", "composed", pairs(), 4)
print("\n/* clang-format on */")
print("\n#endif")
