"""The built-in checks: claims about a record, one kind a file."""
