"""Archives of recordings, processed on many machines by Ray Data. Needs the extra ``ray``.

This is ``edgeser analyze --engine ray``. ``places.py`` finds and opens recordings in folders and
object stores, ``parts.py`` writes Parquet, ``judge.py`` is a worker, ``job.py`` runs workers with
Ray, and ``command.py`` is the user interface. Importing
this imports neither Ray nor pyarrow.
"""
