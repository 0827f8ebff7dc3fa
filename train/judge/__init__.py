"""What a user gets: a bundle judged through the SDK's own streams, on recordings in sessions."""
