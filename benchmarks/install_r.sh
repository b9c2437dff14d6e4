#!/usr/bin/env bash
# Install R with the peers that our numbers and times are compared with (Debian packages, as root).
set -euo pipefail

packages=(r-base-core r-cran-lme4 r-cran-glmmtmb r-cran-jsonlite)
packages+=(r-cran-brms r-cran-rstan r-cran-bh libboost-dev build-essential)

apt-get update
if apt-cache show r-cran-ordinal >/dev/null 2>&1; then
    packages+=(r-cran-ordinal)
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"

Rscript -e 'cat(R.version.string, "\n"); for (p in c("lme4", "glmmTMB", "TMB", "Matrix", "jsonlite")) cat(p, as.character(packageVersion(p)), "\n"); print(extSoftVersion()["BLAS"])'
