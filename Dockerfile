# The server alone: PostgreSQL comes by DATABASE_URL. There is no build step, Node runs TypeScript.
FROM node:24-slim AS packages
WORKDIR /points
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund

FROM node:24-slim
WORKDIR /points
# Listening to others takes TLS and CALLERS or JWT_KEYS, or INSECURE=allow. The metrics, which have no
# users in them, are for whoever reaches the container's second port.
# At a stop, balancers have LAMEDUCK_MS to notice.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1 LISTEN=0.0.0.0:50051 ADMIN_LISTEN=0.0.0.0:50052 INSECURE=metrics LAMEDUCK_MS=5000
COPY --from=packages /points/node_modules node_modules
COPY package.json prices.yaml ./
COPY bin bin
COPY gen gen
COPY src src
RUN install -d -o 1000 node_modules/.cache
# The user node, as a number, so that Kubernetes sees that it is not root.
USER 1000
# What bin/points.js keeps. By this user and with the flags of below that V8 compiles by: Node looks
# for nothing that another has kept, and for nothing that was kept without them.
RUN NODE_COMPILE_CACHE=node_modules/.cache/node node --heap-growing-percent=100 \
  --no-allocation-site-pretenuring --eval 'import("./src/cli/serve.ts")'
EXPOSE 50051 50052
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "-e", "fetch('http://127.0.0.1:50052/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Directly, so that SIGTERM reaches it and it can drain.
CMD ["node", "--max-semi-space-size=32", "--heap-growing-percent=100", \
  "--no-allocation-site-pretenuring", "--no-parallel-scavenge", "--no-concurrent-sweeping", \
  "bin/points.js", "serve"]
