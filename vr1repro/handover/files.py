"""The text files of an export beside stage.yaml: reward.py, run.sh, the chat template and LLaMA-Factory's index."""

import json
import shlex
from pathlib import Path
from typing import Any

from transformers import AutoProcessor

from vr1repro.core.provenance import PACKAGE
from vr1repro.handover.engines import EASYR1_FOLDER, PRINT_VERSIONS, Engine
from vr1repro.handover.names import DATA, LOGS, VERSIONS
from vr1repro.handover.settings import DATASET
from vr1repro.handover.stage import HandedStage

_REWARD = '''\
"""The reward of {title} as {engine} calls it: `vr1repro.answers` with the stage's settings."""

from vr1repro.handover.rewarding import StageReward{imports}

REWARD_NAME, REWARD_TYPE = "vr1repro", "batch"
REWARD = StageReward({settings!r}, ends={ends!r}, penalty={penalty!r})
{call}
'''
_CALLS = {
    "verl": ("\nStageRewardManager = verl_manager(REWARD)", ", verl_manager"),
    "easyr1": ("\n\ndef main(reward_inputs):\n    return REWARD.easyr1(reward_inputs)", ""),
}
_HEAD = """\
#!/usr/bin/env bash
# {title} by {engine} {version} ({support}). docs/engines.md says what it needs.
#   bash run.sh                 on this machine
#   sbatch ... run.sh           on {nodes} node(s) of {processes} GPU(s) under Slurm; name your partition
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={processes}
set -euo pipefail
# The engine's environment, where it is not the active one.
[ -n "${{{variable}:-}}" ] && export PATH="${variable}/bin:$PATH"
export PYTHONPATH={package}"${{PYTHONPATH:+:$PYTHONPATH}}"
# sbatch runs a copy of this file, so its own place is written here.
here={here}
mkdir -p "$here/{logs}"
{check}
python - >"$here/{logs}/{versions_file}" <<'PYTHON'
{versions}
PYTHON
"""
# A launcher of its own on each node; the batch script runs on the first one.
_TORCHRUN = """\
export FORCE_TORCHRUN={torchrun} NNODES={nodes} NPROC_PER_NODE={processes}
if [ -n "${{SLURM_JOB_ID:-}}" ] && [ {nodes} -gt 1 ]; then
  export MASTER_ADDR=$(hostname) MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))
  srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --kill-on-bad-exit=1 \\
    bash -c 'NODE_RANK=$SLURM_PROCID python -m llamafactory.cli train "$0"' "$here/stage.yaml" \\
    2>&1 | tee -a "$here/{logs}/train.log"
else
  python -m llamafactory.cli train "$here/stage.yaml" 2>&1 | tee -a "$here/{logs}/train.log"
fi
"""
# Ray over Slurm: a head on the first node, a worker on each other; all end with this script.
_RAY = """\
export VERL_FILE_LOGGER_PATH="$here/{logs}/experiment-$(date +%s).jsonl"
steps=()
stop() {{ for step in "${{steps[@]}}"; do kill "$step" 2>/dev/null || true; done; wait || true; }}
trap stop EXIT
if [ -n "${{SLURM_JOB_ID:-}}" ]; then
  nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
  port=$((20000 + SLURM_JOB_ID % 10000))
  address=$(srun --nodes=1 --ntasks=1 --nodelist="${{nodes[0]}}" hostname --ip-address | awk '{{print $1}}'):$port
  start() {{
    srun --nodes=1 --ntasks=1 --nodelist="$1" --overlap --kill-on-bad-exit=1 ray start --block "${{@:2}}" \\
      >"$here/{logs}/ray-$1.log" 2>&1 &
    steps+=($!)
  }}
  start "${{nodes[0]}}" --head --port="$port" --disable-usage-stats {gpus}
  for attempt in $(seq 60); do ray status --address "$address" >/dev/null 2>&1 && break; sleep 2; done
  for node in "${{nodes[@]:1}}"; do start "$node" --address "$address" --disable-usage-stats {gpus}; done
  export RAY_ADDRESS="$address"
  for attempt in $(seq 60); do
    joined=$(python -c 'import ray; ray.init(logging_level="ERROR"); print(sum(n["Alive"] for n in ray.nodes()))' \\
      2>/dev/null | tail -n 1 || true)
    [ "${{joined:-0}}" -ge {nodes} ] && break
    sleep 2
  done
  echo "ray: $joined of {nodes} node(s) joined at $address" | tee -a "$here/{logs}/train.log"
  [ "$joined" -ge {nodes} ]
fi
# VR1REPRO_ONLY_RAY=1 ends here: Ray was started and is stopped, nothing is trained.
[ -n "${{VR1REPRO_ONLY_RAY:-}}" ] && exit 0
{command} 2>&1 | tee -a "$here/{logs}/train.log"
"""


def reward_file(stage: HandedStage, engine: Engine) -> str:
    """reward.py; LLaMA-Factory's stage has no reward, and says so."""
    if stage.is_sft:
        return f'"""{stage.title} is fine-tuning: {engine.title} rewards nothing. Made by `vr1repro export`."""\n'
    rl, call = stage.config.rl, _CALLS[engine.name]
    tokenizer = AutoProcessor.from_pretrained(stage.model).tokenizer
    ends = {tokenizer.eos_token, tokenizer.pad_token, "<|im_end|>", "<|endoftext|>"}
    return _REWARD.format(
        title=stage.title,
        engine=engine.title,
        settings=stage.reward.model_dump(mode="json"),
        ends=sorted(end for end in ends if end),
        penalty=rl.truncation_penalty if rl.truncation == "penalty" else 0.0,
        call=call[0],
        imports=call[1],
    )


def run_file(stage: HandedStage, engine: Engine, out: Path) -> str:
    """run.sh: the engine's own launcher, on one node and over Slurm."""
    launch = (stage.config.sft if stage.is_sft else stage.config.rl).launch
    gpus = (stage.config.resources.sft if stage.is_sft else stage.config.resources.rl).gpu
    here = out.absolute()
    values: dict[str, Any] = {
        "title": stage.title,
        "engine": engine.title,
        "version": engine.version,
        "support": engine.support,
        "nodes": launch.nodes,
        "processes": launch.processes,
        "here": shlex.quote(str(here)),
        "logs": LOGS,
        "versions_file": VERSIONS,
        "versions": PRINT_VERSIONS.strip(),
        "variable": engine.variable,
        "package": shlex.quote(str(PACKAGE.parent)),
        "check": 'python -c "import vr1repro.handover.rewarding"  # else each reward would fail, in Ray',
        "gpus": f"--num-gpus={gpus}" if gpus else "",
        "torchrun": int(launch.nodes * launch.processes > 1 or bool(launch.zero_stage)),
    }
    if engine.name == "llama-factory":
        return (_HEAD + _TORCHRUN).format(**{**values, "check": 'cd "$here"'})
    if engine.name == "verl":
        command = 'python -m verl.trainer.main_ppo --config-path "$here" --config-name stage'
    else:
        values["check"] += f'\ncd "${{{EASYR1_FOLDER}:?must name the checkout of EasyR1}}"'
        command = 'python -m verl.trainer.main config="$here/stage.yaml"'
    return (_HEAD + _RAY).format(**values, command=command)


def chat_template(stage: HandedStage) -> str:
    """The model's template with the arm's system prompt in front of every conversation."""
    processor = AutoProcessor.from_pretrained(stage.model)
    turn = {"role": "system", "content": [{"type": "text", "text": stage.system_prompt}]}
    return f"{{%- set messages = [{json.dumps(turn, ensure_ascii=False)}] + messages -%}}{processor.chat_template}"


def dataset_index() -> str:
    """dataset_info.json, by which LLaMA-Factory finds the rows."""
    columns = {"prompt": "instruction", "response": "output", "images": "image"}
    index = {DATASET: {"file_name": DATA, "formatting": "alpaca", "columns": columns}}
    return json.dumps(index, indent=2) + "\n"
