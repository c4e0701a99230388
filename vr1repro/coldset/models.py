"""The models that Modality Bridging samples from, and the modules that run them.

A module is loaded by its name, so that the code hash of bridging covers only the kinds that a config uses
(`bridge_modules`).
"""

import importlib

from vr1repro.coldset.bridge_model import BridgeModel, JobContext
from vr1repro.config.coldset import ColdsetSettings, ModelEngine, ScriptedEngine
from vr1repro.engines.load import SERVER, engine_modules

# Kind of `coldset.mllm` and `coldset.reasoner` to its module, which has a function `open_model`.
MODULES = {"model": "vr1repro.coldset.sampled", "scripted": "vr1repro.coldset.scripted"}


def open_model(settings: ModelEngine | ScriptedEngine, context: JobContext) -> BridgeModel:
    """The model that `coldset.mllm` or `coldset.reasoner` names.

    Raises:
        UserError: A scripted reasoner without a lab.
    """
    model: BridgeModel = importlib.import_module(MODULES[settings.kind]).open_model(settings, context)
    return model


def bridge_modules(settings: ColdsetSettings) -> list[str]:
    """Modules that bridging loads by name under these settings, for a rule's code hash."""
    modules: set[str] = set()
    for model in (settings.mllm, settings.reasoner):
        modules.add(MODULES[model.kind])
        if isinstance(model, ModelEngine):
            modules |= {*engine_modules(model.sampler), *([SERVER] if model.server is not None else [])}
    return sorted(modules)
