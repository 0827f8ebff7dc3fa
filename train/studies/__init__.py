"""What only writes reports: studies of the models, whose figures are in ``docs``.

``reproduce`` compares with the paper, ``curve`` tries sizes, ``precision`` tries lower precision,
``report`` has what they share. ``shortcut.py`` looks into what a model hears of a corpus,
``baseline.py`` is the usual other way, and ``research.py`` trains with a corpus whose licence keeps
it out of the wheel. Nothing of training imports this.
"""
