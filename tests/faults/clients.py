"""Browsers without a browser: they speak Streamlit's websocket as its page does, ticks of live parts included.

Fifty real ones would need more cores than the dashboard. What these leave out is drawing: they read each message,
follow the clocks that the server sets for fragments, and keep what went wrong.
"""

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

LARGEST_MESSAGE = 200 * 1024 * 1024


def handshake(address: str, host: str, origin: str) -> bytes:
    """The status that answers an attempt to open the websocket under these names.

    Args:
        origin: empty for a caller that is no browser.
    """
    with socket.create_connection(address.removeprefix("http://").split(":")) as line:
        line.settimeout(30)
        asked = [
            "GET /_stcore/stream HTTP/1.1",
            f"Host: {host}",
            *([f"Origin: {origin}"] if origin else []),
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Protocol: streamlit",
        ]
        line.sendall("\r\n".join([*asked, "", ""]).encode())
        return line.recv(1000).split(b" ")[1]


@dataclass
class Seen:
    """What a client met: seconds until answers to visits and ticks, texts of exceptions that a page showed."""

    visits: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)


class Client:
    """One open page of a dashboard; `visit` goes to another one, as a click in the menu does."""

    def __init__(self, address: str, patience_seconds: float = 60.0, keep_elements: bool = False) -> None:
        self._url = address.replace("http", "ws") + "/_stcore/stream"
        self._origin = address
        self._patience = patience_seconds
        self._keep_elements = keep_elements
        self.seen = Seen()
        self._page_hash = ""
        self._query = ""
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.intervals: dict[str, float] = {}
        self.session = ""
        self._answered = asyncio.Event()
        self._busy = asyncio.Lock()

    async def __aenter__(self) -> "Client":
        self._socket: ClientConnection = await connect(
            self._url,
            origin=self._origin,
            subprotocols=["streamlit"],
            max_size=LARGEST_MESSAGE,
            open_timeout=60,
            proxy=None,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stop_clocks()
        for task in (self._reader, *self._tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()

    async def visit(self, page: str, query: str = "") -> float:
        """Open a page by its name in the address ("" for the first); returns the seconds until it was drawn."""
        async with self._busy:
            self._stop_clocks()
            self._page_hash, self._query = "", query
            message = BackMsg()
            message.rerun_script.page_name = page
            message.rerun_script.query_string = query
            taken = await self._ask(message)
        self.seen.visits.append(taken)
        return taken

    async def act(self, states: list[WidgetState]) -> float:
        """Set widgets, as a person's hand does, on the page that was visited last."""
        async with self._busy:
            message = BackMsg()
            message.rerun_script.page_script_hash = self._page_hash
            message.rerun_script.query_string = self._query
            message.rerun_script.widget_states.widgets.extend(states)
            return await self._ask(message)

    async def upload_urls(self, name: str) -> FileURLs:
        """Where a file of this name may be sent to."""
        message = BackMsg()
        message.file_urls_request.request_id = name
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session
        self._urls = asyncio.get_running_loop().create_future()
        await self._socket.send(message.SerializeToString())
        return await asyncio.wait_for(self._urls, self._patience)

    async def _tick(self, fragment: str, interval: float) -> None:
        """As the page's own clock, but for the ticks that come while an answer is due, which the server drops."""
        while True:
            await asyncio.sleep(interval)
            async with self._busy:
                if self._clocks.get(fragment) is not asyncio.current_task():
                    return  # the page was drawn anew, and has other clocks
                message = BackMsg()
                message.rerun_script.fragment_id = fragment
                message.rerun_script.is_auto_rerun = True
                message.rerun_script.page_script_hash = self._page_hash
                message.rerun_script.query_string = self._query
                self.seen.ticks.append(await self._ask(message))

    async def _ask(self, message: BackMsg) -> float:
        self._answered.clear()
        begin = time.monotonic()
        await self._socket.send(message.SerializeToString())
        try:
            await asyncio.wait_for(self._answered.wait(), self._patience)
        except TimeoutError:
            self.seen.lost.append(f"no answer within {self._patience:.0f} s")
        return time.monotonic() - begin

    async def _read(self) -> None:
        try:
            async for content in self._socket:
                message = ForwardMsg()
                message.ParseFromString(content)
                self._take(message)
        except ConnectionClosed as error:
            self.seen.lost.append(f"the server closed the connection: {error}")
            self._answered.set()

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.session = message.new_session.initialize.session_id
            if not message.metadata.run.fragment_ids:
                self._stop_clocks()
        elif kind == "navigation":
            self._page_hash = message.navigation.page_script_hash
        elif kind == "auto_rerun":
            self._set_clock(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "file_urls_response":
            self._urls.set_result(message.file_urls_response.file_urls[0])
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._clocks.pop(fragment, None)
        elif kind == "script_finished":
            if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self._answered.set()
        elif kind == "delta":
            element = message.delta.new_element
            if element.WhichOneof("type") == "exception":
                self.seen.exceptions.append(f"{element.exception.type}: {element.exception.message}")
            if self._keep_elements:
                self.seen.elements.append(element)

    def _set_clock(self, fragment: str, interval: float) -> None:
        if self.intervals.get(fragment) == interval and fragment in self._clocks:
            return
        self.intervals[fragment] = interval
        clock = self._clocks[fragment] = asyncio.create_task(self._tick(fragment, interval))
        self._tasks.add(clock)
        clock.add_done_callback(self._tasks.discard)

    def _stop_clocks(self) -> None:
        self._clocks.clear()
        self.intervals.clear()
