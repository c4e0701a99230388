"""A real Slurm on this machine's loopback: munge, slurmctld, several slurmd with counted GPUs; up and down in seconds.

Needs Debian's slurmctld, slurmd, slurm-client and munge (22.05). Nothing of the machine's own Slurm is touched: every
file lies in one short folder, every port is picked free, and the commands on the cluster's PATH are wrappers that name
its slurm.conf (a job's nested `srun` gets no SLURM_CONF, so a variable alone is not enough).
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from waiting import PATIENCE_S, wait_until

DAEMONS = ("slurmctld", "slurmd", "munged", "mungekey")
CLIENTS = ("srun", "sbatch", "squeue", "scancel", "sinfo", "scontrol", "sacct", "sacctmgr", "sshare")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
SBIN = "/usr/sbin:/sbin"
_STOP_S = 15  # then a daemon is killed


def why_not() -> str | None:
    """Why no cluster can be brought up here, or None."""
    missing = [name for name in (*DAEMONS, *CLIENTS) if shutil.which(name, path=f"{os.environ['PATH']}:{SBIN}") is None]
    if missing:
        return f"no Slurm here ({', '.join(missing[:3])} missing): apt-get install {' '.join(PACKAGES)}"
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        return "this host's name does not resolve; the daemons would not find one another"
    if not address.startswith("127."):
        return f"this host's name resolves to {address}; the daemons must stay on loopback (see /etc/hosts)"
    return None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Cluster:
    """The cluster. `up()` starts it, `down()` ends every daemon that it started."""

    def __init__(self, nodes: int = 3, gpus: int = 2, cpus: int = 8, mem_mb: int = 12_000, extra: str = "") -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="vr1-", dir="/tmp"))
        self.nodes = [f"node{number}" for number in range(1, nodes + 1)]
        self.gpus, self.cpus, self.mem_mb, self.extra = gpus, cpus, mem_mb, extra
        self.ports = {name: _free_port() for name in ("ctld", *self.nodes)}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.conf = self.dir / "slurm.conf"
        self.bin = self.dir / "bin"

    # Up and down ---------------------------------------------------------------------------------------------------

    def up(self) -> None:
        """Start it, and wait until every node is idle."""
        for name in ("munge", "state", "log", "bin", "dev", *(f"spool/{node}" for node in self.nodes)):
            (self.dir / name).mkdir(parents=True)
        for folder in (self.dir, self.dir / "munge"):
            folder.chmod(0o755)  # munged wants its socket to be reachable for all
        self._write()
        munge = self.dir / "munge"
        self._run_tool("mungekey", "--create", f"--keyfile={munge}/key")
        self._start(
            "munged", "-F", "--force", f"--key-file={munge}/key", f"--socket={munge}/socket", f"--pid-file={munge}/pid",
            f"--log-file={munge}/log", f"--seed-file={munge}/seed", "--num-threads=2",
        )  # fmt: skip
        wait_until((munge / "socket").exists, "munged's socket")
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: set(self.states().values()) == {"idle"}, "idle nodes", every_s=0.1, evidence=self.log)

    def down(self) -> None:
        """End the jobs, then the daemons, and remove the folder."""
        with suppress(subprocess.SubprocessError):
            self.ask("scancel", "--me", "--state=PENDING")
            self.ask("scancel", "--me", "--signal=KILL", "--full")
        for name in reversed(list(self.daemons)):
            self.stop(name, signal.SIGTERM)
        self._end_steps()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start_controller(self) -> None:
        """Start slurmctld, and wait until it answers."""
        self._start("slurmctld", "-D", "-f", str(self.conf))
        wait_until(
            lambda: self.try_ask("scontrol", "ping").returncode == 0, "slurmctld", every_s=0.1, evidence=self.log
        )

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._start("slurmd", "-D", "-N", node, "-f", str(self.conf), name=node)

    def stop(self, name: str, how: int) -> None:
        """End a daemon by a signal; `name` is slurmctld, munged or a node."""
        process = self.daemons.pop(name)
        process.send_signal(how)
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # Questions -----------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """The tests' own environment with the cluster's commands first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return {**kept, "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def try_ask(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a Slurm command."""
        command = [str(self.bin / words[0]), *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=cwd)

    def ask(self, *words: str, cwd: Path | None = None) -> str:
        """Run a Slurm command that must work; what it says."""
        done = self.try_ask(*words, cwd=cwd)
        if done.returncode:
            raise subprocess.SubprocessError(f"{' '.join(words)}: {done.stderr}{done.stdout}")
        return done.stdout.strip()

    def states(self) -> dict[str, str]:
        """Node to state."""
        done = self.try_ask("sinfo", "-h", "-N", "-o", "%N %t")
        return dict(line.split()[:2] for line in done.stdout.splitlines())

    def jobs(self, states: str = "all") -> dict[str, tuple[str, str]]:
        """Job id to state and comment (rule and wildcards)."""
        rows = self.ask("squeue", "-h", f"--states={states}", "-o", "%i|%T|%k").splitlines()
        return {parts[0]: (parts[1], parts[2]) for parts in (row.split("|") for row in rows)}

    def log(self) -> str:
        """The ends of the daemons' logs."""
        return "\n".join(path.read_text(errors="replace")[-800:] for path in (self.dir / "log").iterdir())

    # How -----------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        host = socket.gethostname()
        # Counted GPUs: each must be a character device, so each is a copy of /dev/null.
        null = Path("/dev/null").stat().st_rdev
        devices = []
        for number in range(self.gpus):
            device = self.dir / "dev" / f"nvidia{number}"
            try:
                os.mknod(device, stat.S_IFCHR | 0o666, null)
            except PermissionError:
                device = Path("/dev/null")
            devices.append(f"Name=gpu File={device}")
        (self.dir / "gres.conf").write_text("\n".join(devices) + "\n")
        gres = f" Gres=gpu:{self.gpus}" if self.gpus else ""
        node_lines = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.ports[node]} CPUs={self.cpus}"
            f" RealMemory={self.mem_mb}{gres} State=UNKNOWN"
            for node in self.nodes
        ]
        user = os.environ.get("USER") or subprocess.check_output(["id", "-un"], text=True).strip()
        self.conf.write_text(
            f"""ClusterName=vr1
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={self.ports["ctld"]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={self.dir}/munge/socket
StateSaveLocation={self.dir}/state
SlurmdSpoolDir={self.dir}/spool/%n
SlurmctldPidFile={self.dir}/slurmctld.pid
SlurmdPidFile={self.dir}/slurmd.%n.pid
SlurmctldLogFile={self.dir}/log/slurmctld
SlurmdLogFile={self.dir}/log/%n
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=20
KillWait=2
MinJobAge=900
InactiveLimit=0
DefMemPerCPU=500
GresTypes=gpu
{self.extra}
{chr(10).join(node_lines)}
PartitionName=main Nodes={",".join(self.nodes)} Default=YES MaxTime=INFINITE State=UP
"""
        )
        for name in CLIENTS:
            wrapper = self.bin / name
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.conf} exec {shutil.which(name)} "$@"\n')
            wrapper.chmod(0o755)

    def _run_tool(self, name: str, *words: str) -> None:
        subprocess.run([self._find(name), *words], check=True, capture_output=True)

    def _start(self, tool: str, *words: str, name: str | None = None) -> None:
        # Jobs see what slurmd sees, save what would name the tests' own session.
        with (self.dir / "log" / f"{name or tool}.out").open("ab") as out:
            self.daemons[name or tool] = subprocess.Popen(
                [self._find(tool), *words], stdout=out, stderr=out, start_new_session=True, cwd=self.dir
            )

    def _find(self, name: str) -> str:
        found = shutil.which(name, path=f"{os.environ['PATH']}:{SBIN}")
        assert found, name
        return found

    def _end_steps(self) -> None:
        # A job step's manager outlives its slurmd; those of this cluster name its spool folder or its conf.
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
                environment = (entry / "environ").read_bytes().decode(errors="replace")
                if words.startswith("slurmstepd") and str(self.dir) in environment:
                    os.kill(int(entry.name), signal.SIGKILL)
