# One image for all processes; the command says which (docker-compose.yml).
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY apps ./apps
COPY domain ./domain
COPY projections ./projections
RUN npm run build

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Without the embedded PostgreSQL (an optional dependency): here each tier has a server of its own.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY migrations ./migrations
# A new volume there belongs to whom the folder belongs to.
RUN install -d -o node -g node /data
USER node
ENTRYPOINT ["node"]
CMD ["dist/apps/mailfold/main.js", "--help"]
