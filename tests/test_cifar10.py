import contextlib
import hashlib
import io
import os
import pickle
import re
import shutil
import socket
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from core.datasets import download, source
from core.datasets.cifar10 import ARCHIVE_NAME, CIFAR10, FOLDER_NAME, Archive, Cifar10
from core.datasets.download import Patience, Pinned, fetch
from core.errors import UserError
from core.paths import data_dir

N = 20
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
QUICK = Patience(reach_seconds=5.0, stall_seconds=0.8)


# ---- a small archive of the same make


def text(content: bytes) -> bytes:
    """A str of Python 2, as its pickles hold it."""
    if len(content) < 256:
        return b"U" + bytes([len(content)]) + content
    return b"T" + len(content).to_bytes(4, "little") + content


def python2_batch(images: np.ndarray, labels: list[int]) -> bytes:
    """The pickle that the authors' Python 2 wrote, opcode by opcode."""
    shape = b"(J" + len(images).to_bytes(4, "little") + b"M\x00\x0ct"
    dtype = b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR(K\x03" + text(b"|")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    array += b"(K\x01" + shape + dtype + b"\x89" + text(images.tobytes()) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


def members() -> dict[str, bytes]:
    random = np.random.default_rng(3)
    names = [*CIFAR10.train, *CIFAR10.test]
    batches = {
        name: python2_batch(
            random.integers(0, 256, (N, 3072), dtype=np.uint8), random.integers(0, 10, N).tolist()
        )
        for name in names
    }
    labels = b"](" + b"".join(text(name.encode()) for name in CLASSES) + b"e"
    return batches | {"batches.meta": b"\x80\x02}" + text(b"label_names") + labels + b"s."}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def packed(files: dict[str, bytes], more: tuple[tuple[tarfile.TarInfo, bytes], ...] = ()) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        infos = [(tarfile.TarInfo(f"{FOLDER_NAME}/{name}"), content) for name, content in files.items()]
        for info, content in (*more, *infos):
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


MEMBERS = members()
PACKED = packed(MEMBERS)


def archive(*urls: str, content: bytes = PACKED, files: dict[str, bytes] = MEMBERS) -> Archive:
    return Archive(
        Pinned(urls, hashlib.sha256(content).hexdigest(), len(content)),
        *({name: md5(files[name]) for name in part} for part in (CIFAR10.train, CIFAR10.test, CIFAR10.meta)),
        allow_loopback_http=True,
    )


# ---- a server that fails on demand


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        script = server.scripts.setdefault(self.path, [])
        answer = script.pop(0) if script else whole
        with contextlib.suppress(ConnectionError):
            answer(self)

    def log_message(self, *arguments):
        pass


def send(handler: Handler, content: bytes, status: int, length: int, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(content)


def part_of(handler: Handler, content: bytes) -> tuple[bytes, int, dict[str, str]]:
    """What is left of the content, and the status and headers that go with it."""
    match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
    if not match:
        return content, 200, {}
    start = int(match[1])
    if start >= len(content):
        return b"", 416, {"Content_Range": f"bytes */{len(content)}"}
    return content[start:], 206, {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}


def whole(handler, content=PACKED):
    left, status, headers = part_of(handler, content)
    send(handler, left, status, len(left), **headers)


def other(content):
    return lambda handler: whole(handler, content)


def cut(handler):
    """Half of what is left, then the end of the connection."""
    left, status, headers = part_of(handler, PACKED)
    send(handler, left[: len(left) // 2], status, len(left), **headers)


def stalled(handler):
    cut(handler)
    handler.server.closing.wait(10)


def without_ranges(handler):
    send(handler, PACKED, 200, len(PACKED))


def silent(handler):
    handler.server.closing.wait(10)


def absent(handler):
    send(handler, b"not here", 404, 8)


def redirected(url):
    return lambda handler: send(handler, b"", 302, 0, Location=url)


def trickling(handler):
    send(handler, b"", 200, len(PACKED))
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(b"\x1f")


@pytest.fixture
def server():
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    found.asked, found.scripts, found.closing = [], {}, threading.Event()
    found.url = lambda path="/a": f"http://127.0.0.1:{found.server_port}{path}"
    thread = threading.Thread(target=found.serve_forever, args=(0.02,))
    thread.start()
    yield found
    found.closing.set()
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def target():
    data_dir().mkdir(parents=True)
    return data_dir() / ARCHIVE_NAME


@pytest.fixture
def get(target):
    """Fetch the small archive into `target`; gives the stages that were reported."""

    def fetch_it(*urls, content=PACKED, **options):
        stages = []
        pinned = Pinned(urls, hashlib.sha256(content).hexdigest(), len(content))
        options = {"allow_loopback_http": True} | options
        fetch(pinned, target, lambda *progress: stages.append(progress), **options)
        assert target.read_bytes() == content
        return stages

    return fetch_it


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


# ---- the download


def test_whole_file_arrives_with_its_progress(server, target, get):
    stages = get(server.url(), stage="downloading it")
    assert stages[0] == ("downloading it", 0, len(PACKED))
    assert stages[-1] == ("downloading it", len(PACKED), len(PACKED))
    assert names(target.parent) == {ARCHIVE_NAME}


def test_file_that_is_there_is_not_asked_for_again(server, target, get):
    target.write_bytes(PACKED)
    get(server.url())
    assert server.asked == []


def test_cut_connection_is_continued_where_it_ended(server, get):
    server.scripts["/a"] = [cut, cut]
    get(server.url())
    ranges = [asked for _, asked in server.asked]
    half = len(PACKED) // 2
    assert ranges == [None, f"bytes={half}-", f"bytes={half + (len(PACKED) - half) // 2}-"]


def test_next_attempt_continues_an_interrupted_one(server, target, get):
    target.with_name(f"{ARCHIVE_NAME}.part").write_bytes(PACKED[:1000])
    stages = get(server.url())
    assert server.asked == [("/a", "bytes=1000-")] and stages[0][1] == 1000


def test_other_server_continues_what_the_first_began(server, get):
    server.scripts["/a"] = [stalled]
    get(server.url("/a"), server.url("/b"), patience=QUICK)
    assert server.asked == [("/a", None), ("/b", f"bytes={len(PACKED) // 2}-")]


@pytest.mark.parametrize("start", [b"x" * 10, b"x" * len(PACKED), b"x" * (len(PACKED) + 5)])
def test_part_of_something_else_is_started_anew(server, target, get, start):
    target.with_name(f"{ARCHIVE_NAME}.part").write_bytes(start)
    get(server.url())
    assert server.asked[-1] == ("/a", None)


def test_server_without_ranges_gives_the_file_from_its_start(server, target, get):
    target.with_name(f"{ARCHIVE_NAME}.part").write_bytes(PACKED[:1000])
    server.scripts["/a"] = [without_ranges]
    get(server.url())
    assert server.asked == [("/a", "bytes=1000-")]


def test_server_that_finds_the_part_too_long_is_asked_for_all(server, target, get):
    target.with_name(f"{ARCHIVE_NAME}.part").write_bytes(PACKED[:1000])
    server.scripts["/a"] = [lambda handler: send(handler, b"", 416, 0)]
    get(server.url())
    assert [asked for _, asked in server.asked] == ["bytes=1000-", None]


CORRUPT = PACKED[:-1] + bytes([PACKED[-1] ^ 1])


def test_corrupt_file_is_set_aside_and_fetched_from_the_next_server(server, target, get):
    server.scripts["/a"] = [other(CORRUPT)]
    get(server.url("/a"), server.url("/b"))
    assert names(target.parent) == {ARCHIVE_NAME, f"{ARCHIVE_NAME}.corrupt"}
    assert target.with_name(f"{ARCHIVE_NAME}.corrupt").read_bytes() == CORRUPT


def test_corrupt_file_under_the_final_name_is_set_aside(server, target, get):
    target.write_bytes(CORRUPT)
    get(server.url())
    assert target.with_name(f"{ARCHIVE_NAME}.corrupt").read_bytes() == CORRUPT


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ([other(CORRUPT)] * 5, "undamaged"),
        ([other(PACKED[:-1])] * 5, "another size"),
        ([other(b"<html>please log in</html>")] * 5, "another size"),
        ([absent] * 5, "404"),
        ([trickling] * 5, "next to nothing"),
        ([stalled] + [absent] * 5, "404"),
        ([redirected("http://example.com/a")] * 5, "without encryption"),
        ([redirected("file:///etc/passwd")] * 5, "not allowed"),
    ],
)
def test_server_of_no_use_ends_in_a_sentence_that_helps(server, target, get, script, words):
    server.scripts["/a"] = list(script)
    with pytest.raises(UserError, match=words) as error:
        get(server.url(), patience=QUICK)
    assert not target.exists()
    assert str(target.parent) in str(error.value) and "shapes" in str(error.value)
    assert "\n" not in str(error.value) and "example.com/a" not in server.asked


def test_servers_that_are_always_corrupt_are_not_asked_for_ever(server, target, get):
    server.scripts = {path: [cut, other(CORRUPT)] * 20 for path in ("/a", "/b")}
    with pytest.raises(UserError, match="undamaged"):
        get(server.url("/a"), server.url("/b"))
    assert len(server.asked) < 20


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a", "http://example.com/a", "file:///etc/passwd"])
def test_only_https_is_asked_unless_a_test_says_so(target, get, url):
    with pytest.raises(UserError, match="without encryption"):
        get(url, allow_loopback_http=False)


def test_refused_connection_is_no_network(target, get):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(UserError, match="connect to the network") as error:
        get(*(f"http://127.0.0.1:{port}/{path}" for path in "abc"))
    assert time.monotonic() - began < 5
    assert "refused" in str(error.value) and str(target.parent) in str(error.value)


def test_silence_of_all_servers_is_no_network_within_the_time_for_it(server, get):
    server.scripts = {f"/{path}": [silent] for path in "abc"}
    patience = Patience(reach_seconds=1.2, stall_seconds=10)
    began = time.monotonic()
    with pytest.raises(UserError, match="no server can be reached"):
        get(*(server.url(f"/{path}") for path in "abc"), patience=patience)
    assert 1.1 < time.monotonic() - began < 4
    assert len(server.asked) > 1  # the first may not use up the time of all
    assert Patience().reach_seconds < 15


def test_full_disk_is_said_before_the_download(server, get, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(UserError, match="full"):
        get(server.url())
    assert server.asked == []


def test_disk_that_fills_up_is_said_and_keeps_what_came(server, target, get, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download.os, "fsync", full)
    with pytest.raises(UserError, match="full"):
        get(server.url())
    assert target.with_name(f"{ARCHIVE_NAME}.part").exists() and not target.exists()


def test_two_at_once_download_once(server, get):
    server.scripts["/a"] = [lambda handler: (time.sleep(1.0), whole(handler))]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: get(server.url()), range(2)))
    assert len(server.asked) == 1
    assert sum(("waiting for another process", 0, 0) in stages for stages in both) == 1


# ---- the data set


def expected(part: dict[str, str]) -> tuple[np.ndarray, list[int]]:
    batches = [pickle.loads(MEMBERS[name], encoding="latin1") for name in part]
    images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    return images, [label for batch in batches for label in batch["labels"]]


def prepared(*urls: str, **options) -> Cifar10:
    found = Cifar10("", 32, archive(*urls, **options))
    found.prepare(lambda stage, done, total: None)
    return found


def test_images_and_labels_are_those_of_the_archive_in_its_order(server):
    data = Cifar10("", 32, archive(server.url())).load()
    assert data.classes == CLASSES and data.skipped == ()
    for split, part in ((data.train, CIFAR10.train), (data.test, CIFAR10.test)):
        images, labels = expected(part)
        assert np.array_equal(split.images, images) and split.images.dtype == np.uint8
        assert split.labels.tolist() == labels and split.labels.dtype == np.int64
        assert not split.images.flags.writeable


def test_torchvision_reads_what_was_unpacked_and_sees_the_same_images(server):
    from torchvision.datasets import CIFAR10 as TorchvisionCifar10

    class Small(TorchvisionCifar10):
        pass

    Small.train_list = [[name, md5(MEMBERS[name])] for name in CIFAR10.train]
    Small.test_list = [[name, md5(MEMBERS[name])] for name in CIFAR10.test]
    Small.meta = TorchvisionCifar10.meta | {"md5": md5(MEMBERS["batches.meta"])}
    data = prepared(server.url()).load()
    for split, train in ((data.train, True), (data.test, False)):
        theirs = Small(data_dir(), train=train, download=False)
        assert np.array_equal(theirs.data.transpose(0, 3, 1, 2), split.images)
        assert theirs.targets == split.labels.tolist() and tuple(theirs.classes) == data.classes


def test_pinned_hashes_are_those_that_torchvision_pins():
    from torchvision.datasets import CIFAR10 as TorchvisionCifar10

    assert [list(pair) for pair in CIFAR10.train.items()] == TorchvisionCifar10.train_list
    assert [list(pair) for pair in CIFAR10.test.items()] == TorchvisionCifar10.test_list
    assert CIFAR10.meta == {"batches.meta": TorchvisionCifar10.meta["md5"]}
    assert (TorchvisionCifar10.filename, TorchvisionCifar10.base_folder) == (ARCHIVE_NAME, FOLDER_NAME)
    assert TorchvisionCifar10.url in CIFAR10.pinned.urls
    assert all(url.startswith("https://") for url in CIFAR10.pinned.urls)


def test_progress_names_both_stages_in_bytes(server):
    stages = []
    Cifar10("", 32, archive(server.url())).prepare(lambda *progress: stages.append(progress))
    last = {stage: (done, total) for stage, done, total in stages}
    assert last["downloading CIFAR-10"] == last["unpacking"] == (len(PACKED), len(PACKED))


def test_ready_after_the_first_load_and_until_a_file_changes(server):
    cifar = Cifar10("", 32, archive(server.url()))
    assert cifar.ready_fingerprint() is None
    fingerprint = cifar.load().fingerprint
    assert cifar.ready_fingerprint() == fingerprint
    os.utime(cifar.folder / "data_batch_3", ns=(1, 1))
    assert cifar.ready_fingerprint() is None
    assert cifar.load().fingerprint == fingerprint == cifar.ready_fingerprint()
    assert len(server.asked) == 1


def test_archive_placed_by_hand_is_used(target):
    target.write_bytes(PACKED)
    assert len(prepared("https://nowhere.invalid/a").load().train) == 5 * N


def test_folder_that_torchvision_unpacked_is_used():
    folder = data_dir() / FOLDER_NAME
    folder.mkdir(parents=True)
    for name, content in MEMBERS.items():
        (folder / name).write_bytes(content)
    assert len(prepared("https://nowhere.invalid/a").load().test) == N


@pytest.mark.parametrize("damage", ["missing", "changed", "longer", "folder gone"])
def test_damaged_batch_is_never_trained_on_but_unpacked_anew(server, damage):
    cifar = prepared(server.url())
    fingerprint, batch = cifar.load().fingerprint, cifar.folder / "data_batch_2"
    if damage == "missing":
        batch.unlink()
    elif damage == "changed":
        batch.write_bytes(b"X" + batch.read_bytes()[1:])
    elif damage == "longer":
        batch.write_bytes(batch.read_bytes() + b"X")
    else:
        shutil.rmtree(cifar.folder)
    assert cifar.ready_fingerprint() is None
    assert cifar.load().fingerprint == fingerprint
    assert len(server.asked) == 1  # the archive was still there


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def test_hostile_members_are_passed_over(server):
    batch = f"{FOLDER_NAME}/data_batch_1"
    evil = (
        (tarfile.TarInfo("../evil"), b"evil"),
        (tarfile.TarInfo(f"{FOLDER_NAME}/../../evil"), b"evil"),
        (tarfile.TarInfo("/evil"), b"evil"),
        (tarfile.TarInfo(f"{FOLDER_NAME}/evil"), b"evil"),
        (tarfile.TarInfo("data_batch_1"), b"evil"),
        (link(batch, "/etc/passwd"), b""),
        (link(f"{FOLDER_NAME}/data_batch_2", "../evil", tarfile.LNKTYPE), b""),
        (link(FOLDER_NAME, ".."), b""),
    )
    content = packed(MEMBERS, evil)
    server.scripts["/a"] = [other(content)]
    prepared(server.url(), content=content)
    assert names(data_dir()) == {ARCHIVE_NAME, FOLDER_NAME, ".cifar10.json"}
    assert names(data_dir() / FOLDER_NAME) == set(MEMBERS)
    assert not any(path.is_symlink() for path in (data_dir() / FOLDER_NAME).iterdir())


@pytest.mark.parametrize("fault", ["missing", "other", "huge"])
def test_archive_with_wrong_members_leaves_no_folder(server, fault, monkeypatch):
    files = dict(MEMBERS)
    if fault == "missing":
        del files["test_batch"]
    elif fault == "other":
        files["test_batch"] = files["data_batch_1"]
    else:
        monkeypatch.setattr("core.datasets.cifar10.MOST_MEMBER_BYTES", 1000)
    content = packed(files)
    server.scripts["/a"] = [other(content)]
    with pytest.raises(UserError, match="can't be unpacked"):
        prepared(server.url(), content=content)
    assert names(data_dir()) == {ARCHIVE_NAME}


def test_pickle_can_build_arrays_and_nothing_else(server):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(data_dir() / "evil"),)

    files = MEMBERS | {"data_batch_1": pickle.dumps({"data": Evil(), "labels": []})}
    content = packed(files)
    server.scripts["/a"] = [other(content)]
    with pytest.raises(pickle.UnpicklingError, match="no place"):
        prepared(server.url(), content=content, files=files)
    assert not (data_dir() / "evil").exists()


def test_two_at_once_unpack_one_data_set(server):
    with ThreadPoolExecutor(2) as pool:
        loaded = list(pool.map(lambda _: Cifar10("", 32, archive(server.url())).load(), range(2)))
    assert loaded[0].fingerprint == loaded[1].fingerprint and len(server.asked) == 1


def test_no_network_leaves_a_sentence_and_no_half_data_set():
    with pytest.raises(UserError, match="put cifar-10-python"):
        Cifar10("", 32, archive("http://127.0.0.1:9/a")).load()
    assert names(data_dir()) == set()


def test_folder_that_cannot_be_made_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TENFOLD_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(UserError, match="TENFOLD_DATA"):
        source("cifar10").load()


def test_other_image_size_is_refused_with_a_way_out():
    with pytest.raises(UserError, match="set the image size to 32"):
        source("cifar10", 64)
