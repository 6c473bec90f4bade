"""The topology file: model, loading with positions, rules across entries, editing in place. Pure: no I/O but the file.

``load`` is the way in; ``parse`` turns text into nodes, ``merge`` lays ``defaults`` under the entries, ``problems``
words what the model refuses, ``check`` holds the rules across entries, ``edit`` splices an entry into the text.
"""
