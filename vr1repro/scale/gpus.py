"""GPUs that the presets are written for, as their makers' data sheets state them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU.

    Attributes:
        name: As in messages.
        memory: Bytes that a process sees.
        flops: Dense bf16 operations a second.
        bandwidth: Bytes a second of its memory.
        link: Bytes a second to its node's other GPUs, one way.
    """

    name: str
    memory: int
    flops: float
    bandwidth: float
    link: float


# torch sees 79.1 GiB of an 80 GB card, 139 GiB of an H200. NVIDIA's data sheets: SXM, dense rates; H800 is
# H100 with a slower NVLink.
_SEEN = int(79.1 * 2**30)
H100 = Gpu(name="H100 80GB", memory=_SEEN, flops=989e12, bandwidth=3.35e12, link=450e9)
H800 = Gpu(name="H800 80GB", memory=_SEEN, flops=989e12, bandwidth=3.35e12, link=200e9)
A100 = Gpu(name="A100 80GB", memory=_SEEN, flops=312e12, bandwidth=2.04e12, link=300e9)
H200 = Gpu(name="H200", memory=139 * 2**30, flops=989e12, bandwidth=4.8e12, link=450e9)


def peak_flops(name: str) -> float | None:
    """Dense bf16 operations a second of a GPU as torch names it; None where no data sheet is here."""
    return next((gpu.flops for gpu in (H100, H200, H800, A100) if gpu.name.split()[0] in name), None)


# What stands beside a model: contexts, NCCL's buffers, CUDA graphs, fragmentation. Assumed; no run has measured it.
RESERVE = 6 * 10**9
