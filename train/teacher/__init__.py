"""A speech recogniser's encoder as a teacher: what the front end is pre-trained to predict."""
