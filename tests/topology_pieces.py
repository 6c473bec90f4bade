"""Generated topology files of which is known, byte by byte, what belongs to which entry."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

# What people leave behind a value: blanks, comments with tabs in them, comments that look like entries.
ENDS = st.sampled_from(["", "", "", "  # of\ta tab", "\t# tab before", " # - name: x", "   ", "\t", " #: { [ &x *y '"])
FREE_COMMENTS = st.sampled_from(["# members\tof the fleet", "#", "#- name: z", "# {name: z}", "# é \U0001f600 \u2028"])
NAMES = "abcd"


@dataclass(frozen=True)
class Pieces:
    """A file in pieces.

    Attributes:
        before: Up to and with the line of ``clusters``.
        entries: The lines of each entry by its name, in the file's order, with the comments directly above.
        between: What stands above each entry and belongs to nobody: blank lines, comments with a blank line below.
        after: What follows the last entry.
        needed: Names of entries whose anchors others use.
        line_break: Of this file.
        is_open: The file's last line has no line break.
        bom: The mark at its beginning, or nothing.
    """

    before: str
    entries: dict[str, str]
    between: dict[str, str]
    after: str
    needed: frozenset[str]
    line_break: str
    is_open: bool
    bom: str

    def text(self, *, without: str = "") -> str:
        """Return the whole file, or what must be left of it without an entry."""
        parts = [self.before]
        for name, lines in self.entries.items():
            parts += [self.between[name], "" if name == without else lines]
        body = "".join([*parts, self.after])
        if self.is_open:
            body = body.rstrip("\n")
        return self.bom + body.replace("\n", self.line_break)

    def blank_lines_around(self, name: str) -> int:
        """Return how many blank lines stand directly above and below an entry."""
        following = [*self.entries, ""][list(self.entries).index(name) + 1]
        below = self.between[following] if following else self.after
        return self.between[name].count("\n") + len(below) - len(below.lstrip("\n"))


@st.composite
def pieces(draw: st.DrawFn) -> Pieces:
    """A topology of one to four entries, each with a look of its own."""
    count = draw(st.integers(1, 4))
    dash = draw(st.integers(0, 5))
    anchored = draw(st.booleans())
    entries, between, needed = {}, {}, set()
    for index, name in enumerate(NAMES[:count]):
        uses = anchored and index > 0 and draw(st.booleans())
        if uses:
            needed.add("a")
        above = draw(st.lists(FREE_COMMENTS, max_size=2)) if index and draw(st.booleans()) else []
        between[name] = "".join(f"{' ' * dash}{line}\n" for line in above) + "\n" if above else ""
        if index and not above and draw(st.booleans()):
            between[name] = "\n" * draw(st.integers(1, 2))
        own = draw(st.booleans()) and index > 0
        comment = f"{' ' * dash}# the {name}\t#{index}\n" if own else ""
        entries[name] = comment + draw(_entries(name, dash, anchored and index == 0, uses))
    top = draw(st.sampled_from(["", "# a fleet\n", "\n# a fleet\n\n", "---\n", "--- # of it\n"]))
    head = "apiVersion: dfmc.io/v1alpha1\nkind: Topology\nmetadata: {name: guide}\n"
    head += "chart:   { version: 1.7.4 }  # pinned\nmanager:\n    cluster: a\n"
    clusters = draw(st.sampled_from(["clusters:\n", "clusters:  # all\n", "clusters: &all\n", '"clusters":\n']))
    after = draw(
        st.sampled_from(["", "\n", "\n# the end\n", "defaults: {metrics: true}\n", "\n\ndefaults:\n  metrics: true\n"])
    )
    return Pieces(
        before=top + head + clusters,
        entries=entries,
        between=between,
        after=after,
        needed=frozenset(needed),
        line_break=draw(st.sampled_from(["\n", "\n", "\r\n"])),
        is_open=draw(st.booleans()),
        bom=draw(st.sampled_from(["", "", "\ufeff"])),
    )


@st.composite
def _entries(draw: st.DrawFn, name: str, dash: int, is_anchored: bool, uses: bool) -> str:
    """The lines of one entry: in block or flow style, with odd steps of indentation."""
    gap, step = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    written = draw(st.sampled_from([name, f"'{name}'", f'"{name}"']))
    fields = [f"name: {written}", f"context: 'the {name}: # 1'", f"namespace: n{name}"]
    labels = "labels: &look {x: y}" if is_anchored else "labels: *look" if uses else "labels: { x:  'y' }"
    if draw(st.booleans()):
        pairs = draw(st.permutations([*fields, labels] if is_anchored or uses else fields))
        joint = draw(st.sampled_from([", ", " ,  ", f",\n{' ' * (dash + gap + 3)}", f", # c\n{' ' * (dash + 2)}"]))
        opened = draw(st.sampled_from(["{", "{ ", f"{{\n{' ' * (dash + gap + 2)}"]))
        closed = draw(st.sampled_from(["}", " }", f"\n{' ' * (dash + 1)}}}"]))
        return f"{' ' * dash}-{' ' * gap}{opened}{joint.join(pairs)}{closed}{draw(ENDS)}\n"
    inner, deeper = " " * (dash + 1 + gap), " " * (dash + 1 + gap + step)
    more = draw(st.sampled_from([[], ["scopes:", f"{deeper}idc: '{name}|x'"], ["tolerations:", f"{inner}- key: k"]]))
    first, *rest = draw(st.permutations([*fields, labels] if is_anchored or uses else fields))
    lines = [f"{' ' * dash}-{' ' * gap}{first}{draw(ENDS)}"]
    for line in rest:
        if draw(st.integers(0, 5)) == 0:
            lines.append(draw(st.sampled_from(["", f"{inner}# inside\tit", "  # not indented enough" if dash else ""])))
        lines.append(f"{inner}{line}{draw(ENDS)}")
    if more:
        lines += [f"{inner}{more[0]}{draw(st.sampled_from(['', ' # of it']))}", f"{more[1]}{draw(ENDS)}"]
    if draw(st.integers(0, 3)) == 0:
        lines += [f"{inner}values:", f"{deeper}x: |-", f"{deeper}    # no comment\tbut text", f"{deeper}    - name: z"]
    return "\n".join(lines) + "\n"
