# The server only; DATABASE_URL names its PostgreSQL. Node runs its TypeScript: only the console's page
# is built.
FROM node:24-slim AS packages
WORKDIR /points
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund

FROM node:24-slim AS console
WORKDIR /points
# All packages: the bundler's own are optional. Its scripts come later, for one of them builds the page.
COPY package.json package-lock.json .npmrc tsconfig.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
# What the console imports, and no more of the server: a change there need not build the page again.
COPY gen gen
COPY src/client src/client
COPY console console
RUN npm run console

FROM node:24-slim
WORKDIR /points
# To listen to other machines it needs TLS and CALLERS or JWT_KEYS, or INSECURE=allow. Everybody who
# reaches the container's second port may read the metrics, which name no user.
# LAMEDUCK_MS is the balancers' time to notice a stop.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1 LISTEN=0.0.0.0:50051 ADMIN_LISTEN=0.0.0.0:50052 INSECURE=metrics LAMEDUCK_MS=5000
COPY --from=packages /points/node_modules node_modules
COPY package.json prices.yaml ./
COPY bin bin
COPY gen gen
COPY src src
COPY --from=console /points/console/dist console/dist
RUN install -d -o 1000 node_modules/.cache
# The user node, by number: so Kubernetes sees that it is not root.
USER 1000
# Fills the compile cache of bin/points.js, as this user and with the flags below that affect
# compilation: Node ignores a cache of another user or of other flags.
RUN NODE_COMPILE_CACHE=node_modules/.cache/node node --heap-growing-percent=100 \
  --no-allocation-site-pretenuring --eval 'import("./src/cli/serve.ts")'
EXPOSE 50051 50052
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "-e", "fetch('http://127.0.0.1:50052/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without a shell, so that SIGTERM reaches it and it can drain.
CMD ["node", "--max-semi-space-size=32", "--heap-growing-percent=100", \
  "--no-allocation-site-pretenuring", "--no-parallel-scavenge", "--no-concurrent-sweeping", \
  "bin/points.js", "serve"]
