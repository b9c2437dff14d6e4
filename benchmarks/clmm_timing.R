# Time one fit of ordinal::clmm and print one JSON line: seconds, logLik, coefficients, versions.
#
# Run from the repository root:
#   Rscript benchmarks/clmm_timing.R CASE FORMULA TABLE.csv.gz RESPONSE LEVELS GROUPS
# LEVELS (lowest category first) and GROUPS (made factors) are lists with commas.
#
# `seconds` is the wall time of the fit call alone, with its Hessian (the standard errors), after
# the table is read and its groups are factors; `cpu_seconds` the processor's.

suppressMessages({
  library(ordinal)
  library(jsonlite)
})

arguments <- commandArgs(TRUE)
formula <- as.formula(arguments[2])
data <- read.csv(arguments[3], stringsAsFactors = TRUE)
parts <- function(text) strsplit(text, ",")[[1]]
data[[arguments[4]]] <- factor(data[[arguments[4]]], levels = parts(arguments[5]), ordered = TRUE)
for (group in parts(arguments[6])) data[[group]] <- factor(data[[group]])
invisible(gc())

said <- character(0)
start <- proc.time()
fit <- withCallingHandlers(clmm(formula, data = data), warning = function(w) {
  said <<- unique(c(said, trimws(conditionMessage(w))))
  invokeRestart("muffleWarning")
})
took <- proc.time() - start

table <- coef(summary(fit))
cat(toJSON(
  list(
    case = arguments[1],
    versions = list(
      R = as.character(getRversion()), ordinal = as.character(packageVersion("ordinal"))
    ),
    n_rows = nrow(data), seconds = took[["elapsed"]],
    cpu_seconds = took[["user.self"]] + took[["sys.self"]], logLik = as.numeric(logLik(fit)),
    estimate = as.list(table[, "Estimate"]), se = as.list(table[, "Std. Error"]), messages = said
  ),
  digits = NA, auto_unbox = TRUE
), "\n", sep = "")
