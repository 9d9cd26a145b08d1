"""The files in a zip that somebody brought, in memory, as far as they may be read; whether they are images is not asked here."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.errors import UserError
from core.images import MOST_BYTES

MOST_MEMBERS = 1_000
MOST_UNPACKED_BYTES = 200_000_000

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # a few bytes of LZMA may ask for gigabytes


@dataclass
class Budget:
    """What all zips of one upload may still hold together: `unpack` takes off what it gives.

    One zip is bounded; ten of them would fill the memory ten times.
    """

    members: int = MOST_MEMBERS
    unpacked_bytes: int = MOST_UNPACKED_BYTES


def unpack(name: str, content: bytes, budget: Budget | None = None) -> list[tuple[str, bytes]]:
    """The files in a zip, in its order; of anything else (name, content) itself, which costs no budget.

    A zip is told by how it begins, so an image with a zip behind it is an image. The names in it are
    labels, never paths. Folders and what a Mac adds are left out. Of each file no more is read than
    the first byte beyond what `core.images` lets in.

    Args:
        budget: shared by all files that are brought together; without one, the zip has one of its own. A zip
            that is refused takes nothing off it.

    Raises:
        UserError: too many files, too much in them, an archive in it, encrypted, damaged, or empty.
    """
    if not is_zip(content):
        return [(name, content)]
    if len(content) > MOST_UNPACKED_BYTES:
        raise _too_much()
    # Counted before zipfile reads the list, of which it would make 500 bytes for each of 46.
    if content.count(b"PK\x01\x02") > 4 * MOST_MEMBERS:
        raise _too_many_members()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _members(archive, budget or Budget())
    except UserError:
        raise
    except Exception as error:  # zipfile, too, raises nearly everything
        raise UserError("This zip is damaged: pack its images anew.") from error


def is_zip(content: bytes) -> bool:
    """By how it begins."""
    return content.startswith(_ZIP_STARTS)


def _members(archive: zipfile.ZipFile, budget: Budget) -> list[tuple[str, bytes]]:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not member.filename.startswith("__MACOSX/")
        and PurePosixPath(member.filename).name != ".DS_Store"
    ]
    unpacked_bytes = sum(member.file_size for member in members)
    _check_members(members, unpacked_bytes, budget)
    files = []
    for member in members:
        with archive.open(member) as file:
            files.append((member.filename, file.read(MOST_BYTES + 1)))
        if is_zip(files[-1][1]):
            raise UserError("This zip has another zip in it: unpack that one first.")
    budget.members -= len(files)
    budget.unpacked_bytes -= unpacked_bytes
    return files


def _check_members(members: list[zipfile.ZipInfo], unpacked_bytes: int, budget: Budget) -> None:
    """From the list of a zip, before anything in it is unpacked.

    Raises:
        UserError: they are too many or too large, by themselves or with those before, or can't be unpacked.
    """
    if not members:
        raise UserError("This zip has no file in it.")
    if len(members) > MOST_MEMBERS:
        raise _too_many_members()
    if unpacked_bytes > MOST_UNPACKED_BYTES:
        raise _too_much()
    if any(member.flag_bits & 1 for member in members):
        raise UserError("This zip is encrypted: pack its images without a password.")
    if any(member.compress_type not in _COMPRESSIONS for member in members):
        raise UserError("This zip is compressed in an unusual way: pack its images anew.")
    if len(members) > budget.members or unpacked_bytes > budget.unpacked_bytes:
        raise UserError(
            f"With the zips before it this one comes to more than {MOST_MEMBERS:,} files or "
            f"{MOST_UNPACKED_BYTES // 1_000_000} MB unpacked: bring it by itself."
        )


def _too_many_members() -> UserError:
    return UserError(f"This zip has more than {MOST_MEMBERS:,} files in it: split it.")


def _too_much() -> UserError:
    return UserError(
        f"This zip holds more than {MOST_UNPACKED_BYTES // 1_000_000} MB when unpacked: split it."
    )
