"""Raw files: one byte stream over parts, headers and losses, as frames."""
