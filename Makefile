# The two commands of a newcomer are `make micro` and `make test`. Needs Python 3.11 or 3.12, make and gcc.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
CORES ?= 2
DATA ?= ../shared/data
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Figures are drawn without a display; tokenizers must not fork threads of their own.
export MPLBACKEND := agg
export TOKENIZERS_PARALLELISM := false
# Every job is a process of its own; without compiled modules on disk each would compile torch and transformers anew.
unexport PYTHONDONTWRITEBYTECODE
# Jobs are forked from a process that has imported torch; WARM= lets each import it for itself.
WARM ?= $(BIN)/vr1repro warm
SNAKEMAKE := $(WARM) $(BIN)/snakemake --cores $(CORES)

.PHONY: help env env-micro micro smoke figures test verify bench lint format docs lock lock-engines clean
.PHONY: env-llama-factory env-verl env-easyr1

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# An environment is complete when its stamp is there. envs/ pins every package with its hash, dependencies included, so
# nothing is resolved here.
define install
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --require-hashes -r $(1)
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	touch $@
endef

$(VENV)/.micro: envs/micro.txt pyproject.toml
	@echo "installing the laptop's environment (about 5 GB once)"
	$(call install,envs/micro.txt)

$(VENV)/.test: envs/test.txt pyproject.toml
	@echo "installing the environment with all that tests need (about 7 GB once)"
	$(call install,envs/test.txt)
	touch $(VENV)/.micro

env: $(VENV)/.test ## Make .venv with everything that tests need

env-micro: $(VENV)/.micro ## Make .venv with what `make micro` needs

# The engines that a stage can be handed to, each in an environment of its own (docs/engines.md).
env-llama-factory env-verl env-easyr1: env-%: $(VENV)/.micro ## Make .venv-<engine> for an engine of the field
	test -x .venv-$*/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-$*
	VIRTUAL_ENV=.venv-$* $(BIN)/uv pip install --quiet --no-deps --require-hashes -r envs/engine-$(subst -,,$*).txt

micro: $(VENV)/.micro ## Reproduce the experiment at micro scale, problems to report
	$(SNAKEMAKE) --rerun-incomplete
	@echo; echo "report: file://$(CURDIR)/results/micro/report/index.html"

smoke: $(VENV)/.micro ## The same, as small as it goes: every stage runs, nothing is learnt
	$(SNAKEMAKE) --rerun-incomplete --configfile config/smoke.yaml
	@echo; echo "report: file://$(CURDIR)/results/smoke/report/index.html"

figures: $(VENV)/.micro ## Draw tables, figures and page of the reference run again, from its archive alone
	$(BIN)/vr1repro redraw --reference results/reference/micro --out paper_figs/micro --published paper_figs/published

test: $(VENV)/.test ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

verify: $(VENV)/.test ## Run the tests, micro, and what is too long for `make test`, in parts; started again it goes on
	$(BIN)/python bench/verify.py --workers $(CORES) --data $(DATA)

bench: $(VENV)/.test ## Measure speed, one table a script; DATA=folder of public model outputs for the grader's
	$(BIN)/python bench/grpo_update.py --out results/reference/bench/grpo-update.json
	$(BIN)/python bench/gpu_step.py --size tiny --prompt 128 --response 64 --group 8
	if test -d results/micro/train/ci; then $(BIN)/python bench/generation.py --run results/micro --problems 128 --out results/reference/bench/generation.json; fi
	$(BIN)/python bench/endpoint_throughput.py --record results/reference/bench
	if test -d $(DATA)/mathvision; then $(BIN)/python -m bench.agreement measure --data $(DATA) --out results/agreement; fi
	if test -d $(DATA)/mathvision; then $(BIN)/python bench/grading.py --data $(DATA)/mathvision --out results/reference/bench/grading.json; fi

lint: $(VENV)/.test ## Format check, types, workflow lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/python -m vr1repro.config.docs --check
	$(BIN)/python -m vr1repro.core.upstream --check

format: $(VENV)/.test ## Format the code and the rules
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

docs: $(VENV)/.micro ## Generate config/README.md, config/schema.json, docs/DEVIATIONS.md and docs/upstream.md
	$(BIN)/python -m vr1repro.config.docs
	$(BIN)/python -m vr1repro.core.upstream

lock: ## Resolve pyproject.toml again and export envs/*.txt
	$(PYTHON) envs/export.py

lock-engines: ## Resolve the engines' environments again, envs/engine-*.txt
	$(PYTHON) envs/engines.py

clean: ## Remove what runs made, but not results/reference
	rm -rf .snakemake $(filter-out results/reference,$(wildcard results/*))
