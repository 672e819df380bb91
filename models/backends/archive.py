"""The zip archives that torch writes, read in full so that what is checked is what torch gets."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from models.errors import FileError


@dataclass(frozen=True, slots=True)
class Archive:
    """Records of a torch archive by name, without the folder that they all lie in.

    torch has a zip reader of its own, which need not agree with Python's on a file made to deceive. So a checked
    archive is not handed over as the file but as `rewritten`, which holds these records and nothing else.
    """

    records: dict[str, bytes]

    @classmethod
    def read(cls, path: Path, shown: str) -> Archive:
        """Read an archive; raises FileError where it is not one, and names `shown`."""
        try:
            with zipfile.ZipFile(path) as file:
                names = [info.filename for info in file.infolist() if not info.is_dir()]
                tops = {name.partition("/")[0] for name in names}
                if len(set(names)) != len(names) or len(tops) != 1 or any("/" not in name for name in names):
                    raise FileError(shown, "is a zip archive, but not one that torch wrote")
                return cls({name.partition("/")[2]: file.read(name) for name in names})
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise FileError(shown, f"is not a torch archive; is it damaged? ({error})") from error

    def rewritten(self) -> bytes:
        """Give the records as a new, uncompressed archive."""
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as file:
            for name, content in self.records.items():
                file.writestr(f"archive/{name}", content)
        return target.getvalue()
