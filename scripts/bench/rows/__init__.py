"""The rows of the table, a file each: `row(peers)` says what is compared, and what it must reach."""
