"""Camera pictures, faces, and when they were taken."""
