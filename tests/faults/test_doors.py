"""Who may come in: a real server, started as the README says, asked for what it must not give."""

import asyncio
import contextlib
import http.client
import io
import os
import re
import socket
import threading
import tomllib
from pathlib import Path

import psutil
import pytest
from PIL import Image, PngImagePlugin
from streamlit.proto.Common_pb2 import FileUploaderState, UploadedFileInfo
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from core.paths import ROOT
from tests.chromium import served
from tests.faults.clients import Client, handshake
from tests.faults.soak import PAGES, serving

pytestmark = pytest.mark.faults

SECRET = "the-words-that-nobody-may-read"
MEGABYTE = 1024 * 1024
MOST_MEGABYTES = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"]["maxUploadSize"]
HUNG_UP = 0
"""In place of a status: a server need not read a body to its end to refuse it."""

HOSTILE = [
    "../../secret.txt",
    "..%2F..%2Fsecret.txt",
    "%2e%2e%2f%2e%2e%2fsecret.txt",
    "..%5c..%5csecret.txt",
    "%2Fetc%2Fpasswd",
    "file:///etc/passwd",
    "%00",
    "a%0d%0aSet-Cookie:%20a=b",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "%F0%9F%94%9F",
    "%ff%fe",
    "0" * 32,
    "x" * 5000,
]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Runs and data two folders below a secret, which a path that climbs would reach."""
    home = tmp_path_factory.mktemp("doors")
    (home / "secret.txt").write_text(SECRET)
    (home / "runs").mkdir()
    (home / "runs" / "secret.txt").write_text(SECRET)
    return home


@pytest.fixture(scope="module")
def trap():
    """A proxy for the world outside: how often somebody tried to reach it."""
    listener = socket.create_server(("127.0.0.1", 0))
    calls: list[bytes] = []

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                calls.append(caller.recv(1000))
                caller.close()

    threading.Thread(target=answer, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", calls
    listener.close()


@pytest.fixture(scope="module")
def address(home, trap):
    """As the README starts it: only the port is another one, and no browser is opened."""
    environment = {
        "TENFOLD_RUNS": str(home / "runs"),
        "TENFOLD_DATA": str(home / "data"),
        "TENFOLD_EXECUTOR": "inline",
        "HOME": str(home),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), trap[0]),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),
    }
    with served("dashboard.py", ROOT, home / "server.log", environment, options=()) as address:
        asyncio.run(_visit_once(address))
        yield address
    # Streamlit logs what it could not parse with a traceback of its own; none may go through our code. A virtual
    # environment may lie beside that.
    own = "|".join(re.escape(str(ROOT / name)) for name in ("dashboard.py", "pages", "core"))
    assert not re.search(f'File "({own})', (home / "server.log").read_text())


async def _visit_once(address: str) -> None:
    async with Client(address) as client:
        await client.visit("")


def ask(
    address: str, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers; the path is sent as it is, dots and all."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, names, encode_chunked="Transfer-Encoding" in names)
        answer = connection.getresponse()
        content = answer.read()
    except ConnectionError:
        return HUNG_UP, b"", {}
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def innocent(content: bytes) -> bool:
    """Neither the secret, nor the machine's own files, nor a traceback, nor our code."""
    marks = (SECRET.encode(), b"root:x:0", b"Traceback (most recent", b"def main() -> None")
    return not any(mark in content for mark in marks)


def test_listens_on_this_machine_only(address):
    listening = [
        item for item in serving(address).net_connections("inet") if item.status == psutil.CONN_LISTEN
    ]
    assert {item.laddr.ip for item in listening} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("host", "origin", "welcome"),
    [
        (None, None, True),
        ("127.0.0.1", "http://127.0.0.1", True),
        ("localhost:1", "http://localhost:1", True),
        ("evil.example", "http://evil.example", False),
        ("127.0.0.1.evil.example", None, False),
        ("evil.example:8501", None, False),
        ("user@127.0.0.1", None, False),
        (None, "http://evil.example", False),
        (None, "https://127.0.0.1.evil.example", False),
        (None, "null", False),
        (None, "file://", False),
    ],
)
def test_websocket_opens_for_this_machines_pages_alone(address, trap, host, origin, welcome):
    place = address.removeprefix("http://")
    status = handshake(address, host or place, origin)
    assert status == (b"101" if welcome else b"403")
    assert trap[1] == [], "the server asked somebody outside"


def test_other_sites_get_no_leave_to_read_answers(address):
    for path in ("/", "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/media/x.png"):
        _, _, headers = ask(address, "GET", path, Origin="http://evil.example")
        assert headers.get("access-control-allow-origin", "") not in ("*", "http://evil.example"), path


def test_upload_needs_token_session_and_size(address):
    async def go() -> None:
        async with Client(address) as client:
            await client.visit("classify")
            urls = await client.upload_urls("a.png")
            cookie = (await asyncio.to_thread(ask, address, "GET", "/_stcore/health"))[2]["set-cookie"]
            token = cookie.split("=", 1)[1].split(";")[0]
            signed = {"Cookie": f"_streamlit_xsrf={token}", "X_Xsrftoken": token}

            async def put(body: object, url: str = urls.upload_url, **headers: str) -> int:
                kind = "multipart/form-data; boundary=b"
                return (
                    await asyncio.to_thread(ask, address, "PUT", url, body, Content_Type=kind, **headers)
                )[0]

            assert await put(multipart(b"x")) == 403
            assert await put(multipart(b"x"), Cookie=signed["Cookie"]) == 403
            assert await put(multipart(b"x"), X_Xsrftoken=token) == 403
            assert await put(multipart(b"x"), **{**signed, "X_Xsrftoken": "2|00000000|00|1"}) == 403
            elsewhere = urls.upload_url.replace(client.session, "0" * 32)
            assert await put(multipart(b"x"), elsewhere, **signed) == 400
            assert await put(multipart(b"x"), **signed) == 204
            assert await put(multipart(bytes((MOST_MEGABYTES + 1) * MEGABYTE)), **signed) in (413, HUNG_UP)
            pieces = (bytes(MEGABYTE) for _ in range(MOST_MEGABYTES + 5))
            assert await put(chunked(pieces), **signed, Transfer_Encoding="chunked") in (413, HUNG_UP)
            status, content, _ = await asyncio.to_thread(ask, address, "GET", urls.upload_url)
            assert status in (404, 405) or b"<title>Streamlit</title>" in content

    asyncio.run(go())


def multipart(content: bytes, name: str = "a.png") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + content + b"\r\n--b--\r\n"


def chunked(pieces):
    yield multipart(b"")[: -len(b"\r\n--b--\r\n")]
    yield from pieces


def test_upload_is_never_served_as_it_came(address):
    """A PNG that is a web page as well: what comes back was drawn anew from its pixels."""
    page = b"<html><script>window.hacked = 1</script></html>"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", page.decode())
    buffer = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(buffer, "PNG", pnginfo=text)
    original = buffer.getvalue() + page

    async def go() -> list[str]:
        async with Client(address, patience_seconds=120, keep_elements=True) as client:
            await client.visit("classify")
            uploader = next(
                e.file_uploader for e in client.seen.elements if e.WhichOneof("type") == "file_uploader"
            )
            urls = await client.upload_urls("<img src=x onerror=alert(1)>.png")
            cookie = (await asyncio.to_thread(ask, address, "GET", "/_stcore/health"))[2]["set-cookie"]
            token = cookie.split("=", 1)[1].split(";")[0]
            headers = {"Cookie": f"_streamlit_xsrf={token}", "X_Xsrftoken": token}
            headers["Content_Type"] = "multipart/form-data; boundary=b"
            body = multipart(original, "x.png")
            status, _, _ = await asyncio.to_thread(ask, address, "PUT", urls.upload_url, body, **headers)
            assert status == 204
            file = UploadedFileInfo(file_id=urls.file_id, name="x.png", size=len(original), file_urls=urls)
            state = FileUploaderState(uploaded_file_info=[file])
            await client.act([WidgetState(id=uploader.id, file_uploader_state_value=state)])
            assert client.seen.exceptions == [] and client.seen.lost == []
            images = [e.imgs for e in client.seen.elements if e.WhichOneof("type") == "imgs"]
            addresses = [image.url for group in images for image in group.imgs]
            assert addresses
            for path in addresses:
                status, content, answer = await asyncio.to_thread(ask, address, "GET", path)
                assert status == 200 and answer["content-type"] in ("image/png", "image/jpeg")
                assert content != original and b"script" not in content
                with Image.open(io.BytesIO(content)) as opened:
                    opened.load()
            return addresses

    assert asyncio.run(go())


@pytest.mark.parametrize("page", PAGES)
def test_no_query_parameter_reaches_a_file_or_a_traceback(address, home, page):
    parameters = ("run", "recipes", "recipe", "model", "search", "experiment", "dataset", "page")

    async def go() -> Client:
        async with Client(address, keep_elements=True) as client:
            for value in HOSTILE:
                await client.visit(page, "&".join(f"{name}={value}" for name in parameters))
            return client

    seen = asyncio.run(go()).seen
    assert seen.exceptions == [] and seen.lost == []
    assert all(innocent(str(element).encode()) for element in seen.elements)


@pytest.mark.parametrize("page", PAGES)
def test_no_choice_that_a_page_did_not_offer_opens_a_folder(address, tmp_path, home, page):
    """A browser sends the text of a choice; one that was tampered with may send any."""
    for name in ("hidden-class", "other-class"):
        (tmp_path / name).mkdir()
        for number in range(8):
            Image.new("RGB", (32, 32), (number, 0, 0)).save(tmp_path / name / f"{number}.png")

    async def go() -> Client:
        async with Client(address, keep_elements=True) as client:
            await client.visit(page)
            boxes = {e.selectbox.id for e in client.seen.elements if e.WhichOneof("type") == "selectbox"}
            for box in sorted(boxes):
                forged = WidgetState(id=box, string_value=f"folder:{tmp_path}")
                client.seen.elements.clear()
                await client.act([forged])
                buttons = [e.button for e in client.seen.elements if e.WhichOneof("type") == "button"]
                for button in buttons:
                    if button.label in ("Read the images", "Try again"):
                        await client.act([forged, WidgetState(id=button.id, trigger_value=True)])
            return client

    seen = asyncio.run(go()).seen
    assert seen.exceptions == [] and seen.lost == []
    assert "hidden-class" not in "".join(map(str, seen.elements))
    assert not list((home / "data").glob(".cache/*")) and not list((home / "data").glob(".preparation/*"))


@pytest.mark.parametrize(
    "place", ["/", "/media/", "/static/", "/app/static/", "/component/", "/_stcore/bidi-components/", "/~/+/"]
)
def test_no_path_reaches_a_file(address, home, place):
    names = [
        *HOSTILE[:6],
        "....//....//secret.txt",
        "/etc/passwd",
        f"..{home}/secret.txt",
        f"{home}/secret.txt",
        "dashboard.py",
        "core/store.py",
        ".streamlit/config.toml",
        "runs/secret.txt",
    ]
    for name in names:
        status, content, _ = ask(address, "GET", place + name)
        assert innocent(content), place + name
        assert status in (200, 307, 400, 403, 404), (status, place + name)
        assert status != 200 or b"<title>Streamlit</title>" in content, place + name


def test_page_that_does_not_exist_is_no_page_of_ours(address):
    async def go() -> Client:
        async with Client(address, keep_elements=True) as client:
            for name in ("../pages/parts/frame", "parts/frame", "..%2f..%2fsecret", "x" * 5000, "core"):
                await client.visit(name)
            return client

    seen = asyncio.run(go()).seen
    assert seen.exceptions == [] and seen.lost == []
    assert all(innocent(str(element).encode()) for element in seen.elements)


def test_nonsense_on_the_websocket_ends_one_connection_at_most(address):
    for nonsense in (b"", b"\xff" * 1000, os.urandom(5000), "text"):
        with connect(address.replace("http", "ws") + "/_stcore/stream", proxy=None) as line:
            line.send(nonsense)
            with contextlib.suppress(TimeoutError, ConnectionClosed):
                while True:
                    answer = line.recv(timeout=1)
                    assert innocent(answer if isinstance(answer, bytes) else answer.encode())
    assert ask(address, "GET", "/_stcore/health")[:2] == (200, b"ok")


def test_server_refuses_a_wrong_path_of_the_websocket(address):
    with pytest.raises(InvalidStatus), connect(address.replace("http", "ws") + "/_stcore/other", proxy=None):
        pass
