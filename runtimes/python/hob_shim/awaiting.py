"""Async functions and generators, called from code that is not async. One event loop for each slot,
kept between calls: what a function opened in one call is still usable in the next.

`asyncio` costs 20 ms and more, so it is imported at the first need: while loading, when the function is async.
"""

_COROUTINE = 0x80  # flags of code objects: `async def`,
_ASYNC_GENERATOR = 0x200  # and `async def` with `yield`

_loop = None


def expect(function):
    """Gets ready while the code is loaded, if this function will need it."""
    code = getattr(function, "__code__", None)
    if getattr(code, "co_flags", 0) & (_COROUTINE | _ASYNC_GENERATOR):
        _the_loop()


def is_awaitable(value):
    """Whether this is a coroutine, a future or the like."""
    return hasattr(type(value), "__await__")


def wait(awaitable):
    """Its result."""
    return _the_loop().run_until_complete(_await(awaitable))


def settled(value):
    """The value itself, or what it comes to when it is awaited."""
    return wait(value) if is_awaitable(value) else value


def is_stream(value):
    """Whether this is an iterator: its values come one after the other, like a generator's."""
    return hasattr(type(value), "__next__") or hasattr(type(value), "__anext__")


def each(iterator):
    """The values of an iterator of either kind."""
    if hasattr(type(iterator), "__next__"):
        return iterator
    return _each_awaited(iterator)


def _each_awaited(iterator):
    while True:
        try:
            value = wait(iterator.__anext__())
        except StopAsyncIteration:
            return
        yield value


async def _await(awaitable):
    return await awaitable


def _the_loop():
    global _loop
    if _loop is None or _loop.is_closed():
        import asyncio
        _loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_loop)
    return _loop
