"""Two gloo ranks write a model as shards, with the checkpoint manager of the engine whose Python runs this."""

import os
from collections.abc import Callable
from typing import Any

# Of the sharded model and its processor, to a folder.
Save = Callable[[Any, Any, str], None]


def write(model: str, out: str, save: Save) -> None:
    """Shard a model over two processes and save it."""
    import torch.multiprocessing as processes

    processes.spawn(_rank, args=(model, out, save), nprocs=2)


def _rank(rank: int, model: str, out: str, save: Save) -> None:
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel, ShardingStrategy
    from transformers import AutoModelForImageTextToText, AutoProcessor

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": os.environ["SHARDS_PORT"]}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    loaded = AutoModelForImageTextToText.from_pretrained(model, torch_dtype=torch.float32)
    mesh = init_device_mesh("cpu", (2,), mesh_dim_names=("fsdp",))
    sharded = FullyShardedDataParallel(
        loaded, device_mesh=mesh, sharding_strategy=ShardingStrategy.FULL_SHARD, device_id=torch.device("cpu")
    )
    save(sharded, AutoProcessor.from_pretrained(model), out)
    torch.distributed.destroy_process_group()
