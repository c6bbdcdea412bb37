# One image, two commands: serve and worker.
FROM python:3.11-slim
# Names on the papers, in any script.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock && useradd --system --uid 10001 cartable
COPY . .
ENV PYTHONUTF8=1 CARTABLE_DATA_DIR=/data
RUN mkdir /data && chown cartable /data
USER cartable
VOLUME /data
EXPOSE 8443
CMD ["python", "-m", "mdm", "serve"]
