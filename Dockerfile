# One image for every process: `serve`, `worker`, `migrate`; a second one with the programs of the resolver (target `resolver`). They run as a user without rights, on a
# read-only root, and write only below /data (and /tmp). On an empty volume the first one makes its keys and its database by itself.
FROM python:3.11-slim-bookworm AS server
# Names on the papers, in any script.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji rsync \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock && useradd --system --uid 10001 cartable
COPY . .
RUN python -m compileall -q . && install -d -o cartable -m 0700 /data /resolver
ENV PYTHONUTF8=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CARTABLE_DATA_DIR=/data CARTABLE_LOG_JSON=true
USER 10001
VOLUME /data
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-m", "mdm", "ready"]
ENTRYPOINT ["python", "-m", "mdm"]
CMD ["serve", "--migrate"]

FROM server AS resolver
USER 0
RUN apt-get update && apt-get install -y --no-install-recommends dnsdist unbound dns-root-data && rm -rf /var/lib/apt/lists/*
USER 10001
EXPOSE 8453
HEALTHCHECK NONE
CMD ["resolver"]

# Without a target the server is built.
FROM server
