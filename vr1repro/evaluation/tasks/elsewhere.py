"""The benchmarks of the paper's Table 2 that are not run here, and the command of the harness that has them."""

from vr1repro.evaluation.tasks import FOLDER

# (benchmark, what is run here, command). VLMEvalKit: run.py of open-compass/VLMEvalKit, which the paper's code vendors.
ELSEWHERE = (
    ("ChartQA", "by lm-eval's own task", "lm_eval --model hf-multimodal --model_args pretrained=MODEL --tasks chartqa"
     " --apply_chat_template"),
    ("MMStar", "not run", "python run.py --data MMStar --model MODEL  # VLMEvalKit"),
    ("MME", "not run", "python run.py --data MME --model MODEL  # VLMEvalKit"),
    ("HallusionBench", "not run", "python run.py --data HallusionBench --model MODEL  # VLMEvalKit"),
)  # fmt: skip


def listing() -> str:
    """Our tasks by name, and the benchmarks that other harnesses have."""
    names = sorted(file.stem for file in FOLDER.glob("vr1_*.yaml"))
    lines = [f'lm_eval --include_path "$(vr1repro tasks)" --tasks {name}' for name in names]
    lines += [f"{name}, {state}: {command}" for name, state, command in ELSEWHERE]
    return "\n".join(lines)
