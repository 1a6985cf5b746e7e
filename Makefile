# make demo, make test, make exact, make lint, make docs, make results: each makes .venv when
# pyproject.toml or constraints.txt is newer than the last installation, and otherwise installs nothing.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# torch comes first, by its exact version, so that nothing later pulls in another build of it.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test exact lint docs results

demo: $(INSTALLED)
	$(BIN)/vpr-edge demo --overwrite

test: $(INSTALLED)
	$(BIN)/pytest
	$(MAKE) exact

# The tests that expect every bit, once more: as a processor of 2009 computes them, and on two
# threads. Features that this processor lacks anyway are named in a warning.
OLDER := ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=SSE41 \
	OPENBLAS_CORETYPE=Nehalem NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL AVX512_SPR" \
	OPENCV_CPU_DISABLE=SSE4.1,SSE4.2,AVX,FP16,AVX2,AVX512-SKX \
	GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-FMA

EXACT = $(shell grep -rl 'mark\.exact' tests --include='test_*.py')

exact: $(INSTALLED)
	$(OLDER) OMP_NUM_THREADS=1 $(BIN)/pytest -q -m exact $(EXACT)
	OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 $(BIN)/pytest -q -m exact $(EXACT)

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy vpr_edge

# The pages as a site in build/site; a broken link is an error.
docs: $(INSTALLED)
	$(PIP_INSTALL) -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Measures what docs/results.md shows and is not measured yet, and writes the page.
results: $(INSTALLED)
	$(BIN)/python tools/results.py

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	"vpr-edge needs Python 3.11 or later; give one: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) torch==2.13.0
	$(PIP_INSTALL) -e '.[train,town,map,mcu,dev]'
	touch $@
