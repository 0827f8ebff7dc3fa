"""Archives of recordings, judged on many machines by Ray Data. Needs the extra ``ray``.

``edgeser analyze --engine ray`` is the whole of it. ``places.py`` finds and opens recordings
wherever they are, ``parts.py`` writes results as Parquet, ``judge.py`` is what each worker does,
``job.py`` lets Ray run many of them, and ``command.py`` tells the user. Importing
this imports neither Ray nor pyarrow.
"""
