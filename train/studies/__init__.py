"""Studies of the models. They write the reports in ``docs``; training never imports them.

* ``reproduce``: the paper's tables and figures on open data.
* ``curve``: smaller and larger models.
* ``precision``: lower precision.
* ``report``: helpers that the studies share: test conditions, tables, figures.
* ``shortcut.py``: how much the noise floor reveals about the emotion.
* ``baseline.py``: the usual baseline, eGeMAPS and a support vector machine.
* ``research.py``: a model trained with a corpus whose licence keeps it out of the wheel.
* ``strangers.py``: temperature and confidence threshold, chosen on corpora left out of training.
"""
