"""`python -m ilhte_bayes.cli` is `ilhte`."""

from ilhte_bayes.cli import main

main()
