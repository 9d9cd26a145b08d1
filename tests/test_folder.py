import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets import source
from core.datasets.fingerprint import content_fingerprint
from core.datasets.folder import plan
from core.datasets.offered import is_offered, looks_like_classes, offered, register, registered
from core.datasets.scan import File
from core.errors import UserError
from core.images import fit, open_image
from core.paths import data_dir

RANDOM = np.random.default_rng(5)


def picture(path: Path, width: int = 12, height: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return path


def folder(root: Path, layout: dict[str, int]) -> Path:
    """Class folders, such as "train/cats", with so many pictures each."""
    for place, n in layout.items():
        for number in range(n):
            picture(root / place / f"{number:03}.png")
    return root


@pytest.fixture
def pets(tmp_path) -> Path:
    layout = {"train/cats": 7, "train/dogs": 5, "test/cats": 2, "test/dogs": 3}
    return folder(tmp_path / "pets", layout)


def load(root: Path, size: int = 8):
    return source(f"folder:{root}", size).load()


def straightforward(root: Path, part: str, size: int) -> tuple[np.ndarray, list[int]]:
    """The same with a plain loop."""
    images, labels = [], []
    for label, folder in enumerate(sorted((root / "train").iterdir())):
        for path in sorted((root / part / folder.name).rglob("*.*")):
            images.append(fit(open_image(path.read_bytes()), size))
            labels.append(label)
    return np.stack(images), labels


# ---- what is loaded


@pytest.mark.parametrize("size", [8, 9, 24])
def test_images_equal_those_of_a_plain_loop(pets, size):
    data = load(pets, size)
    assert data.classes == ("cats", "dogs") and data.skipped == ()
    for part, split in (("train", data.train), ("test", data.test)):
        images, labels = straightforward(pets, part, size)
        assert np.array_equal(split.images, images) and split.images.dtype == np.uint8
        assert split.labels.tolist() == labels and split.labels.dtype == np.int64


def test_more_images_than_one_thread_takes_stay_in_order(tmp_path):
    root = folder(tmp_path, {"train/a": 150, "train/b": 3, "test/a": 1, "test/b": 70})
    data = load(root)
    for part, split in (("train", data.train), ("test", data.test)):
        assert np.array_equal(split.images, straightforward(root, part, 8)[0])


def test_classes_and_images_are_in_the_order_of_torchvision(tmp_path):
    from torchvision.datasets import ImageFolder

    root = folder(
        tmp_path, {"train/b": 3, "train/B": 2, "train/a": 2, "train/10": 2, "train/9": 2, "test/a": 1}
    )
    picture(root / "train/b/inner/000.png")
    picture(root / "train/b/zzz.png")
    theirs = ImageFolder(str(root / "train"))
    data = load(root)
    assert data.classes == tuple(theirs.classes) and data.train.labels.tolist() == theirs.targets
    assert np.array_equal(data.train.images, np.stack([fit(image, 8) for image, _ in theirs]))


def test_arrays_are_mapped_and_can_not_be_written_to(pets):
    data = load(pets)
    for split in (data.train, data.test):
        assert isinstance(split.images.base, np.memmap)
        assert not split.images.flags.writeable and not split.labels.flags.writeable


def test_pictures_of_any_size_and_format_are_taken(tmp_path):
    sizes = {
        "png": (100, 40),
        "jpg": (8, 8),
        "webp": (3, 90),
        "bmp": (33, 31),
        "gif": (8, 9),
        "JPEG": (640, 480),
    }
    for name in ("a", "b"):
        for suffix, size in sizes.items():
            picture(tmp_path / name / f"x.{suffix}", *size)
    data = load(tmp_path, 16)
    assert data.skipped == () and len(data.train) + len(data.test) == 12


def test_names_of_any_script_are_class_names(tmp_path):
    names = ["猫", "собаки", "naïve", "عصفور", "🐟", "a b'\"<b>", "train"]
    data = load(folder(tmp_path, dict.fromkeys(names, 2)))
    assert data.classes == tuple(sorted(names))


def test_name_that_is_no_text_is_shown_all_the_same(tmp_path):
    root = folder(tmp_path / "r", {"cats": 2, "dogs": 2})
    try:
        (root / "cats").rename(root / os.fsdecode(b"caf\xe9"))
    except OSError:
        pytest.skip("this file system takes no such names")
    (root / "dogs" / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    data = load(root)
    assert data.classes == ("caf�", "dogs")
    assert [path for path, _ in data.skipped] == ["dogs/�.png"]
    json.dumps(data.classes).encode()


def test_letters_have_one_spelling_on_all_systems(tmp_path):
    composed = load(folder(tmp_path / "1", {"\u00e9": 2, "b": 2})).classes
    decomposed = load(folder(tmp_path / "2", {"e\u0301": 2, "b": 2})).classes
    assert composed == decomposed


# ---- what is passed over


def test_files_that_are_no_images_are_listed_with_the_reason(pets, tmp_path):
    (pets / "train/cats/notes.txt").write_text("hello")
    (pets / "train/cats/broken.png").write_bytes((pets / "train/cats/000.png").read_bytes()[:-90])
    (pets / "train/readme.md").write_text("hello")
    (pets / "test/dogs/empty.jpg").write_bytes(b"")
    (pets / "train/dogs/.hidden.txt").write_text("hello")
    (pets / "train/dogs/large.bmp").write_bytes(bytes(20_000_001))
    picture(pets / "train/.thumbnails/000.png")
    before = load(pets)
    assert dict(before.skipped) == {
        "test/dogs/empty.jpg": "This is no PNG, JPEG, WebP, BMP or GIF image, or its beginning is damaged.",
        "train/cats/broken.png": "This image is damaged and can't be decoded.",
        "train/cats/notes.txt": "This is no PNG, JPEG, WebP, BMP or GIF image, or its beginning is damaged.",
        "train/dogs/large.bmp": "This file is larger than 20 MB, the most that is read.",
        "train/readme.md": "not in the folder of a class",
    }
    assert (len(before.train), len(before.test)) == (12, 5)
    assert load(pets).skipped == before.skipped  # from the cache


def test_links_out_of_the_folder_are_not_followed(pets, tmp_path):
    picture(tmp_path / "outside/secret.png")
    (pets / "train/cats/out.png").symlink_to(tmp_path / "outside/secret.png")
    (pets / "train/cats/broken.png").symlink_to(pets / "nowhere.png")
    (pets / "train/cats/folder").symlink_to(tmp_path / "outside")
    (pets / "train/cats/loop").symlink_to(pets / "train")
    (pets / "train/birds").symlink_to(tmp_path / "outside")
    (pets / "train/cats/within.png").symlink_to(pets / "train/dogs/000.png")
    data = load(pets)
    assert data.classes == ("cats", "dogs") and len(data.train) == 13
    assert {path for path, _ in data.skipped} == {
        "train/birds",
        "train/cats/broken.png",
        "train/cats/folder",
        "train/cats/loop",
        "train/cats/out.png",
    }


def test_pipe_is_passed_over_instead_of_waited_for(pets):
    os.mkfifo(pets / "train/cats/pipe.png")
    assert [path for path, _ in load(pets).skipped] == ["train/cats/pipe.png"]


def test_test_class_without_training_images_is_passed_over(pets):
    picture(pets / "test/birds/000.png")
    data = load(pets)
    assert data.classes == ("cats", "dogs") and len(data.test) == 5
    assert data.skipped == (("test/birds/000.png", "its class has no training images"),)


def test_class_may_lack_test_images(pets):
    shutil.rmtree(pets / "test/dogs")
    data = load(pets)
    assert data.classes == ("cats", "dogs") and data.test.labels.tolist() == [0, 0]


def test_class_without_a_readable_image_is_no_class(pets):
    (pets / "train/birds").mkdir()
    (pets / "train/birds/000.png").write_text("hello")
    data = load(pets)
    assert data.classes == ("cats", "dogs") and len(data.skipped) == 1


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (None, "There is no folder"),
        ({}, "no folders with files"),
        ({"": 3}, "no folders with files"),
        ({"cats": 3}, "only one folder with files"),
        ({"cats": 3, "empty": 0}, "only one folder with files"),
        ({"train/cats": 3, "test/cats": 3}, "only one folder with files"),
        ({"test/cats": 3, "test/dogs": 3}, "only one folder with files"),
        ({"cats": 1, "dogs": 1}, "no image left for testing"),
        ({"train/cats": 1, "train/dogs": 1, "test/birds": 1}, "no image left for testing"),
    ],
)
def test_folder_that_is_no_data_set_is_told_why(tmp_path, layout, words):
    root = tmp_path / "it"
    if layout is not None:
        root.mkdir()
        folder(root, layout)
    found = source(f"folder:{root}", 8)
    assert found.ready_fingerprint() is None
    for action in (found.load, lambda: found.prepare(lambda *progress: None)):
        with pytest.raises(UserError, match=words) as error:
            action()
        assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "place", ["file.txt", "nul\0", "~nobody-of-this-name/x", "x" * 5000, "file.txt/below"]
)
def test_place_that_is_no_folder_is_told_so(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("hello")
    with pytest.raises(UserError):
        source(f"folder:{place}", 8).load()


def test_folder_without_a_readable_image_is_told_so(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_text("hello")
    with pytest.raises(UserError, match="readable images of 0 classes"):
        load(tmp_path)
    assert not list((data_dir() / ".cache").glob("*-*"))


# ---- the test part that is split off


@pytest.mark.parametrize(("n", "held_out"), [(1, 0), (2, 1), (3, 1), (5, 1), (8, 2), (10, 2), (100, 20)])
def test_a_fifth_of_each_class_is_for_testing(n, held_out):
    files = [File(f"{name}/{number}", "", name, 1, 1) for name in "ab" for number in range(n)]
    classes, labels, is_test = plan(files)
    assert classes == ["a", "b"] and labels.tolist() == [0] * n + [1] * n
    assert is_test[:n].sum() == is_test[n:].sum() == held_out


def test_split_is_the_same_wherever_the_folder_lies(tmp_path):
    root = folder(tmp_path / "one", {"cats": 10, "dogs": 10})
    first = load(root)
    shutil.copytree(root, tmp_path / "two")
    assert load(tmp_path / "two").fingerprint == first.fingerprint
    shutil.copytree(root, tmp_path / "three" / "train")
    assert load(tmp_path / "three").fingerprint == first.fingerprint
    both = np.concatenate([first.train.images, first.test.images])
    assert len(np.unique(both.reshape(20, -1), axis=0)) == 20


def test_split_of_a_class_does_not_depend_on_the_others(tmp_path):
    root = folder(tmp_path, {"b": 10, "c": 10})
    before = load(root).test
    picture(root / "a/000.png")
    after = load(root).test
    assert np.array_equal(before.images, after.images)


# ---- the cache


def test_ready_once_it_was_prepared_and_until_something_changes(pets):
    found = source(f"folder:{pets}", 8)
    assert found.ready_fingerprint() is None
    stages = []
    found.prepare(lambda *progress: stages.append(progress))
    assert stages[-1] == ("reading images", 17, 17)
    data = found.load()
    assert found.ready_fingerprint() == data.fingerprint
    assert data.fingerprint == content_fingerprint(data.classes, data.train, data.test)
    assert source(f"folder:{pets}", 9).ready_fingerprint() is None
    picture(pets / "train/cats/new.png")
    assert found.ready_fingerprint() is None
    assert found.load().fingerprint != data.fingerprint
    assert len(found.load().train) == 13


def test_changed_pixels_change_the_fingerprint_and_a_copy_does_not(pets, tmp_path):
    before = load(pets).fingerprint
    shutil.copytree(pets, tmp_path / "copy")
    assert load(tmp_path / "copy").fingerprint == before
    picture(pets / "train/cats/003.png")
    assert load(pets).fingerprint != before


def caches() -> list[Path]:
    return [path for path in (data_dir() / ".cache").iterdir() if path.is_dir()]


def test_only_the_newest_cache_of_a_folder_is_kept(pets):
    for number in range(3):
        picture(pets / f"train/cats/new-{number}.png")
        load(pets)
    assert len(caches()) == 1


@pytest.mark.parametrize("name", ["train-images.npy", "test-labels.npy", "data.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_damaged_cache_is_made_anew(pets, name, damage):
    before = load(pets)
    images = before.train.images.copy()
    file = caches()[0] / name
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        place = content.index(b'"files"') + 1 if name == "data.json" else len(content) - 8
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    else:
        file.unlink()
    after = load(pets)
    assert after.fingerprint == before.fingerprint and np.array_equal(after.train.images, images)


def test_two_at_once_make_one_cache(pets):
    def prepare(_):
        stages = []
        source(f"folder:{pets}", 8).prepare(lambda *progress: stages.append(progress))
        return stages

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(prepare, range(4)))
    assert sum(("reading images", 17, 17) in stages for stages in outcomes) == 1 and len(caches()) == 1


def test_leftovers_of_a_killed_process_are_no_obstacle(pets):
    fingerprint = load(pets).fingerprint
    unfinished = caches()[0].with_suffix(".tmp")
    caches()[0].rename(unfinished)
    (unfinished / "data.json").unlink()
    assert load(pets).fingerprint == fingerprint
    assert not unfinished.exists()


def test_cache_that_cannot_be_written_names_the_variable(pets, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TENFOLD_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(UserError, match="TENFOLD_DATA"):
        load(pets)


# ---- which folders a page may name


def test_page_is_offered_what_lies_in_the_data_folder_or_is_registered(pets, tmp_path):
    assert offered() == [] and registered() == []
    inside = folder(data_dir() / "birds", {"a": 1, "b": 1})
    (data_dir() / "cifar-10-batches-py").mkdir()
    folder(data_dir() / ".cache", {"a": 1, "b": 1})
    assert offered() == [inside]
    register(pets)
    register(pets)
    assert registered() == [pets] and offered() == [inside, pets]
    shutil.rmtree(pets)
    assert offered() == [inside]


def test_link_names_no_folder_that_is_not_offered(pets, tmp_path):
    inside = folder(data_dir() / "birds", {"a": 1, "b": 1})
    folder(data_dir() / ".cache/x", {"a": 1, "b": 1})
    (data_dir() / "link").symlink_to(pets)
    assert is_offered(inside) and is_offered(data_dir() / "birds/../birds")
    for path in (
        pets,
        data_dir(),
        data_dir() / "link",
        data_dir() / "birds/../../pets",
        data_dir() / ".cache/x",
        data_dir() / "nowhere",
        Path(f"{data_dir()}-other"),
        Path("/"),
    ):
        assert not is_offered(path)
    assert offered() == [inside]
    register(pets)
    assert is_offered(pets) and is_offered(data_dir() / "link") and not is_offered(pets / "train")


@pytest.mark.parametrize(
    ("layout", "answer"),
    [
        ({"a": 1, "b": 1}, True),
        ({"train/a": 1, "train/b": 1, "test/a": 1}, True),
        ({"train/a": 1, "train/b": 1}, True),
        ({"a": 1}, False),
        ({"": 3}, False),
        ({}, False),
    ],
)
def test_folder_of_classes_is_told_from_others(tmp_path, layout, answer):
    folder(tmp_path / "it", layout)
    assert looks_like_classes(tmp_path / "it") is answer
    (tmp_path / "code/a").mkdir(parents=True)
    (tmp_path / "code/b").mkdir()
    (tmp_path / "code/a/x.py").write_text("")
    assert not looks_like_classes(tmp_path / "code")
