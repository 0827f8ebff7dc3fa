# edgeser serve: a WebSocket, the kiosk's page, /healthz and /metrics on port 8765.
#   docker build -t edgeser . && docker run --rm -p 127.0.0.1:8765:8765 --read-only edgeser
FROM python:3.12.12-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# What edgeser needs when it runs is checked by its hash; edgeser itself is built here.
RUN python -m venv /opt/edgeser \
    && /opt/edgeser/bin/pip install --no-cache-dir --require-hashes -r requirements/serve.txt \
    && /opt/edgeser/bin/pip install --no-cache-dir -c constraints.txt '.[serve,opus,vad]'

FROM python:3.12.12-slim-bookworm
# For the extra opus; soundfile brings its own library.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libopus0 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/edgeser /opt/edgeser
ENV PATH=/opt/edgeser/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number: Kubernetes can then see that it is not root. It needs no home and writes no file.
USER 10001:10001
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/healthz', timeout=2)"]
ENTRYPOINT ["edgeser", "serve", "--host", "0.0.0.0"]
