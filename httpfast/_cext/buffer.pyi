from typing_extensions import disjoint_base

def expect_large_blocks() -> None: ...

@disjoint_base
class ByteBuffer:
    @property
    def filled(self) -> int: ...
