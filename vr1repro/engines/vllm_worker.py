"""What vLLM's worker processes do for us beside sampling; vLLM imports it there by name (`worker_extension_cls`)."""

import random


class Reseed:
    """Methods that vLLM adds to its workers, for `LLM.collective_rpc`."""

    def reseed_sampler(self, seed: int) -> None:
        """Start the generators anew that draw the tokens of requests without a seed of their own.

        vLLM seeds them when it starts and never again. numpy's gives such requests a seed in the V2 model runner,
        torch's draws in FlashInfer and in the V1 runner.

        Args:
            seed: Below 2**32, which is numpy's limit.
        """
        import numpy as np
        import torch

        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
