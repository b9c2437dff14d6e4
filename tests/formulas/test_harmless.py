"""Formulas compute columns and do nothing else."""

import pytest

import ilhte_bayes as il
from ilhte_bayes.formulas.harmless import require_harmless

EVIL = [
    "np.load('x.npy', allow_pickle=True)",
    "np.save('x', age)",
    "I(__import__('os').system('true'))",
    "{eval('1')}",
    "{open('x', 'w')}",
    "age.to_csv('x')",
    "age.values.tofile('x')",
    "age.map(print)",
    "(age).pipe(exec)",
    "`age`.to_pickle('x')",
    "age . to_csv('x')",
    "np . save('x', age)",
    "C(f'{age}')",
    "{[].__class__}",
    "{exec ('1')}",
    "np.lib.npyio.load('x')",
    "np.testing.assert_equal(1, 1)",
]
HARMLESS = [
    "age + I(age**2) + np.log2(age) + np.where(age > 40, 1, 0)",
    "I(age - age.mean()) + scale(pre) + bs(age, df=4) + C(arm, contr.sum)",
    "`my col` * open + C(arm, Treatment('__import__'))",  # a column called open; text is text
    "np.clip(age, 1, 2) + I(arm.str.lower() == 'a') + abs(pre) + poly(age, 2)",
]


@pytest.mark.parametrize("side", EVIL)
def test_what_does_more_is_refused(side, make_trial):
    with pytest.raises(il.errors.FormulaError, match="is not allowed in a formula"):
        require_harmless(side)
    with pytest.raises(il.errors.IlhteError):  # also on the way through a model
        il.Model(f"resp ~ {side} + (1 | id)", make_trial())


@pytest.mark.parametrize("side", HARMLESS)
def test_what_computes_columns_is_let_through(side):
    require_harmless(side)
