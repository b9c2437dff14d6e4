# Growth models of growth.csv (simulated: 120 children, months 0, 8, 12, 20, some missed) in R.
# Rscript growth.R, in this folder; writes growth.json.
library(lme4)
library(ordinal)
library(jsonlite)

table <- read.csv("growth.csv")
table$child <- factor(table$child)
table$year <- table$month / 12  # in months clmm does not converge
table$passed <- as.integer(table$stage >= 1)
table$stage <- factor(table$stage, ordered = TRUE)
exact <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12,
                      optCtrl = list(rhoend = 1e-9, maxfun = 1e5))

summarise <- function(fit) {
  se <- sqrt(diag(as.matrix(vcov(fit))))
  if (inherits(fit, "clmm")) {
    beta <- c(fit$alpha, fit$beta)
    sds <- unlist(lapply(VarCorr(fit), function(v) sqrt(diag(as.matrix(v)))))
  } else {
    beta <- fixef(fit)
    sds <- unlist(lapply(VarCorr(fit), function(v) attr(v, "stddev")))
  }
  list(logLik = as.numeric(logLik(fit)), beta = as.list(beta),
       se = as.list(unname(se[seq_along(beta)])), sd = unname(sds))
}

fits <- list(
  slopes_vc = clmm(stage ~ year + girl + (1 | child) + (0 + year | child), data = table),
  slopes_un = clmm(stage ~ year + girl + (1 + year | child), data = table),
  quadrature = clmm(stage ~ year + girl + (1 | child), data = table, nAGQ = 41),
  binary_vc = glmer(passed ~ year + girl + (1 + year || child), data = table,
                    family = binomial, control = exact),
  binary_quadrature = glmer(passed ~ year + girl + (1 | child), data = table,
                            family = binomial, nAGQ = 61, control = exact)
)
versions <- list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                 ordinal = as.character(packageVersion("ordinal")), date = as.character(Sys.Date()))
write_json(list(versions = versions, fits = lapply(fits, summarise)), "growth.json",
           auto_unbox = TRUE, digits = NA, pretty = TRUE)
