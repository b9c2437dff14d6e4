# Reference fits of kinds of data that the older references do not cover, by two engines.
#
# glmer runs with its inner tolerance at 1e-12 and bobyqa to 1e-8 (its defaults leave logLik up to
# .07 low); glmmTMB's optimum is polished by Newton steps. Both standard errors come from the joint
# Hessian of fixed effects and variance parameters. Both engines are kept, also where they disagree.
#
# `rows` and `columns` are expressions that R and pandas (query, eval) read alike, so a test can
# prepare the same table. Names: sd__GROUP__COLUMN, cor__GROUP__COLUMN__COLUMN, as in lme4.
#
# Run from the repository root:  Rscript tests/reference/more_fits.R [data folder] [case ...]
# With case names only those are fitted, and the others keep their entries in the file.

suppressMessages({
  library(lme4)
  library(glmmTMB)
  library(jsonlite)
})

arguments <- commandArgs(TRUE)
data_folder <- if (length(arguments) > 0) arguments[1] else file.path("..", "shared", "data")
output <- file.path("tests", "reference", "more_fits.json")

none <- setNames(list(), character(0)) # written as {}

case <- function(
    formula, data, groups, rows = NULL, columns = none, weights = NULL, levels = none,
    note = NULL) {
  list(
    formula = formula, data = data, groups = groups, rows = rows, columns = columns,
    weights = weights, levels = levels, note = note
  )
}

high <- list(high = "(resp >= 2) * 1")
contraception <- list(age10 = "age / 10", age10_squared = "(age / 10) ** 2")
livch <- list(urban = c("N", "Y"), livch = c("0", "1", "2", "3+"))

cases <- list(
  tvsfp = case(
    "thkbin ~ cc * tv + prethk + (1 | school/class)", "tvsfp.csv.gz", c("school", "class")
  ),
  disfluency_site = case(
    "resp ~ treat + (1 | id) + (treat | item) + (1 | site)", "disfluency.csv.gz",
    c("id", "item", "site")
  ),
  disfluency_treat_site = case(
    "resp ~ treat + (1 | id) + (treat | item) + (treat | site)", "disfluency.csv.gz",
    c("id", "item", "site"),
    note = paste(
      "Singular. The engines disagree: with SD and correlation as parameters, glmmTMB stops at an",
      "SD of 0 for treat by site; glmer's optimum is .0002 higher, with a small SD and correlation",
      "-1. Compare logLik with glmer's."
    )
  ),
  learning_to_learn_6 = case(
    "resp ~ treat + (1 | id) + (treat | item)", "learning_to_learn.csv.gz", c("id", "item"),
    rows = "grade == 6"
  ),
  mathexam = case("resp ~ treat + (1 | id) + (treat | item)", "mathexam.csv.gz", c("id", "item")),
  mathexam_by_tests = case(
    "resp ~ treat * tests + (1 | id) + (treat | item)", "mathexam.csv.gz", c("id", "item"),
    columns = list(tests = "(cov_tests - 18) / 4")
  ),
  respiratory = case(
    "good ~ treatment + month + (1 | subject)", "respiratory.csv.gz", "subject",
    columns = list(good = "(status == 'good') * 1"),
    levels = list(treatment = c("placebo", "treatment"))
  ),
  caffeine_study_id = case(
    "high ~ treat + (1 | study/id) + (treat | item)", "caffeine.csv.gz", c("study", "id", "item"),
    columns = high,
    note = "Singular: correlation of easiness and effect is 1. Both engines agree."
  ),
  caffeine_study_item = case(
    "high ~ treat + (1 | study/id) + (treat | item) + (1 | study:item)", "caffeine.csv.gz",
    c("study", "id", "item"),
    columns = high,
    note = "Singular: correlation of easiness and effect is 1. Both engines agree."
  ),
  toenail_double_bar = case(
    "y ~ treatment * time + (1 + time || patientID)", "toenail.csv.gz", "patientID",
    levels = list(treatment = c("itraconazole", "terbinafine")),
    note = paste(
      "Extreme: most patients are separated by time, so SDs are huge and Laplace is a poor guide.",
      "Both engines agree on this optimum; use it for the arithmetic, not for the trial."
    )
  ),
  contraception_three = case(
    "y ~ age10 + age10_squared + urban + livch + (1 + urban + age10 | district)",
    "contraception.csv.gz", "district",
    columns = contraception, levels = livch
  ),
  contraception_nested = case(
    "y ~ age10 + age10_squared + urban + livch + (1 | urban:district)",
    "contraception.csv.gz", "district",
    columns = contraception, levels = livch
  ),
  ilhte_uncorrelated = case(
    "y ~ treat + pre + (treat || item) + (1 | id)", "ilhte_500x20.csv.gz", c("id", "item")
  ),
  ilhte_5000x40 = case(
    "y ~ treat + pre + (treat | item) + (1 | id)", "ilhte_5000x40.csv.gz", c("id", "item"),
    note = paste(
      "The engines disagree by .0008: glmer understates its own logLik here, also at the tight",
      "inner tolerance (a direct Laplace computation at glmer's estimates gives -110202.821223).",
      "Compare with glmmTMB's."
    )
  ),
  multicenter_counts = case(
    "share ~ drug + (1 | center)", "multicenter.csv", "center",
    columns = list(share = "y / n", drug = "(group == 'A') * 1"), weights = "n",
    note = "logLik has the binomial constants, sum of lchoose(n, y), as both engines report it."
  )
)

read_case <- function(spec) {
  data <- read.csv(file.path(data_folder, spec$data), stringsAsFactors = TRUE)
  if (!is.null(spec$rows)) data <- data[eval(parse(text = spec$rows), data), ]
  for (name in names(spec$columns)) {
    data[[name]] <- eval(parse(text = spec$columns[[name]]), data)
  }
  for (name in names(spec$levels)) data[[name]] <- factor(data[[name]], spec$levels[[name]])
  data[spec$groups] <- lapply(data[spec$groups], factor)
  data$trials <- if (is.null(spec$weights)) rep(1, nrow(data)) else data[[spec$weights]]
  data
}

# Value, seconds and every warning or message of one fit; an error becomes the value.
watch <- function(fitting) {
  said <- character(0)
  note <- function(condition, restart) {
    said <<- c(said, trimws(conditionMessage(condition)))
    invokeRestart(restart)
  }
  gc()
  start <- proc.time()[["elapsed"]]
  value <- withCallingHandlers(
    tryCatch(fitting(), error = function(e) e),
    warning = function(w) note(w, "muffleWarning"),
    message = function(m) note(m, "muffleMessage")
  )
  list(value = value, seconds = proc.time()[["elapsed"]] - start, said = unique(said))
}

name_spread <- function(group, sds, correlation) {
  named <- as.list(setNames(sds, paste0("sd__", group, "__", names(sds))))
  for (a in seq_along(sds)[-1]) {
    for (b in seq_len(a - 1)) {
      label <- paste("cor", group, names(sds)[b], names(sds)[a], sep = "__")
      named[[label]] <- correlation[a, b]
    }
  }
  named
}

glmer_spread <- function(fit) {
  parts <- VarCorr(fit)
  groups <- sub("[.][0-9]+$", "", names(parts))
  do.call(c, unname(Map(
    function(group, part) name_spread(group, attr(part, "stddev"), attr(part, "correlation")),
    groups, unname(as.list(parts))
  )))
}

run_glmer <- function(spec, data) {
  control <- glmerControl(
    optimizer = "bobyqa", tolPwrss = 1e-12,
    optCtrl = list(rhobeg = 0.2, rhoend = 1e-8, maxfun = 20000)
  )
  formula <- as.formula(spec$formula)
  seen <- watch(function() {
    glmer(formula, data = data, family = binomial, weights = trials, control = control)
  })
  fit <- seen$value
  start <- list(engine = "lme4::glmer", seconds = seen$seconds)
  if (inherits(fit, "error")) {
    return(c(start, list(error = conditionMessage(fit), messages = as.list(seen$said))))
  }
  hessian <- fit@optinfo$derivs$Hessian
  gradient <- fit@optinfo$derivs$gradient
  messages <- unique(c(seen$said, unlist(fit@optinfo$conv$lme4$messages)))
  c(start, list(
    logLik = as.numeric(logLik(fit)),
    fixef = as.list(fixef(fit)),
    se = as.list(setNames(sqrt(diag(as.matrix(vcov(fit, use.hessian = TRUE)))), names(fixef(fit)))),
    spread = glmer_spread(fit),
    singular = isSingular(fit),
    hessian_positive_definite = min(eigen(hessian, TRUE, only.values = TRUE)$values) > 0,
    largest_gradient = max(abs(gradient)),
    messages = as.list(messages)
  ))
}

# Parameters along which the likelihood is flat (an SD at 0, a correlation at 1) stay where the
# fit left them; Newton steps move the others, and standard errors are given those at the border.
at_border <- function(hessian) diag(hessian) < 1e-3

newton_polish <- function(objective, parameters, steps = 3) {
  for (step in seq_len(steps)) {
    hessian <- optimHess(parameters, objective$fn, objective$gr)
    free <- !at_border(hessian)
    move <- solve(hessian[free, free], as.vector(objective$gr(parameters))[free])
    parameters[free] <- parameters[free] - move
  }
  parameters
}

tmb_spread <- function(fit, report) {
  columns <- fit$modelInfo$reTrms$cond$cnms
  assigned <- attr(fit$modelInfo$reTrms$cond$flist, "assign")
  groups <- names(fit$modelInfo$reTrms$cond$flist)[assigned]
  do.call(c, unname(lapply(seq_along(columns), function(k) {
    name_spread(groups[k], setNames(report$sd[[k]], columns[[k]]), report$corr[[k]])
  })))
}

run_tmb <- function(spec, data) {
  formula <- expandDoubleVerts(as.formula(spec$formula))
  seen <- watch(function() glmmTMB(formula, data = data, family = binomial, weights = trials))
  fit <- seen$value
  start <- list(engine = "glmmTMB", seconds = seen$seconds)
  if (inherits(fit, "error")) {
    return(c(start, list(error = conditionMessage(fit), messages = as.list(seen$said))))
  }
  parameters <- newton_polish(fit$obj, fit$fit$par)
  log_likelihood <- -as.numeric(fit$obj$fn(parameters))
  spread <- tmb_spread(fit, fit$obj$report(fit$obj$env$last.par))
  hessian <- optimHess(parameters, fit$obj$fn, fit$obj$gr)
  free <- !at_border(hessian)
  eigenvalues <- eigen(hessian[free, free], TRUE, only.values = TRUE)$values
  beta <- names(parameters) == "beta"
  se <- sqrt(diag(solve(hessian[free, free])))[beta[free]]
  names <- names(fixef(fit)$cond)
  c(start, list(
    logLik = log_likelihood,
    fixef = as.list(setNames(parameters[beta], names)),
    se = as.list(setNames(se, names)),
    spread = spread,
    singular = any(!free),
    hessian_positive_definite = min(eigenvalues) > 0,
    largest_gradient = max(abs(fit$obj$gr(parameters))),
    messages = as.list(seen$said)
  ))
}

run_case <- function(name) {
  spec <- cases[[name]]
  data <- read_case(spec)
  fits <- list(run_glmer(spec, data), run_tmb(spec, data))
  for (fit in fits) {
    log_likelihood <- if (is.null(fit$logLik)) NA else fit$logLik
    said <- c(if (isTRUE(fit$singular)) "SINGULAR", fit$error, unlist(fit$messages))
    cat(sprintf("%-24s %-12s logLik %14.6f", name, fit$engine, log_likelihood))
    cat(sprintf("  %7.1f s  ", fit$seconds))
    cat(paste(said, collapse = " | "), "\n", sep = "")
  }
  list(
    formula = spec$formula, data = spec$data, rows = spec$rows, columns = spec$columns,
    weights = spec$weights, levels = spec$levels, note = spec$note,
    n_rows = nrow(data), n_obs = sum(data$trials),
    n_groups = lapply(data[spec$groups], function(g) length(unique(g))), fits = fits
  )
}

versions <- list(
  r = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
  glmmTMB = as.character(packageVersion("glmmTMB")), TMB = as.character(packageVersion("TMB")),
  date = as.character(Sys.Date())
)
wanted <- if (length(arguments) > 1) arguments[-1] else names(cases)
known <- if (file.exists(output)) read_json(output)$cases else list()
for (name in wanted) {
  known[[name]] <- run_case(name)
  known <- known[intersect(names(cases), names(known))]
  write_json(
    list(versions = versions, cases = known), output,
    digits = NA, auto_unbox = TRUE, pretty = TRUE, null = "null", na = "null"
  )
}
