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

# Small files that would grow beyond all bounds if they were written out.
BOMBS = {
    "alias bomb": "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)),
    "merge bomb": "a: &a {" + ", ".join(f"k{i}: 1" for i in range(20_000)) + "}\nb:\n" + "- <<: *a\n" * 20_000,
    "large defaults": f"{HEAD}defaults: {{nodeSelector: {{{', '.join(f'k{i}: x' for i in range(5000))}}}}}\nclusters:\n"
    + "".join(f"- {{name: c{i}, context: x, namespace: n{i}}}\n" for i in range(200)),
}
