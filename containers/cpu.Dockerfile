# Workers without an accelerator, and the command itself.
#
#   docker build -f containers/cpu.Dockerfile -t pairsieve:cpu .
#   docker build -f containers/cpu.Dockerfile --build-context models=DIR ...      bakes the checkpoints of DIR in, as /models
#   mkdir -p runs
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/runs:/data" --entrypoint pairsieve pairsieve:cpu run --output /data/demo --work /data/work
ARG BEAM=2.77.0

FROM scratch AS models
COPY LICENSE /LICENSE

FROM docker.io/apache/beam_python3.11_sdk:${BEAM}
# Here torch is a tenth of its size; its own index has builds without CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# Without the last one each job would get a virtual environment of its own, in which nothing of this image is.
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
WORKDIR /opt/pairsieve
COPY constraints.txt ./
RUN pip install --constraint constraints.txt --extra-index-url "${TORCH_INDEX}" torch torchvision
COPY . ./
RUN pip install --constraint constraints.txt '.[c2pa,faces,gcp,s3]' \
    && useradd --create-home --uid 10001 worker \
    && install --directory --owner=10001 --group=10001 /data
# A checkpoint that only its owner may read is readable by the worker, too.
COPY --from=models --chown=10001:10001 / /models/
# A volume at /data belongs to this user, as the folder does.
# What a job sends along is installed into the home of this user.
USER 10001
WORKDIR /home/worker
ENTRYPOINT ["/opt/apache/beam/boot"]
