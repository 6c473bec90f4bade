"""The checks of ``dfmc doctor``: data and pure functions, one file a subject.

``facts`` is what was gathered, ``model`` what a check is and how checks are run over facts, ``table`` lists all of
them. A check knows no client: what it looks at was read before, once for all.
"""
