"""What an archive of lists contains, read in a child process with limits. Needs no database."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO

from cartable.uploads import ReadingLimits, read_upload
from profiles.filters import archive
from profiles.filters.blocks import CategoryContent, HostBlock, build_blocks, hash_blocks
from profiles.filters.errors import BadList, DamagedMember

#: Five million hosts take a minute here, and 100 MB beside the archive and the result.
_CPU_SECONDS = 300
_MEMORY_BYTES = 512 * 2**20
_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ReadLists:
    """What an archive contains: the compressed blocks of hosts of each category, and whether it lists what is good."""

    categories: dict[str, tuple[bool, list[HostBlock]]]
    skipped: list[str]

    def count_hosts(self) -> dict[str, int]:
        """Return how many hosts each category has."""
        return {name: sum(block.count for block in blocks) for name, (_, blocks) in self.categories.items()}

    def describe(self) -> list[CategoryContent]:
        """Return what each category contains, by the hash of its blocks."""
        counts = self.count_hosts()
        return [
            CategoryContent(name, white, counts[name], hash_blocks(blocks)) for name, (white, blocks) in self.categories.items()
        ]

    def get_blocks_by_hash(self) -> dict[str, list[HostBlock]]:
        """Return the blocks of the categories by the hash of their content."""
        return {hash_blocks(blocks): blocks for _, blocks in self.categories.values()}


def read_archive(file: IO[bytes]) -> ReadLists:
    """Return what an archive in UT1's format contains. Raises `BadList`, `UploadsBusy`, `FileTooDemanding`.

    It is read in a child process, from which a hostile archive reaches nothing. No unit of work may be open meanwhile.
    """
    file.seek(0)
    content = file.read()
    return read_upload(read_lists, content, limits=ReadingLimits(_CPU_SECONDS, _MEMORY_BYTES + 2 * len(content), _SECONDS))


def read_lists(content: bytes) -> ReadLists:
    """Return what an archive contains. Memory is bounded by what the hosts have compressed. Raises `BadList`."""
    lists = archive.ListArchive(io.BytesIO(content))
    categories: dict[str, tuple[bool, list[HostBlock]]] = {}
    try:
        for category in lists.read():
            _, blocks = categories.setdefault(category.category, (category.white, []))
            blocks.extend(build_blocks(category.hosts))
    except archive.BadArchive as error:
        if error.why == "damaged_member":
            raise DamagedMember(why=error.why, member=error.member) from error
        raise BadList(why=error.why, **({"member": error.member} if error.member else {})) from error
    return ReadLists(categories, lists.skipped)
