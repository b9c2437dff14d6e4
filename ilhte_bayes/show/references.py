"""Works to cite: as they stand in a list of references, and as BibTeX."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """One reference."""

    key: str
    kind: str  # of BibTeX entry
    authors: str  # "Family, Given and Family, Given"
    short: str  # authors and year as in a text: "Gilbert, Kim & Miratrix (2023)"
    title: str
    where: str  # journal, volume, pages in words
    fields: tuple[tuple[str, str], ...]  # of BibTeX, beside author and title

    @property
    def line(self) -> str:
        """As a list of references has it."""
        return f"{self.short}. {self.title}. {self.where}."

    @property
    def bibtex(self) -> str:
        """As BibTeX."""
        named = (("author", self.authors),) if self.authors else ()
        fields = (*named, ("title", f"{{{self.title}}}"), *self.fields)
        inside = "".join(f"  {name} = {{{value}}},\n" for name, value in fields)
        return f"@{self.kind}{{{self.key},\n{inside}}}"


def _article(
    key: str, short: str, authors: str, title: str, journal: str, place: str, doi: str = ""
) -> Work:
    """`place` is "volume(number), pages"."""
    volume, _, pages = place.partition(", ")
    number = volume.partition("(")[2].rstrip(")")
    year = short.rpartition("(")[2].rstrip(")")
    fields = [("journal", journal), ("year", year), ("volume", volume.partition("(")[0])]
    fields += [("number", number)] if number else []
    fields += [("pages", pages.replace("-", "--"))] if pages else []
    fields += [("doi", doi)] if doi else []
    return Work(key, "article", authors, short, title, f"{journal} {place}", tuple(fields))


_WORKS = [
    _article(
        "gilbert2023",
        "Gilbert, Kim & Miratrix (2023)",
        "Gilbert, Joshua B. and Kim, James S. and Miratrix, Luke W.",
        "Modeling item-level heterogeneous treatment effects with the explanatory item response "
        "model: Leveraging large-scale online assessments to pinpoint the impact of educational "
        "interventions",
        "Journal of Educational and Behavioral Statistics",
        "48(6), 889-913",
        "10.3102/10769986231171710",
    ),
    _article(
        "gilbert2025",
        "Gilbert, Himmelsbach, Soland, Joshi & Domingue (2025)",
        "Gilbert, Joshua B. and Himmelsbach, Zachary and Soland, James and Joshi, Mridul and "
        "Domingue, Benjamin W.",
        "Estimating heterogeneous treatment effects with item-level outcome data: Insights from "
        "item response theory",
        "Journal of Policy Analysis and Management",
        "44(4), 1417-1449",
    ),
    _article(
        "gilbert2025disentangling",
        "Gilbert, Miratrix, Joshi & Domingue (2025)",
        "Gilbert, Joshua B. and Miratrix, Luke W. and Joshi, Mridul and Domingue, Benjamin W.",
        "Disentangling person-dependent and item-dependent causal effects: Applications of item "
        "response theory to the estimation of treatment effect heterogeneity",
        "Journal of Educational and Behavioral Statistics",
        "50(1), 72-101",
    ),
    _article(
        "mccullagh1980",
        "McCullagh (1980)",
        "McCullagh, Peter",
        "Regression models for ordinal data",
        "Journal of the Royal Statistical Society: Series B",
        "42(2), 109-142",
        "10.1111/j.2517-6161.1980.tb01109.x",
    ),
    _article(
        "masters1982",
        "Masters (1982)",
        "Masters, Geoff N.",
        "A Rasch model for partial credit scoring",
        "Psychometrika",
        "47(2), 149-174",
        "10.1007/BF02296272",
    ),
    _article(
        "hartzel2001",
        "Hartzel, Agresti & Caffo (2001)",
        "Hartzel, Jonathan and Agresti, Alan and Caffo, Brian",
        "Multinomial logit random effects models",
        "Statistical Modelling",
        "1(2), 81-102",
    ),
    _article(
        "tierney1986",
        "Tierney & Kadane (1986)",
        "Tierney, Luke and Kadane, Joseph B.",
        "Accurate approximations for posterior moments and marginal densities",
        "Journal of the American Statistical Association",
        "81(393), 82-86",
        "10.1080/01621459.1986.10478240",
    ),
    _article(
        "bock1981",
        "Bock & Aitkin (1981)",
        "Bock, R. Darrell and Aitkin, Murray",
        "Marginal maximum likelihood estimation of item parameters: Application of an EM algorithm",
        "Psychometrika",
        "46(4), 443-459",
        "10.1007/BF02293801",
    ),
    _article(
        "hoffman2014",
        "Hoffman & Gelman (2014)",
        "Hoffman, Matthew D. and Gelman, Andrew",
        "The No-U-Turn sampler: Adaptively setting path lengths in Hamiltonian Monte Carlo",
        "Journal of Machine Learning Research",
        "15, 1593-1623",
    ),
    _article(
        "vehtari2021",
        "Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021)",
        "Vehtari, Aki and Gelman, Andrew and Simpson, Daniel and Carpenter, Bob and "
        'B{\\"u}rkner, Paul-Christian',
        "Rank-normalization, folding, and localization: An improved R-hat for assessing "
        "convergence of MCMC",
        "Bayesian Analysis",
        "16(2), 667-718",
        "10.1214/20-BA1221",
    ),
    _article(
        "abrilpla2023",
        "Abril-Pla et al. (2023)",
        "Abril-Pla, Oriol and others",
        "PyMC: A modern, and comprehensive probabilistic programming framework in Python",
        "PeerJ Computer Science",
        "9, e1516",
        "10.7717/peerj-cs.1516",
    ),
    _article(
        "kumar2019",
        "Kumar, Carroll, Hartikainen & Martin (2019)",
        "Kumar, Ravin and Carroll, Colin and Hartikainen, Ari and Martin, Osvaldo",
        "ArviZ: A unified library for exploratory analysis of Bayesian models in Python",
        "Journal of Open Source Software",
        "4(33), 1143",
        "10.21105/joss.01143",
    ),
    _article(
        "self1987",
        "Self & Liang (1987)",
        "Self, Steven G. and Liang, Kung-Yee",
        "Asymptotic properties of maximum likelihood estimators and likelihood ratio tests under "
        "nonstandard conditions",
        "Journal of the American Statistical Association",
        "82(398), 605-610",
        "10.1080/01621459.1987.10478472",
    ),
    _article(
        "stram1994",
        "Stram & Lee (1994)",
        "Stram, Daniel O. and Lee, Jae Won",
        "Variance components testing in the longitudinal mixed effects model",
        "Biometrics",
        "50(4), 1171-1177",
        "10.2307/2533455",
    ),
    _article(
        "wagenmakers2010",
        "Wagenmakers, Lodewyckx, Kuriyal & Grasman (2010)",
        "Wagenmakers, Eric-Jan and Lodewyckx, Tom and Kuriyal, Himanshu and Grasman, Raoul",
        "Bayesian hypothesis testing for psychologists: A tutorial on the Savage-Dickey method",
        "Cognitive Psychology",
        "60(3), 158-189",
        "10.1016/j.cogpsych.2009.12.001",
    ),
    _article(
        "gelman1996",
        "Gelman, Meng & Stern (1996)",
        "Gelman, Andrew and Meng, Xiao-Li and Stern, Hal",
        "Posterior predictive assessment of model fitness via realized discrepancies",
        "Statistica Sinica",
        "6(4), 733-760",
    ),
    _article(
        "kallioinen2024",
        "Kallioinen, Paananen, Bürkner & Vehtari (2024)",
        'Kallioinen, Noa and Paananen, Topi and B{\\"u}rkner, Paul-Christian and Vehtari, Aki',
        "Detecting and diagnosing prior and likelihood sensitivity with power-scaling",
        "Statistics and Computing",
        "34, 57",
        "10.1007/s11222-023-10366-5",
    ),
    Work(
        "birnbaum1968",
        "incollection",
        "Birnbaum, Allan",
        "Birnbaum (1968)",
        "Some latent trait models and their use in inferring an examinee's ability",
        "In Lord & Novick, Statistical Theories of Mental Test Scores, Addison-Wesley",
        (
            ("booktitle", "Statistical Theories of Mental Test Scores"),
            ("editor", "Lord, Frederic M. and Novick, Melvin R."),
            ("publisher", "Addison-Wesley"),
            ("year", "1968"),
        ),
    ),
    Work(
        "deboeck2004",
        "book",
        "",
        "De Boeck & Wilson, eds (2004)",
        "Explanatory Item Response Models: A Generalized Linear and Nonlinear Approach",
        "Springer",
        (
            ("editor", "De Boeck, Paul and Wilson, Mark"),
            ("publisher", "Springer"),
            ("year", "2004"),
        ),
    ),
]
WORKS = {work.key: work for work in _WORKS}


def software(name: str, version: str, authors: str) -> Work:
    """A program, by version."""
    key = name.replace("_", "").lower()
    title = f"{name}, version {version}"
    fields = (("note", "Computer software"),)
    return Work(key, "misc", authors, authors, title, "Computer software", fields)
