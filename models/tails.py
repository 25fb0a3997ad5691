"""How heavy are the tails? The degrees of freedom of Student's t, and what they leave of evidence.

A day on which one group is far off proves much where days are Gaussian, and little where they are not. Which of both a
deployment has is measured on its own reference days.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

INVERSES: Final = np.array(
    [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3, 0.333, 0.4]
)
"""1 / degrees of freedom that are tried; 0 is the Gaussian."""
LEAST_INVERSE: Final = 1e-6
SPLITS: Final = tuple(i / 40 for i in range(41))
SCALES: Final = np.exp(np.linspace(np.log(0.4), np.log(2.0), 33))


def inverse_dof(z: Floats, caution: float = 0.0) -> float:
    """1 / degrees of freedom of standardised residuals, with their scale profiled out: its posterior mean.

    The prior is flat over `INVERSES`, so that little data gives a cautious middle rather than the Gaussian.

    Args:
        z: [values], centred; anything finite.
        caution: so many posterior deviations to add. The tail that matters is further out than most of the data, where
            too light a guess costs more than too heavy a one.
    """
    from scipy import stats  # half a second to load: not at every start of a command

    scaled = z[:, None] / SCALES
    profile = np.empty(len(INVERSES))
    for i, inverse in enumerate(INVERSES):
        log = stats.norm.logpdf(scaled) if inverse == 0.0 else stats.t.logpdf(scaled, 1.0 / inverse)
        profile[i] = np.max(np.sum(log, axis=0) - len(z) * np.log(SCALES))
    weight = np.exp(profile - profile.max())
    weight /= weight.sum()
    mean = float(weight @ INVERSES)
    return mean + caution * float(np.sqrt(weight @ (INVERSES - mean) ** 2))


def tempered(nats: float, inverse: float) -> float:
    """What is left of Gaussian evidence z^2 / 2 when the noise has tails: (nu + 1) / 2 ln(1 + z^2 / nu).

    The log likelihood ratio of the best shift under Student's t (with nu = 1 / inverse); the nats themselves for 0.
    """
    if inverse <= LEAST_INVERSE or nats <= 0.0:
        return nats
    return min((1.0 / inverse + 1.0) / 2.0 * math.log1p(2.0 * nats * inverse), nats)


def tempered_part(nats: float, inverse: float, part: float) -> float:
    """What is left when only this part of the noise's variance has tails, and the rest is Gaussian (sampling).

    The likeliest way in which both together make the deviation: the minimum over all splits of it.
    """
    if part <= 0.0 or part >= 1.0 or nats <= 0.0:
        return tempered(nats, inverse if part > 0.0 else 0.0)
    splits = ((1.0 - share) ** 2 * nats / (1.0 - part) + tempered(share**2 * nats / part, inverse) for share in SPLITS)
    return min(*splits, (1.0 - part) * nats + tempered(part * nats, inverse))
