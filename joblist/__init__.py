"""joblist."""
