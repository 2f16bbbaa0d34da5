"""Recognition: the student alone, on frames from a file or a stream. No face code in here."""
