# Farebox with nothing but what it runs on. Built from the root of the repository: `docker build -t farebox .`
#
# Both stages stand on the same image, so that the environment built in the first runs in the second. Whoever wants the
# same bytes for ever pins it by digest: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv /opt/farebox
# Dependencies change seldom: a layer of their own. Hashes are checked, and nothing is compiled.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN /opt/farebox/bin/pip install --require-hashes --only-binary :all: \
        -r requirements/build.txt -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY api api
COPY schema schema
COPY domain domain
COPY persistence persistence
# What installs is not needed to run.
RUN /opt/farebox/bin/pip install --no-index --no-deps --no-build-isolation . \
    && /opt/farebox/bin/pip uninstall --yes setuptools pip

FROM ${PYTHON_IMAGE}
RUN groupadd --system --gid 10001 farebox \
    && useradd --system --uid 10001 --gid farebox --no-create-home --home-dir /var/lib/farebox \
        --shell /usr/sbin/nologin farebox \
    && install --directory --owner farebox --group farebox --mode 0700 /var/lib/farebox
COPY --from=build /opt/farebox /opt/farebox
ENV PATH=/opt/farebox/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FAREBOX_ENV=production
# All that is written lies here (a SQLite file) or in /tmp (downloads on their way): the rest may be read-only.
WORKDIR /var/lib/farebox
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=4); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
# The server itself is process 1 and takes SIGTERM: no init, no shell in between.
STOPSIGNAL SIGTERM
ENTRYPOINT ["farebox"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
