# Time one peer's fit of one case and print one JSON line: seconds, logLik, coefficients, versions.
#
# Run from the repository root:
#   Rscript benchmarks/glmer_timing.R CASE [ENGINE] [data folder]
# CASE: 500x20, 5000x40, E6, E6_cells.   ENGINE: glmer (default), glmmTMB.
#
# `seconds` is the wall time of the fit call alone, after the table is read and its groups are
# factors; what a user of default settings waits for (glmer: bobyqa, default tolerances).
# E6_cells is the same model on binomial cells, as an experienced user would fit it; making the
# cells is timed apart (`prepare_seconds`) and logLik is turned back to the scale of single rows.

suppressMessages({
  library(lme4)
  library(jsonlite)
})

arguments <- commandArgs(TRUE)
case_name <- arguments[1]
engine <- if (length(arguments) > 1) arguments[2] else "glmer"
data_folder <- if (length(arguments) > 2) arguments[3] else file.path("..", "shared", "data")

item_effects <- y ~ treat + pre + (treat | item) + (1 | id)
random_slopes <- score_d ~ lep + ec + tchexp + treatment + schl_frl +
  (lep + ec || schoolid) + (lep + ec || teacherid)
cases <- list(
  "500x20" = list(formula = item_effects, data = "ilhte_500x20", groups = c("id", "item")),
  "5000x40" = list(formula = item_effects, data = "ilhte_5000x40", groups = c("id", "item")),
  "E6" = list(
    formula = random_slopes, data = "glimmix_sim_73671", groups = c("schoolid", "teacherid")
  )
)

# One row for each distinct row of everything but the score, with the share of ones and the count.
as_cells <- function(data, formula) {
  score <- all.vars(formula)[1]
  others <- data[setdiff(all.vars(formula), score)]
  ones <- aggregate(data[score], others, sum)
  trials <- aggregate(data[score], others, length)[[score]]
  ones$trials <- trials
  ones$constant <- lchoose(trials, ones[[score]])
  ones[[score]] <- ones[[score]] / trials
  ones
}

as_rows <- function(data) {
  data$trials <- 1
  data$constant <- 0
  data
}

fit_peer <- function(formula, data) {
  if (engine == "glmer") {
    control <- glmerControl(optimizer = "bobyqa")
    glmer(formula, data = data, family = binomial, weights = trials, control = control)
  } else {
    glmmTMB(expandDoubleVerts(formula), data = data, family = binomial, weights = trials)
  }
}

coefficients_of <- function(fit) {
  table <- if (engine == "glmer") coef(summary(fit)) else coef(summary(fit))$cond
  list(estimate = as.list(table[, "Estimate"]), se = as.list(table[, "Std. Error"]))
}

spec <- cases[[sub("_cells$", "", case_name)]]
if (is.null(spec) || !engine %in% c("glmer", "glmmTMB")) {
  stop("case ", case_name, " or engine ", engine, " is not known; see this file's first lines.")
}
if (engine == "glmmTMB") suppressMessages(library(glmmTMB))

data <- read.csv(file.path(data_folder, paste0(spec$data, ".csv.gz")))
data[spec$groups] <- lapply(data[spec$groups], factor)
n_responses <- nrow(data)
start <- proc.time()[["elapsed"]]
data <- if (grepl("_cells$", case_name)) as_cells(data, spec$formula) else as_rows(data)
prepare_seconds <- proc.time()[["elapsed"]] - start
invisible(gc())

said <- character(0)
note <- function(condition, restart) {
  said <<- unique(c(said, trimws(conditionMessage(condition))))
  invokeRestart(restart)
}
start <- proc.time()
fit <- withCallingHandlers(
  fit_peer(spec$formula, data),
  warning = function(w) note(w, "muffleWarning"),
  message = function(m) note(m, "muffleMessage")
)
took <- proc.time() - start

peer <- if (engine == "glmer") "lme4" else "glmmTMB"
versions <- list(R = as.character(getRversion()))
versions[[peer]] <- as.character(packageVersion(peer))
versions$BLAS <- basename(extSoftVersion()[["BLAS"]])
cat(toJSON(
  list(
    case = case_name, engine = engine, versions = versions, n_responses = n_responses,
    n_rows = nrow(data), prepare_seconds = prepare_seconds, seconds = took[["elapsed"]],
    cpu_seconds = took[["user.self"]] + took[["sys.self"]],
    logLik = as.numeric(logLik(fit)) - sum(data$constant),
    coefficients = coefficients_of(fit), messages = as.list(said)
  ),
  digits = NA, auto_unbox = TRUE
), "\n", sep = "")
