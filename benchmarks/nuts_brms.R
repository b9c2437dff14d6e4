# One run of brms with Stan; called by nuts_vs_peers.py.
#
#   Rscript benchmarks/nuts_brms.R TABLE.csv DRAWS.csv SEED DRAWS TUNE CHAINS
#
# brms writes the Stan program and its data (default priors: flat coefficients, Student-t(3, 0, 2.5)
# for the intercept and, halved, for SDs, LKJ(1)); rstan compiles and samples, on two cores. Stan
# keeps no program between sessions, so that compiling is always paid.

suppressMessages({
  library(brms)
  library(rstan)
  library(jsonlite)
})

arguments <- commandArgs(TRUE)
number <- as.integer(arguments[3:6])
table <- read.csv(arguments[1])
formula <- y ~ treat + pre + (1 | id) + (treat | item)

start <- proc.time()[["elapsed"]]
code <- make_stancode(formula, data = table, family = bernoulli())
data <- make_standata(formula, data = table, family = bernoulli())
boost <- system.file("include", package = "BH")
if (!nzchar(boost)) boost <- "/usr/include" # Debian keeps Boost with the system's headers
program <- stan_model(model_code = code, boost_lib = boost)
compile_seconds <- proc.time()[["elapsed"]] - start

start <- proc.time()[["elapsed"]]
kept <- c("b_Intercept", "b", "sd_1", "sd_2", "cor_2")
fit <- sampling(
  program,
  data = data, seed = number[1], iter = number[2] + number[3], warmup = number[3],
  chains = number[4], cores = 2, pars = kept, refresh = 0
)
sample_seconds <- proc.time()[["elapsed"]] - start

draws <- as.array(fit) # iteration, chain, parameter
names <- c(
  "b_Intercept" = "Intercept", "b[1]" = "treat", "b[2]" = "pre", "sd_1[1]" = "sd_id",
  "sd_2[1]" = "sd_item", "sd_2[2]" = "sd_item_treat", "cor_2[1]" = "rho"
)
out <- data.frame(chain = rep(seq_len(dim(draws)[2]), each = dim(draws)[1]))
for (theirs in names(names)) out[[names[[theirs]]]] <- as.vector(draws[, , theirs])
write.csv(out, arguments[2], row.names = FALSE)

versions <- c(
  R = as.character(getRversion()), brms = as.character(packageVersion("brms")),
  rstan = as.character(packageVersion("rstan"))
)
cat(toJSON(
  list(
    pilot_seconds = 0, compile_seconds = compile_seconds, sample_seconds = sample_seconds,
    divergences = get_num_divergent(fit),
    versions = paste(names(versions), versions, collapse = "; ")
  ),
  digits = NA, auto_unbox = TRUE
), "\n", sep = "")
