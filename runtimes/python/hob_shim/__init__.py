"""The shim: loads user code inside a worker and answers the daemon's calls.

    supervisor    PID 1: keeps the slots alive, reaps, reports how they ended
    processes     what the supervisor knows of other processes: /proc, groups, the out-of-memory counter
    slot          one process with one call in flight: load, invoke, reply
    output        everything printed, on its way to the daemon
    bodies        bodies in pieces, both ways
    failures      exceptions as the daemon wants to read them
    frames        the wire

What is Python's own; another language brings a module of its own in the place of `python`:

    python        finds the entry and imports it
    kwargs, event_context, context_event
                  the calling conventions, one each
    calls         what the header of a call says, in forms that conventions share
    answers       what conventions share of answering: headers, content types, streams
    awaiting      async functions and generators
    nuclio, logger, libraries/
                  what functions of context-event are given and may import
    standalone, front
                  HTTP without a daemon: an image that runs by itself

A language is a module with `NAME`, `VERSION`, `CONVENTIONS` (their names), `DEFAULT_CONVENTION`,
`STREAMS_INPUT` and two functions. `prepare(load)` loads what the load frame names (its header, and `slot`, a number) and gives
back `answer(invoke, body) -> (status, headers, body)`: the invoke frame's header and the body in; out
come the status, the headers as the bytes of a JSON list, and bytes or a `bodies.Stream`. A body above
64 KiB comes whole, or as a `bodies.Request` where `STREAMS_INPUT` is true; then `answer` must read all
of it. It raises BadInput or NotJson; anything else it lets through is the function's own exception.
`explain(load, error)` may put the message of a failed load in better words.

Only the standard library, Python 3.8 and later, and few modules of it: what is imported here is
paid for by every worker. Nothing in here may assume that user code is friendly.
"""
