"""A model for somebody's own emotions and voices, from a parent's front end and sequence model."""
