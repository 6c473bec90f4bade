"""From releases and records that somebody made by hand to a topology file: ``dfmc import``. Pure.

``found.py`` is what was seen. ``world.py`` says which release is the central one, which record stands for which other
one, and what in that needs a word of warning. ``settings.py`` turns values into the file's typed fields where dfmc
would render just these values from them; ``leftovers.py`` keeps the rest as raw values and says what cannot be kept.
``document.py`` puts the file together (``exposing.py``: how members reach the manager); ``explaining.py`` says what
``up --adopt`` will still change and why: it asks the planner itself. ``text.py`` writes it all down.
"""
