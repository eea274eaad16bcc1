"""One folder per API that callers may speak; what they share stands beside the folders."""
