"""Names of environment variables that a warm start's processes share."""

ADDRESS = "VR1REPRO_WARM"  # the path of the server's socket
THREAD_POOLS = [f"{pool}_NUM_THREADS" for pool in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")]
