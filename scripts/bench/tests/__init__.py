"""Claims about the arithmetic and the order of the bench; nothing here measures."""
