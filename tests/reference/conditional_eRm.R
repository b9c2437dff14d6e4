# Conditional maximum likelihood of the Rasch model by arm, and Andersen's test, from eRm.
#
# caffeine has persons who did not answer all items: eRm groups persons by what they answered.
# Persons with nothing or everything right carry no information: they are dropped first, so that
# the others can be counted.
#
# Run from the repository root:  Rscript tests/reference/conditional_eRm.R

suppressMessages(library(eRm))

files <- file.path("ilhte_bayes", "data", "files")
output <- file.path("tests", "reference", "conditional_eRm.csv")
cases <- list(
  verbagg = function(d) as.integer(d$r2 == "Y"),
  caffeine = function(d) as.integer(d$resp >= 2)
)

fit_case <- function(name) {
  data <- read.csv(file.path(files, paste0(name, ".csv.gz")))
  data$y <- cases[[name]](data)
  # two persons of caffeine share an id, one in each arm (see data/datasets.py)
  shared <- data$id == "EMIT_NA"
  person <- ifelse(shared, paste(data$id, data$treat), data$id)
  wide <- tapply(data$y, list(person, data$item), sum)
  arm <- tapply(data$treat, person, unique)
  score <- rowSums(wide, na.rm = TRUE)
  informative <- score > 0 & score < rowSums(!is.na(wide))
  wide <- wide[informative, ]
  arm <- arm[informative]
  by_arm <- lapply(0:1, function(k) RM(wide[arm == k, ], sum0 = TRUE))
  pooled <- RM(wide, sum0 = TRUE)
  test <- LRtest(pooled, splitcr = as.integer(arm))
  data.frame(
    case = name, item = colnames(wide),
    easiness_0 = by_arm[[1]]$betapar, se_0 = by_arm[[1]]$se.beta,
    easiness_1 = by_arm[[2]]$betapar, se_1 = by_arm[[2]]$se.beta,
    easiness_pooled = pooled$betapar, se_pooled = pooled$se.beta,
    loglik_0 = by_arm[[1]]$loglik, loglik_1 = by_arm[[2]]$loglik, loglik_pooled = pooled$loglik,
    andersen = test$LR, df = test$df, p = test$pvalue, persons = nrow(wide),
    r_version = as.character(getRversion()), eRm_version = as.character(packageVersion("eRm")),
    date = format(Sys.Date()), row.names = NULL
  )
}

table <- do.call(rbind, lapply(names(cases), fit_case))
numeric <- vapply(table, is.numeric, TRUE)
table[numeric] <- lapply(table[numeric], signif, digits = 10)
write.csv(table, output, row.names = FALSE, quote = FALSE)
