"""Streaming speech emotion recognition for the edge."""
