# Flink with Beam's runner in its lib folder, for job managers and task managers; and Beam's job
# server, which is the same jars:
#
#   docker build -f containers/flink.Dockerfile -t pairsieve:flink .
#   docker run ... --entrypoint /opt/flink/bin/beam-job-server pairsieve:flink --flink-master=jobmanager:8081
FROM docker.io/library/maven:3.9-eclipse-temurin-17 AS beam
COPY containers/flink/pom.xml /build/
# Flink's own classes and its log stay those of the image.
RUN mvn --batch-mode --quiet --file /build/pom.xml \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DexcludeGroupIds=org.apache.flink,org.slf4j -DoutputDirectory=/build/lib

FROM docker.io/library/flink:1.19.3-java17
COPY --from=beam /build/lib/ /opt/flink/lib/
COPY containers/flink/java.options /opt/flink/conf/beam-java.options
COPY --chmod=755 containers/flink/beam-job-server /opt/flink/bin/
USER flink
