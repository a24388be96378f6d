"""A TCP proxy in front of a server, which can make the server be away, silent, slow, mute or broken."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from enum import StrEnum
from typing import Any, TypeVar

T = TypeVar("T")

_CHUNK = 65536
_SLOW_SECONDS = 0.05  # for each chunk, each way
_ANSWER_500 = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LINGER_SECONDS = 0.2


class Mode(StrEnum):
    """What becomes of connections, old and new."""

    OPEN = "open"  # passed on
    AWAY = "away"  # dropped, and refused
    BLACK_HOLE = "black hole"  # kept, while nothing passes either way
    MUTE = "mute"  # requests arrive, answers do not: who asked never learns what became of it
    SLOW = "slow"
    HTTP_500 = "http 500"  # every request is answered with 500, without the server


class Proxy:
    """Listens on `port` of 127.0.0.1 and passes connections on to `target_port`.

    Runs in a thread of its own; `set` may be called from any. What stood in the way of a connection ends it for good:
    on leaving BLACK_HOLE and MUTE the connections of that time are reset.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._mode = Mode.OPEN
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.port = 0
        self._call(self._listen())

    @property
    def mode(self) -> Mode:
        """What it does at present."""
        return self._mode

    def set(self, mode: Mode) -> None:
        """Change what becomes of connections, those included that are open now."""
        self._call(self._change(mode))

    def close(self) -> None:
        """Drop everything and end the thread."""
        self._call(self._change(Mode.AWAY))
        self._call(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, action: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(action, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _change(self, mode: Mode) -> None:
        before, self._mode = self._mode, mode
        if mode is Mode.AWAY and self._server is not None:
            self._server.close()
            self._server = None
        elif mode is not Mode.AWAY and self._server is None:
            await self._listen()
        if mode in (Mode.AWAY, Mode.HTTP_500) or before in (Mode.BLACK_HOLE, Mode.MUTE):
            for writer in list(self._connections):
                writer.transport.abort()
        await asyncio.sleep(0)

    async def _finish(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Of a handler that ends as cancelled, as all do in the end, asyncio prints a traceback.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if self._mode is Mode.HTTP_500:
                await self._answer_500(reader, writer)
            else:
                await self._pass_on(reader, writer)
        writer.close()  # what is written arrives before the end

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        pair = {writer, server_writer}
        self._connections |= pair
        pumps = [
            asyncio.create_task(self._pump(reader, server_writer, answers=False)),
            asyncio.create_task(self._pump(server_reader, writer, answers=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._connections -= pair
            server_writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await source.read(_CHUNK):
            if self._mode is Mode.SLOW:
                await asyncio.sleep(_SLOW_SECONDS)
            if self._mode is Mode.BLACK_HOLE or (answers and self._mode is Mode.MUTE):
                continue  # swallowed; the connection is reset on leaving the mode
            sink.write(data)
            await sink.drain()

    async def _answer_500(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER_500)
        await writer.drain()
        writer.write_eof()
        # A connection that is closed with unread data is reset, and the answer with it.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while await reader.read(_CHUNK):
                    pass
