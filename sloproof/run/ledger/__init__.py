"""The ledger: writes of known fate, read back from every copy before anything is restored.

A process of its own makes the writes open loop (`writing.py`, `http_writer.py`, `sql_writer.py`),
keeps a row of each (`rows.py`), and reads every copy back at the end (`reading.py`); the engine
drives it through a folder (`driver.py`). What the numbers mean is said where they are judged, in
`sloproof.judge.ledger`.
"""
