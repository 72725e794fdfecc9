# The image of Latchkey: Node, the dependencies, the sources as they are. Nothing is compiled, so there is one stage and no build tool.
FROM node:24-bookworm-slim

WORKDIR /opt/latchkey
ENV NODE_ENV=production

# Dependencies first: they change less often than the sources. The compiler comes along as an optional companion of a library, and nothing
# here compiles.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && rm -rf node_modules/typescript node_modules/@typescript && npm cache clean --force

COPY LICENSE ./
COPY config ./config
COPY migrations ./migrations
COPY src ./src
COPY views ./views

# The two folders that are written to belong to the account that the process runs as; the sources do not.
RUN mkdir -p /var/lib/latchkey /var/cache/latchkey && chown node:node /var/lib/latchkey /var/cache/latchkey
ENV LATCHKEY_HOST=0.0.0.0 \
    LATCHKEY_DATA_DIR=/var/lib/latchkey \
    NODE_COMPILE_CACHE=/var/cache/latchkey
USER node

# Fills the compile cache, so that a container starts at once, also with a file system it cannot write to.
RUN node --input-type=module -e "await import('/opt/latchkey/src/command/serve.ts')"

VOLUME /var/lib/latchkey
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["node", "src/main.ts", "healthcheck"]
# See docs/performance.md for the option.
ENTRYPOINT ["node", "--max-semi-space-size=16", "src/main.ts"]
CMD ["serve"]
