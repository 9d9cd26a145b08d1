import dataclasses
import gc
import io
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import psutil
import pytest
from PIL import Image

from core import decoding_child, images
from core.decoding import FITS, LONGEST_NAME, Budget, Decoder, safe_name, unpack
from core.errors import UserError
from core.images import fit, open_image
from core.paths import ROOT
from tests.hostile import Kind, kinds, quarters
from tests.hostile_zips import archives, packed
from tests.test_images import encoded, noise

PHOTO = encoded(noise())
FAULTY = "tests.faulty_child"
RSS_MORE_BYTES = 20_000_000


@pytest.fixture(scope="module")
def decoder():
    with Decoder() as decoder:
        yield decoder


def rss() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


# ---- the hostile set


@dataclasses.dataclass
class Campaign:
    kinds: list[Kind]
    results: list
    seconds: list[float]
    more_bytes: int
    children: set[int]


@pytest.fixture(scope="module")
def campaign(decoder) -> Campaign:
    """The whole set decoded as one batch."""
    all_kinds = kinds()
    decoder.decode([])
    before, ends, children = rss(), [time.monotonic()], set()

    def progress(done: int, total: int) -> None:
        ends.append(time.monotonic())
        children.add(decoder._child.pid)

    files = [(kind.name, kind.content) for kind in all_kinds]
    results = decoder.decode(files, progress=progress)
    return Campaign(all_kinds, results, list(np.diff(ends)), rss() - before, children)


def four_colours(image: Image.Image) -> np.ndarray:
    """(4, 3): the middles of the quarters."""
    width, height = image.size
    middles = [(x, y) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    return np.array([image.getpixel(middle) for middle in middles], int)


def fault(kind: Kind, result) -> str:
    """What is wrong with a result; "" if nothing."""
    if result.refused is not None:
        if kind.refused == "" or (kind.refused and kind.refused not in result.refused):
            return f"refused: {result.refused}"
        sentence = result.refused.endswith(".") and "\n" not in result.refused
        return "" if sentence and result.shown is None and result.seen is None else "refused in part"
    if kind.refused:
        return "not refused"
    shown = Image.open(io.BytesIO(result.shown))
    if shown.mode != "RGB" or shown.info or kind.size not in (None, shown.size):
        return f"shown as {shown.mode}, {shown.size}, {shown.info}"
    if kind.colours and np.abs(four_colours(shown) - np.array(kind.colours)).max() > 4:
        return f"has the colours {four_colours(shown).tolist()}"
    return ""


def test_set_has_forty_kinds_and_more(campaign):
    labels = [kind.label for kind in campaign.kinds]
    assert len(set(labels)) == len(labels) == len(campaign.results) >= 40


def test_every_hostile_file_opens_right_or_is_refused_for_the_right_reason(campaign):
    pairs = zip(campaign.kinds, campaign.results, strict=True)
    faults = {kind.label: why for kind, result in pairs if (why := fault(kind, result))}
    assert faults == {}


def test_model_sees_the_same_four_colours(campaign):
    for kind, result in zip(campaign.kinds, campaign.results, strict=True):
        if kind.colours and result.seen is not None:
            assert result.seen.shape == (3, 32, 32) and result.seen.flags.writeable
            seen = Image.fromarray(result.seen.transpose(1, 2, 0))
            assert np.abs(four_colours(seen) - np.array(kind.colours)).max() <= 6, kind.label


def test_no_hostile_file_crashes_the_child_hangs_or_fills_the_memory(campaign):
    assert len(campaign.children) == 1
    assert max(campaign.seconds) < 5
    assert campaign.more_bytes < RSS_MORE_BYTES


def test_child_without_files_decodes_what_this_process_does(campaign):
    """Pillow imports late; in the child that would fail, and a good image would count as damaged."""
    for kind, result in zip(campaign.kinds, campaign.results, strict=True):
        if kind.label.endswith("at the limit"):
            continue  # slow
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of broken metadata
                expected = fit(open_image(kind.content), 32)
        except images.ImageRefused as refusal:
            assert result.refused == str(refusal), kind.label
        else:
            assert np.array_equal(result.seen, expected), kind.label


def test_original_bytes_are_never_shown(campaign):
    for kind, result in zip(campaign.kinds, campaign.results, strict=True):
        if result.shown is not None:
            assert b"<script" not in result.shown and b"PK\3\4" not in result.shown, kind.label


def test_script_writes_the_set(tmp_path):
    subprocess.run([sys.executable, "-m", "tests.hostile", str(tmp_path / "set")], cwd=ROOT, check=True)
    assert len(list((tmp_path / "set").iterdir())) == len(kinds()) + len(archives())


# ---- what comes back


@pytest.mark.parametrize("way", FITS)
def test_each_fit_is_the_function_of_its_name(decoder, way):
    image = noise(50, 20)
    (result,) = decoder.decode([("a.png", encoded(image))], size=24, fit=way)
    assert np.array_equal(result.seen, decoding_child.FITTERS[way](image, 24))


def test_fits_are_told_in_sentences():
    assert set(FITS) == set(decoding_child.FITTERS) and decoding_child.FITTERS["crop"] is fit
    assert all(help.endswith(".") for help in FITS.values())


def test_results_keep_the_order_and_refusals_stop_nobody(decoder):
    files = [(f"{n}.png", encoded(Image.new("RGB", (8, 8), (n, 0, 0))) if n % 3 else b"") for n in range(20)]
    steps = []
    results = decoder.decode(files, progress=lambda done, total: steps.append((done, total)))
    assert [result.name for result in results] == [name for name, _ in files]
    assert [result.seen is None for result in results] == [n % 3 == 0 for n in range(20)]
    assert all(result.seen[0, 0, 0] == n for n, result in enumerate(results) if n % 3)
    assert steps == [(n + 1, 20) for n in range(20)]


def test_picture_is_shown_small_and_only_if_asked(decoder):
    photo = encoded(Image.new("RGB", (3000, 1000), "red"), "JPEG")
    (result,) = decoder.decode([("a.jpg", photo)])
    assert Image.open(io.BytesIO(result.shown)).size == (512, 171)
    (result,) = decoder.decode([("a.jpg", photo)], shown=False)
    assert result.shown is None and result.seen is not None


@pytest.mark.parametrize("wrong", [{"fit": "stretch"}, {"size": 0}, {"size": 100_000}])
def test_unknown_fit_or_size_is_an_error_of_the_caller(decoder, wrong):
    with pytest.raises(ValueError, match="no such fit or size"):
        decoder.decode([], **wrong)


def test_thousand_small_images_take_well_under_three_seconds(decoder):
    files = [(f"{n}", encoded(noise(32, 32), "JPEG" if n % 2 else "PNG")) for n in range(1000)]
    start = time.monotonic()
    results = decoder.decode(files, shown=False)
    assert time.monotonic() - start < 3
    assert not any(result.refused for result in results)


# ---- names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat.png", "cat.png"),
        ("../../etc/passwd", "../../etc/passwd"),  # a label, never a path
        ("<b>cat</b>.png", "<b>cat</b>.png"),  # escaped by whoever draws it
        ("🐸 Käfer.png", "🐸 Käfer.png"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("cat\0.png\r\n\x1b[2J", "cat.png[2J"),
        ("cat\udcff.png", "cat.png"),
        ("\u2066\u200f", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_name_is_made_safe_to_show(name, safe):
    assert safe_name(name) == safe


def test_long_name_keeps_its_beginning_and_its_end():
    safe = safe_name("holiday" + "x" * 5_000 + ".jpeg")
    assert len(safe) == LONGEST_NAME and safe.startswith("holiday") and safe.endswith(".jpeg") and "…" in safe


# ---- children that are lost


def test_image_that_takes_too_long_is_refused_and_the_rest_goes_on():
    with Decoder(longest_seconds=1, module=FAULTY) as decoder:
        results = decoder.decode([("a", PHOTO), ("b", PHOTO + b"burn here"), ("c", PHOTO)])
    assert [result.refused is None for result in results] == [True, False, True]
    assert results[1].refused == "This image took too long to decode, more than 1 seconds."
    assert not results[1].passing


def test_image_that_is_not_answered_is_not_waited_for_and_may_be_tried_again():
    start = time.monotonic()
    with Decoder(patience_seconds=1, module=FAULTY) as decoder:
        results = decoder.decode([("a", PHOTO), ("b", PHOTO + b"sleep here"), ("c", PHOTO)])
    assert [result.passing for result in results] == [False, True, False]
    assert "busy machine: try it again" in results[1].refused and results[2].refused is None
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("mark", "words"),
    [(b"crash here", "could not be decoded here: save it anew"), (b"lack memory here", "too much memory")],
)
def test_child_that_died_is_called_short_of_memory_only_if_it_was(mark, words):
    with Decoder(module=FAULTY) as decoder:
        results = decoder.decode([("a", PHOTO + mark), ("b", PHOTO)])
    assert words in results[0].refused and not results[0].passing
    assert results[1].refused is None


def test_child_that_loses_its_memory_between_images_says_so(monkeypatch, capsysbinary):
    def short_of_memory(stream):
        raise MemoryError

    monkeypatch.setattr(decoding_child, "limit", lambda memory_bytes: None)
    monkeypatch.setattr(decoding_child, "load_decoders", lambda: None)
    monkeypatch.setattr(decoding_child, "receive", short_of_memory)
    assert decoding_child.main(1, 1.0) == decoding_child.OUT_OF_MEMORY


def test_image_at_which_the_child_is_killed_is_refused_and_the_rest_goes_on():
    with Decoder(module=FAULTY) as decoder:
        decoder.decode([("first", PHOTO)])
        first = decoder._child.pid
        killer = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
        killer.start()
        results = decoder.decode([("a", PHOTO), ("b", PHOTO + b"sleep here"), ("c", PHOTO)])
        killer.join()
        assert [result.refused is None for result in results] == [True, False, True]
        assert "needed too much memory" in results[1].refused  # so the system ends who takes too much
        assert decoder._child.pid != first


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count no processor time of a child")
def test_time_in_which_the_child_is_kept_from_computing_is_not_counted():
    with Decoder(longest_seconds=1) as decoder:
        decoder.decode([("first", PHOTO)])
        child = psutil.Process(decoder._child.pid)
        child.suspend()
        waking = threading.Timer(2.5, child.resume)
        waking.start()
        (result,) = decoder.decode([("a", PHOTO)])
        waking.join()
    assert result.refused is None


def test_child_that_died_while_idle_costs_no_image(decoder):
    decoder.decode([("a", PHOTO)])
    psutil.Process(decoder._child.pid).kill()
    decoder._child.wait()
    assert decoder.decode([("a", PHOTO)])[0].refused is None


def test_image_that_needs_too_much_memory_is_refused():
    large = encoded(Image.new("RGBA", (6_000, 4_000)), compress_level=1)
    with Decoder(memory_bytes=350_000_000) as decoder:
        results = decoder.decode([("a", large), ("b", PHOTO)])
    assert results[0].refused == "This image needed too much memory to be decoded."
    assert results[1].refused is None


def test_batch_can_be_stopped_between_two_images(decoder):
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decoder.decode([("a", PHOTO)] * 5, progress=stop)
    (result,) = decoder.decode([("b", encoded(quarters()))])
    assert tuple(result.seen[:, 0, 0]) == (255, 0, 0)


def test_many_threads_get_their_own_images(decoder):
    got = {}

    def work(red: int) -> None:
        files = [("x", encoded(Image.new("RGB", (8, 8), (red, n, 0)))) for n in range(30)]
        got[red] = [tuple(result.seen[:2, 0, 0].tolist()) for result in decoder.decode(files)]

    threads = [threading.Thread(target=work, args=(red,)) for red in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {red: [(red, n) for n in range(30)] for red in range(4)}


def test_one_image_need_not_wait_for_a_batch(decoder):
    done = []
    batch = threading.Thread(
        target=lambda: decoder.decode([("x", PHOTO)] * 3000, progress=lambda n, _: done.append(n))
    )
    batch.start()
    while not done:
        time.sleep(0.001)
    decoder.decode([("y", PHOTO)])
    assert len(done) < 1500
    batch.join()


def test_child_ends_with_its_decoder_and_with_its_starter():
    decoder = Decoder()
    decoder.decode([("a", PHOTO)])
    child = psutil.Process(decoder._child.pid)
    decoder.close()
    assert not child.is_running()
    code = (
        "import os; from core.decoding import Decoder; decoder = Decoder(); decoder.decode([('a', b'')]);"
        "print(decoder._child.pid, flush=True); os._exit(1)"
    )
    starter = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    deadline = time.monotonic() + 10
    while runs(int(starter.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have fewer limits")
def test_child_can_open_no_file_and_no_socket(decoder):
    decoder.decode([("a", PHOTO)])
    child = psutil.Process(decoder._child.pid)
    assert child.rlimit(psutil.RLIMIT_NOFILE) == (3, 3) and child.num_fds() <= 3
    assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_AS) == (decoder.memory_bytes,) * 2
    assert child.rlimit(psutil.RLIMIT_CPU)[0] <= sum(child.cpu_times()[:2]) + 7


def test_child_that_cannot_start_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(UserError, match=r"can't be started on this machine\.$"):
        Decoder().decode([("a", PHOTO)])


def frame(header: str, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(header)) + header.encode() + content


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff\xff\xff\xff",
        frame("[]"),
        frame("{'sizes': 1}"),
        frame('{"sizes": 1}'),
        frame('{"sizes": [0, 0, 0]}'),
        frame('{"sizes": [-1]}'),
        frame('{"sizes": [1e99]}'),
        frame('{"sizes": [99999999999]}'),
        frame('{"sizes": [5000]}', b"too short"),
        frame('{"refused": "half.", "sizes": [1]}', b"x"),
        frame('{"refused": 1, "sizes": [3072]}', bytes(3072)),
        frame('{"refused": null, "sizes": [3072]}', bytes(3072)),
        frame('{"refused": null, "sizes": [3071, 8]}', bytes(3071) + PHOTO[:8]),
        frame('{"refused": null, "sizes": [3072, 8]}', bytes(3072) + b"<script>"),
    ],
    ids=lambda nonsense: repr(nonsense[4:40]),
)
def test_child_that_was_taken_over_can_only_lose_its_image(monkeypatch, nonsense):
    answer = frame('{"sizes": []}') + nonsense
    code = f"import os; os.write(1, {answer!r}); os.read(0, 99)"
    real = subprocess.Popen
    monkeypatch.setattr(
        "core.decoding.subprocess.Popen", lambda command, **options: real([command[0], "-c", code], **options)
    )
    with Decoder(longest_seconds=2) as decoder:
        (result,) = decoder.decode([("a", PHOTO)])
        assert result.refused and result.seen is None and result.shown is None


# ---- zips


def outcome(archive) -> str | tuple[str, ...]:
    try:
        return tuple(name for name, _ in unpack(archive.name, archive.content))
    except UserError as refusal:
        return str(refusal)


def test_every_zip_is_unpacked_or_refused_for_the_right_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for archive in archives():
        got = outcome(archive)
        if archive.refused:
            assert isinstance(got, str) and archive.refused in got and got.endswith("."), archive.label
        else:
            assert got == archive.names, archive.label
    assert not list(tmp_path.iterdir())


def grown_by_zips() -> int:
    """Bytes by which this process is larger after all of them."""
    all_archives = archives()
    before = rss()
    for archive in all_archives:
        outcome(archive)
    return rss() - before


def test_zips_leave_no_memory_taken():
    """In a process of its own: what other tests left in this one comes and goes meanwhile."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(grown_by_zips).result() < RSS_MORE_BYTES


def test_what_is_no_zip_comes_back_as_it_is():
    polyglot = PHOTO + packed(("a.png", PHOTO))
    assert unpack("a.zip", polyglot) == [("a.zip", polyglot)]


def test_images_of_a_zip_decode_beside_what_is_none(decoder):
    files = unpack("a.zip", packed(("cat.png", PHOTO), ("notes.txt", b"hello"), ("dog.png", PHOTO)))
    assert [result.refused is None for result in decoder.decode(files)] == [True, False, True]


def test_large_file_in_a_zip_is_read_no_further_than_it_takes_to_refuse_it(decoder):
    files = unpack("a.zip", packed(("long.png", bytes(50_000_000)), ("cat.png", PHOTO)))
    assert len(files[0][1]) == images.MOST_BYTES + 1
    results = decoder.decode(files)
    assert "20 MB" in results[0].refused and results[1].refused is None


def test_zips_of_one_upload_share_a_budget():
    two, three = (packed(*((f"{n}.png", PHOTO) for n in range(count))) for count in (2, 3))
    budget = Budget(members=4, unpacked_bytes=5 * len(PHOTO))
    assert len(unpack("a.zip", two, budget)) == 2
    with pytest.raises(UserError, match=r"With the zips before it .* bring it by itself\.$"):
        unpack("b.zip", three, budget)
    assert len(unpack("c.png", PHOTO, budget)) == 1  # what is no zip costs none
    assert len(unpack("d.zip", two, budget)) == 2  # nor did what was refused
    with pytest.raises(UserError, match="bring it by itself"):
        unpack("e.zip", packed(("a.png", PHOTO)), budget)
    budget = Budget(unpacked_bytes=2 * len(PHOTO))
    with pytest.raises(UserError, match="bring it by itself"):
        unpack("b.zip", three, budget)
    assert len(unpack("b.zip", three)) == 3
