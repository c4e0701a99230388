# What a start looks at before its first job: vr1repro/jobs/start.py, docs/cluster.md.
from vr1repro.jobs import interrupts, start

interrupts.begin(workflow)


def begin_run(workflow):
    """Ask whether this start may go on."""
    try:
        start.begin(workflow, CONFIG, REMAKE)
    except UserError as error:
        raise WorkflowError(str(error)) from None
