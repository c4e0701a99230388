"""What the YAML files beside this one name by `!function utils.<name>`."""

from vr1repro.evaluation.tasks.build import doc_to_image, doc_to_text, graded, load

__all__ = ["doc_to_image"]

mathvista = load("mathvista")
mathverse = load("mathverse")
mmmath = load("mmmath")
dynamath = load("dynamath")
mathvision = load("mathvision")

mathvista_results = graded("mathvista")
mathverse_results = graded("mathverse")
mmmath_results = graded("mmmath")
dynamath_results = graded("dynamath")
mathvision_results = graded("mathvision")

mathvista_paper = doc_to_text("mathvista", "paper")
mathvista_cot = doc_to_text("mathvista", "cot")
mathverse_paper = doc_to_text("mathverse", "paper")
mathverse_direct = doc_to_text("mathverse", "direct")
mathverse_cot = doc_to_text("mathverse", "cot")
mmmath_paper = doc_to_text("mmmath", "paper")
dynamath_paper = doc_to_text("dynamath", "paper")
dynamath_direct = doc_to_text("dynamath", "direct")
mathvision_paper = doc_to_text("mathvision", "paper")
mathvision_direct = doc_to_text("mathvision", "direct")
mathvision_cot = doc_to_text("mathvision", "cot")
