# Item effects with standard errors that carry every source of uncertainty, from glmmTMB.
#
# For each case: the mode of beta_treat + zeta_i and of b_i, and their standard errors from the
# inverse of TMB's joint precision of (fixed effects, variance parameters, random effects).
# The fit is polished by Newton steps first, so the modes do not carry nlminb's tolerance.
#
# Run from the repository root:  Rscript tests/reference/item_effects_glmmTMB.R [data folder]

suppressMessages({
  library(glmmTMB)
  library(Matrix)
})

arguments <- commandArgs(TRUE)
data_folder <- if (length(arguments) > 0) arguments[1] else file.path("..", "shared", "data")
output <- file.path("tests", "reference", "item_effects_glmmTMB.csv")

cases <- list(
  verbagg = y ~ treat + (1 | id) + (treat | item),
  ilhte_500x20 = y ~ treat + pre + (treat | item) + (1 | id),
  crt_60x3x15x20 = y ~ treat + (1 | school / teacher / student) + (treat | item)
)

read_case <- function(name) {
  data <- read.csv(file.path(data_folder, paste0(name, ".csv.gz")), stringsAsFactors = TRUE)
  groups <- intersect(c("id", "item", "school", "teacher", "student"), names(data))
  data[groups] <- lapply(data[groups], factor)
  data
}

# Positions, among TMB's `b`, of the item term: one row per column of the term, one column per item.
# `b` holds the terms in the order of the formula; within a term, a level's columns lie together.
item_positions <- function(fit) {
  structure <- fit$modelInfo$reStruc$condReStruc
  sizes <- vapply(structure, function(term) term$blockSize * term$blockReps, 0)
  which_term <- which(names(structure) == "treat | item")
  stopifnot(length(which_term) == 1, structure[[which_term]]$blockSize == 2)
  start <- sum(sizes[seq_len(which_term - 1)])
  items <- levels(fit$modelInfo$reTrms$cond$flist$item)
  positions <- matrix(start + seq_len(sizes[which_term]), nrow = 2)
  dimnames(positions) <- list(c("(Intercept)", "treat"), items)
  positions
}

# The layout is not documented, so it is checked against ranef() at the fit's own parameters.
check_positions <- function(fit, positions) {
  random <- fit$fit$parfull[names(fit$fit$parfull) == "b"]
  told <- t(as.matrix(ranef(fit)$cond$item))
  found <- matrix(random[positions], nrow = 2, dimnames = dimnames(positions))
  stopifnot(identical(dimnames(found), dimnames(told)), max(abs(found - told)) < 1e-10)
}

newton_polish <- function(objective, parameters, steps = 3) {
  for (step in seq_len(steps)) {
    hessian <- optimHess(parameters, objective$fn, objective$gr)
    parameters <- parameters - solve(hessian, as.vector(objective$gr(parameters)))
  }
  parameters
}

item_effects <- function(name) {
  data <- read_case(name)
  fit <- glmmTMB(cases[[name]], data = data, family = binomial)
  positions <- item_positions(fit)
  check_positions(fit, positions)

  parameters <- newton_polish(fit$obj, fit$fit$par)
  gradient <- max(abs(fit$obj$gr(parameters)))
  report <- TMB::sdreport(fit$obj, par.fixed = parameters, getJointPrecision = TRUE)
  precision <- report$jointPrecision
  joint <- fit$obj$env$last.par
  stopifnot(report$pdHess, gradient < 1e-5, identical(rownames(precision), names(joint)))

  b_rows <- which(rownames(precision) == "b")
  beta_row <- which(rownames(precision) == "beta")[match("treat", names(fixef(fit)$cond))]
  easiness_rows <- b_rows[positions["(Intercept)", ]]
  slope_rows <- b_rows[positions["treat", ]]

  items <- ncol(positions)
  pick <- matrix(0, nrow(precision), 2 * items)
  pick[cbind(slope_rows, seq_len(items))] <- 1
  pick[beta_row, seq_len(items)] <- 1
  pick[cbind(easiness_rows, items + seq_len(items))] <- 1
  variance <- colSums(pick * as.matrix(solve(precision, pick)))

  cat(sprintf("%s: logLik %.8f, largest gradient %.1e\n", name, -fit$obj$fn(parameters), gradient))
  data.frame(
    case = name,
    item = colnames(positions),
    effect = unname(joint[beta_row] + joint[slope_rows]),
    se_effect = sqrt(variance[seq_len(items)]),
    easiness = unname(joint[easiness_rows]),
    se_easiness = sqrt(variance[items + seq_len(items)]),
    n = nrow(data),
    r_version = as.character(getRversion()),
    glmmTMB_version = as.character(packageVersion("glmmTMB")),
    TMB_version = as.character(packageVersion("TMB")),
    date = as.character(Sys.Date())
  )
}

effects <- do.call(rbind, lapply(names(cases), item_effects))
numbers <- c("effect", "se_effect", "easiness", "se_easiness")
effects[numbers] <- lapply(effects[numbers], signif, digits = 10)
write.csv(effects, output, row.names = FALSE, quote = FALSE)
