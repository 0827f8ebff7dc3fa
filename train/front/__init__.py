"""Trains the front end on a GPU: several sizes at once, from compact data."""
