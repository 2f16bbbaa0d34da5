"""What is this file? Layout, frames, losses and health out of the bytes."""
