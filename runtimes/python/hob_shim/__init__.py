"""The Python shim: loads user code inside a worker and answers the daemon's calls.

    supervisor  PID 1: keeps the slots alive, reaps, reports how they ended
    processes   what the supervisor knows of other processes: /proc, groups, the out-of-memory counter
    slot        one process with one call in flight: load, invoke, reply
    conventions how a call becomes a call of the user's function
    failures    exceptions as the daemon wants to read them
    output      everything printed, on its way to the daemon
    frames      the wire

Only the standard library, Python 3.8 and later, and few modules of it: what is imported here is
paid for by every worker. Nothing in here may assume that user code is friendly.
"""
