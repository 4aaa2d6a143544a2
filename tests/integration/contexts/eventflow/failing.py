"""File storage that fails when it is told to."""

from __future__ import annotations

from robosure.platform.files import FileStorage, StoredFile


class Failing:
    """File storage that fails at one of its calls."""

    def __init__(self, files: FileStorage, *, at: int, how: str) -> None:
        self._files = files
        self._left = at
        self._how = how

    async def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        self._left -= 1
        if self._left == 0 and self._how == "full":
            raise OSError(28, "No space left on device")
        return await self._files.put(key, content, content_type)

    async def get(self, key: str) -> bytes:
        content = await self._files.get(key)
        if self._left == 0 and self._how == "cut":
            return content[: len(content) // 2]
        if self._left == 0 and self._how == "changed":
            return bytes([content[0] ^ 1]) + content[1:]
        return content
