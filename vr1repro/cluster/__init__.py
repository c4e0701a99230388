"""On a cluster: asking Slurm, one head process a folder, recovery, what a run will cost, what a machine lacks."""
