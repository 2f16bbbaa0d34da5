"""A page for a person at a desk: what live identification sees, in a browser."""
