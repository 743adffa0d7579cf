"""One figure a file; each has a `FIGURE`. A new file here is a new figure, nothing else changes."""
