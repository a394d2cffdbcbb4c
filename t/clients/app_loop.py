"""app_loop.py - what the applications over asyncio share: all members in one
loop, each of which does every step, all of them at the same time."""

import asyncio

import app_frame as app


async def outcome(step, c, n):
    try:
        await asyncio.wait_for(step(c, n), app.STEP_S)
    except BaseException as e:  # a cancellation, too, is no good end
        return e
    return None


async def run(steps, connect, drop):
    """connect() gives a member, drop(member) ends it whatever its state.  A
    member whose step fails is replaced: each step stands for itself."""
    chosen = app.choose(steps)
    crowd = await asyncio.gather(*(connect() for _ in range(app.CROWD)))
    print("ok connect", flush=True)
    for step in chosen:
        ends = await asyncio.gather(*(outcome(step, c, n) for n, c in enumerate(crowd)))
        app.tell(step.__name__, ends)
        for n, e in enumerate(ends):
            if e is not None:
                await drop(crowd[n])
                crowd[n] = await connect()
    for c in crowd:
        await c.close()
