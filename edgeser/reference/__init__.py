"""The model and its streams in plain NumPy: slow, short, in the natural order of the formulas.

What every backend is held against. Nothing here is used while streaming.
"""
