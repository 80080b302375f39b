"""The exception raised by everything that reads a policy."""


class PolicyError(ValueError):
    """A policy file that cannot be read as Landlock Config.

    ``line`` and ``column`` count from 1 (characters); 0 if the error concerns the whole file. ``key`` is the offending
    key or value as written, ``hint`` says what to do next; both may be empty.
    """

    def __init__(
        self, message: str, *, file: str, line: int = 0, column: int = 0, key: str = "", hint: str = ""
    ) -> None:
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {self.message}{hint}"
