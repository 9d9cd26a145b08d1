# Tenfold in a container, for CPUs and NVIDIA GPUs alike: PyTorch's wheel for Linux brings its own CUDA.
#
#   docker build -t tenfold .
#   docker run --rm -p 127.0.0.1:8501:8501 -v tenfold:/work tenfold
#   docker run --rm --gpus all -p 127.0.0.1:8501:8501 -v tenfold:/work tenfold
#
# For a smaller image without CUDA:
#   docker build -t tenfold --build-arg INDEX=https://download.pytorch.org/whl/cpu .
FROM python:3.12-slim

ARG INDEX=""

WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir ${INDEX:+--extra-index-url "$INDEX"} -r requirements.txt

COPY dashboard.py ./
COPY core ./core
COPY pages ./pages
COPY benchmarks ./benchmarks
COPY docs/shapes.png ./docs/shapes.png
COPY .streamlit/config.toml ./.streamlit/config.toml

# Not as root, and with one folder that it may write to.
RUN useradd --create-home --uid 1000 tenfold && mkdir /work && chown 1000 /work
USER 1000
ENV TENFOLD_RUNS=/work/runs TENFOLD_DATA=/work/data
VOLUME /work
EXPOSE 8501

# Inside a container the loopback address is the container's own: the port is published on the host's by the command above.
CMD ["streamlit", "run", "dashboard.py", "--server.address=0.0.0.0", "--server.headless=true"]
