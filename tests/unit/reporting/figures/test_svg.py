"""SVG without what depends on the processor: noise of the last digit leaves no trace, and the drawing stays."""

import pytest

from vr1repro.reporting.figures.svg import canonical

DRAWN = """<svg width="504pt" height="218.88pt" viewBox="0 0 504 218.88">
 <path d="M 34.401881 41.523533
L -0.0000004 7.5
z
" clip-path="url(#p758d852ac2)" style="fill: none; stroke-width: 0.5"/>
 <g transform="translate(12.312549 3.2) scale(0.015625 -0.07)"/>
 <path id="m0123456789" d="M 0 3.5"/>
 <use xlink:href="#m0123456789" x="97.954321" y="20.2816"/>
 <path id="C0_0_abcdef0123" d="M 1.00004 2"/>
 <clipPath id="p758d852ac2"><rect x="77.53412" y="20.2" width="420.24812" height="149.1891"/></clipPath>
 <!-- 12.345678 -->
</svg>
"""


def test_coordinates_have_three_decimals_and_names_are_numbered() -> None:
    assert (
        canonical(DRAWN)
        == """<svg width="504pt" height="218.88pt" viewBox="0 0 504 218.88">
 <path d="M 34.402 41.524
L 0 7.5
z
" clip-path="url(#p0)" style="fill: none; stroke-width: 0.5"/>
 <g transform="translate(12.313 3.2) scale(0.015625 -0.07)"/>
 <path id="m1" d="M 0 3.5"/>
 <use xlink:href="#m1" x="97.954" y="20.282"/>
 <path id="C0_0_2" d="M 1 2"/>
 <clipPath id="p0"><rect x="77.534" y="20.2" width="420.248" height="149.189"/></clipPath>
 <!-- 12.345678 -->
</svg>
"""
    )


@pytest.mark.parametrize(
    ("here", "there"), [("41.523533", "41.523532"), ("p758d852ac2", "p8696ad02cc"), ("0123456789", "9876543210")]
)
def test_noise_leaves_no_trace(here: str, there: str) -> None:
    assert canonical(DRAWN.replace(here, there)) == canonical(DRAWN)
