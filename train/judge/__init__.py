"""Evaluates a bundle through the SDK's own streams, on recordings in sessions, as users get it."""
