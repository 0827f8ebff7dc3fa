"""The TACN step beside other runtimes and beside reading its weights once."""
