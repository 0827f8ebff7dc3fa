"""The TACN step compared with other runtimes and with reading its weights once."""
