"""Viewers of a live page, without browsers: `python -m singleshot.tools.benchmarks.live_viewers URL KIND COUNT`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Literal, get_args

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ViewerKind = Literal["idle", "asleep", "looking"]
"""A tab in the background; a machine that sleeps, whose connection stays; one that draws at once."""


async def _look(url: str, kind: ViewerKind, ready: asyncio.Semaphore) -> None:
    async with connect(f"ws{url.removeprefix('http')}viewer", origin=url.rstrip("/"), max_queue=2) as socket:  # type: ignore[arg-type]
        await socket.recv()
        state = json.loads(await socket.recv())
        names = [camera["name"] for camera in state["cameras"]]
        await socket.send(json.dumps({"took": "state", "watch": [] if kind == "idle" else names}))
        ready.release()
        if kind == "asleep":
            await asyncio.Event().wait()
        await _take(socket)


async def _take(socket: ClientConnection) -> None:
    try:
        async for message in socket:
            took = "state"
            if isinstance(message, bytes):
                took = json.loads(message[2 : 2 + int.from_bytes(message[:2], "big")])["camera"]
            await socket.send(json.dumps({"took": took}))
    except ConnectionClosed:
        return


async def look(url: str, kind: ViewerKind, count: int) -> None:
    """Look until killed; print `ready` when all are connected."""
    ready = asyncio.Semaphore(0)
    viewers = [asyncio.create_task(_look(url, kind, ready)) for _ in range(count)]
    for _ in range(count):
        await ready.acquire()
    print("ready", flush=True)
    await asyncio.gather(*viewers, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(look(sys.argv[1], next(kind for kind in get_args(ViewerKind) if kind == sys.argv[2]), int(sys.argv[3])))
