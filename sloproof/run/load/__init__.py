"""Load: arrivals in an open loop, by Locust in a process of its own; raw records, read back.

Engine's side: `process` (drive the child), `spec` (what to do), `schedule` (when), `records` and
`live` (what happened). Child's side, never imported elsewhere, as Locust patches its process:
`child`, `master`, `worker` and what they stand on.
"""
