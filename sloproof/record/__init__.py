"""The folder a run leaves behind: writing it, sealing it, reading it.

Heavy libraries (numpy, pyarrow, pandas) are imported only by the functions that need them.
"""
