# glmer with 25-point adaptive Gauss-Hermite quadrature, on models with one random intercept.
# Rscript tests/reference/quadrature.R DATA_FOLDER > tests/reference/quadrature.json
library(lme4); library(jsonlite)
folder <- commandArgs(TRUE)[1]
read <- function(name) read.csv(gzfile(file.path(folder, paste0(name, ".csv.gz"))))
control <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12,
                        optCtrl = list(rhobeg = 1e-3, rhoend = 1e-9, maxfun = 1e5))
one <- function(tag, formula, data, nAGQ) {
  fit <- glmer(formula, data, binomial, nAGQ = nAGQ, control = control)
  list(tag = tag, formula = deparse1(formula), n_agq = nAGQ, logLik = as.numeric(logLik(fit)),
       # glmer leaves the saturated part out of the deviance only; logLik is comparable
       beta = as.list(fixef(fit)), se = as.list(sqrt(diag(vcov(fit)))),
       sd = as.data.frame(VarCorr(fit))$sdcor[1])
}
bacteria <- read("bacteria"); toenail <- read("toenail"); contra <- read("contraception")
bacteria$trt <- factor(bacteria$trt, levels = c("placebo", "drug", "drug+"))
contra$place <- interaction(contra$urban, contra$district, drop = TRUE)
fits <- list(
  one("bacteria", yy ~ trt + late + (1 | ID), bacteria, 25),
  one("toenail", y ~ treatment * time + (1 | patientID), toenail, 25),
  # 25 points are too few where the SD is 4: the value still moves
  one("toenail_50", y ~ treatment * time + (1 | patientID), toenail, 50),
  one("toenail_100", y ~ treatment * time + (1 | patientID), toenail, 100),
  one("contraception", y ~ age + I(age^2) + urban + livch + (1 | district), contra, 25),
  one("contraception_place", y ~ age + I(age^2) + urban + livch + (1 | place), contra, 7),
  one("contraception_place_25", y ~ age + I(age^2) + urban + livch + (1 | place), contra, 25))
cat(toJSON(list(program = R.version.string, lme4 = as.character(packageVersion("lme4")),
                fits = fits), auto_unbox = TRUE, digits = 12, pretty = TRUE), "\n")
