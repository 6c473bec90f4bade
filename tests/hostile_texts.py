"""Files of a mebibyte that are made to take long or to grow: for the tests of the limits, and for the benchmark."""

from __future__ import annotations

from topology_texts import HEAD, with_b

MIB = 1024 * 1024

MEBIBYTE_FILES = {
    "keys": "".join(f"k{i}: \n" for i in range(MIB // 9)),
    "duplicates": "a: 1\n" * (MIB // 5),
    "aliases": "a: &a x\nb: [" + "*a," * (MIB // 3 - 10) + "]",
    "anchors": "".join(f"- &a{i} x\n" for i in range(MIB // 14)),
    "tag lines": "".join(f"%TAG !a{i}! !x\n" for i in range(MIB // 16)),
    "one word": "a: " + "x" * (MIB - 3),
    "digits": "a: " + "9" * (MIB - 3),
    "base 60": "a: 1" + ":1" * (MIB // 2 - 2),
    "brackets": "[" * MIB,
    "comments": "#\n" * (MIB // 2),
    "tabs": "a:\n" + "\t" * (MIB - 3),
    "entries": HEAD + "clusters:\n" + "- {name: x}\n" * (MIB // 12 - 20),
    "unknown keys": HEAD + "clusters:\n- {" + ", ".join(f"kk{i}: 1" for i in range(MIB // 12)) + "}\n",
    "idc": with_b(f"scopes: {{idc: '{'a|' * (MIB // 2 - 200)}'}}"),
    "pattern": with_b(f"scopes: {{hostnames: ['{'(a' * (MIB // 2 - 200)}']}}"),
    "repetition": with_b(f"scopes: {{hostnames: ['{'a{9}' * (MIB // 4 - 200)}']}}"),
}
