# The two images. Their context is build/image/<architecture>, which `make image` fills: nothing is compiled or fetched here, so no image
# is needed to build them, and the classic builder will do. It takes the architecture that it is told from a COPY only, so those come first.
ARG BASE=scratch

FROM ${BASE} AS provider
COPY gtc-csi-provider gtc-exec /usr/local/bin/
COPY provider/ /usr/share/doc/gtc-csi-provider/
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gtc-csi-provider" \
      org.opencontainers.image.description="Greentic's provider of the Secrets Store CSI driver, and gtc-exec for the workers' pods" \
      org.opencontainers.image.source="https://github.com/greenticai/gtc-csi-provider" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/gtc-csi-provider"]

FROM ${BASE} AS deployer
COPY gtc-deployer /usr/local/bin/
COPY deployer/ /usr/share/doc/gtc-deployer/
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gtc-deployer" \
      org.opencontainers.image.description="Deploys Greentic workers whose secrets stay in Vault" \
      org.opencontainers.image.source="https://github.com/greenticai/gtc-csi-provider" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/gtc-deployer"]
