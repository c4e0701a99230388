"""What a grading process loads before it works; never imported by the main process.

Math-Verify is imported and its parser warmed here, so that each worker, also one that follows a killed one, starts in
milliseconds and its first deadline does not pay for imports.
"""

import logging

from vr1repro.answers.mathverify import deep

logging.getLogger("math_verify").setLevel(logging.ERROR)
for _sample in (r"\frac{1}{2}", r"\sqrt{2}+x^2", r"(1, 2]", r"x = 3"):
    deep(f"${_sample}$", "$0$")
