"""Source code of jobs: files, archives, and packages that are built without network access."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

BACKEND = """
import zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "flowers-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        wheel.write("src/flowers.py", "flowers.py")
        for line, text in {
            "METADATA": "Metadata-Version: 2.1\\nName: flowers\\nVersion: 1.0\\n",
            "WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\n"
            "Tag: py3-none-any\\n",
            "RECORD": "",
        }.items():
            wheel.writestr(f"flowers-1.0.dist-info/{line}", text)
    return name
"""
"""Build backend inside the package, so that none must be downloaded."""

PACKAGE = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
    'backend-path = ["."]\n',
    "backend.py": BACKEND,
    "src/flowers.py": "import sys\nsys.stdout.write(f'flowers {sys.argv[1:]}\\n')\n",
}
"""A package with one module, flowers."""

ENDLESS_REQUIREMENTS = {
    "requirements.txt": "./endless\n",
    "endless/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "endless"\n'
    'backend-path = ["."]\n',
    "endless/endless.py": "import os, time\n"
    "open(os.environ['STARTED'], 'w').write(str(os.getpid()))\ntime.sleep(1000)\n",
}
"""Package whose build writes its process id to the file STARTED and never ends."""


def write_files(directory: Path, files: Mapping[str, str]) -> Path:
    """Write files below a directory; return the directory."""
    for name, content in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
    return directory


def archive_of(files: Mapping[str, str], *, mode: str = "gz") -> bytes:
    """Return an archive of files, as `tar -czf` writes it."""
    return archive_of_members([_file(name, content) for name, content in files.items()], mode=mode)


Member = tuple[tarfile.TarInfo, bytes]


def archive_of_members(members: Iterable[Member], *, mode: str = "gz") -> bytes:
    """Return an archive of arbitrary members, including unsafe ones."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=f"w:{mode}") as tar:  # type: ignore[call-overload]
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Member:
    """Return an empty member of a kind, for links with a target."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def _file(name: str, content: str) -> Member:
    data = content.encode()
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    return info, data
