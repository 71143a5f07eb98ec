#!/bin/sh
# Some stages of a run, by a job server, in so many slots, of which a task manager has so many:
#   run.sh extract,fetch jobserver-cpu 64 4
exec pairsieve run --config /config/my.yaml --log json --stages "$1" --runner=PortableRunner --job_endpoint="$2:8099" \
    --environment_type=EXTERNAL --environment_config=localhost:50000 --parallelism="$3" --sdk_worker_parallelism="$4"
