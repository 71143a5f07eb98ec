# Workers with an NVIDIA accelerator. torch brings CUDA's libraries with it; of the machine it needs the driver alone.
#
#   docker build -f containers/gpu.Dockerfile -t pairsieve:gpu .
#   docker build -f containers/gpu.Dockerfile --build-context models=DIR ...      bakes the checkpoints of DIR in, as /models
ARG BEAM=2.77.0

FROM scratch AS models
COPY LICENSE /LICENSE

FROM docker.io/apache/beam_python3.11_sdk:${BEAM}
# Without the last one each job would get a virtual environment of its own, in which nothing of this image is.
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
WORKDIR /opt/pairsieve
COPY constraints.txt ./
RUN pip install --constraint constraints.txt torch torchvision
COPY . ./
RUN pip install --constraint constraints.txt '.[c2pa,faces,gcp,s3]' \
    && useradd --create-home --uid 10001 worker \
    && install --directory --owner=10001 --group=10001 /data
# A checkpoint that only its owner may read is readable by the worker, too.
COPY --from=models --chown=10001:10001 / /models/
# What a job sends along is installed into the home of this user.
USER 10001
WORKDIR /home/worker
ENTRYPOINT ["/opt/apache/beam/boot"]
