"""Adding and removing entries of generated files, byte by byte.

The files have comments with tabs, anchors and aliases, flow style, odd indentation, either kind of line ends, marks at
their beginning and no line break at their end; of each byte is known whose it is.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from dfmc.errors import DfmcError, TopologyError
from dfmc.topology.edit import insert_cluster
from dfmc.topology.nodes import plain
from dfmc.topology.parse import parse
from dfmc.topology.removal import remove_cluster
from topology_pieces import NAMES, Pieces, pieces
from topology_texts import load, new_entries

thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def clusters_of(text: str) -> list[str]:
    root = parse(text).root
    assert root is not None
    return [json.dumps(one, sort_keys=True) for one in plain(root)["clusters"]]


def written_lines(text: str) -> list[str]:
    """Every line with its end, but for those that are blank; the end of the last one is the file's."""
    lines = [line for line in text.split("\n") if line.strip()]
    return [line.removesuffix("\r") for line in lines]


@thorough
@given(pieces(), new_entries)
def test_every_byte_that_is_not_the_new_entrys_stays(file: Pieces, entry: dict[str, Any]) -> None:
    text = file.text()
    edited = insert_cluster(load(text), entry)
    length = len(edited) - len(text)
    places = [at for at in range(len(text) + 1) if edited[:at] + edited[at + length :] == text]
    assert places, "bytes outside of one insertion changed"
    assert any(str(entry["name"]) in edited[at : at + length] for at in places)
    assert clusters_of(edited)[:-1] == clusters_of(text)
    if file.line_break == "\r\n":
        assert edited.count("\n") == edited.count("\r\n")


@thorough
@given(pieces(), st.sampled_from(NAMES))
def test_every_byte_that_is_not_the_old_entrys_stays(file: Pieces, name: str) -> None:
    text = file.text()
    if name not in file.entries or len(file.entries) == 1:
        event("nothing to remove")
        return
    if name in file.needed:
        with pytest.raises(DfmcError, match="cannot take a out of"):
            remove_cluster(load(text), name)
        return
    edited, wanted = remove_cluster(load(text), name), file.text(without=name)
    assert written_lines(edited) == written_lines(wanted)
    # Of the blank lines around the entry some may go, and none may come.
    assert edited.count("\n") <= wanted.count("\n") + 1
    assert wanted.count("\n") - edited.count("\n") <= file.blank_lines_around(name)
    assert edited.startswith("\ufeff") == text.startswith("\ufeff")
    assert edited.endswith("\n") == text.endswith("\n")
    if file.line_break == "\r\n":
        assert edited.count("\n") == edited.count("\r\n")


@thorough
@given(pieces(), new_entries)
def test_what_was_added_and_removed_again_leaves_the_file_as_it_was(file: Pieces, entry: dict[str, Any]) -> None:
    text = file.text()
    try:
        added = load(insert_cluster(load(text), entry))
    except TopologyError as refused:
        event(f"refused: {refused.diagnostics[0].message}")  # the entry itself is no cluster's
        return
    again = remove_cluster(added, entry["name"])
    assert written_lines(again) == written_lines(text)
    assert again.endswith("\n") == text.endswith("\n")
