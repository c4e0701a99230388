from vr1repro.benchmarks.base import Benchmark as Benchmark
from vr1repro.benchmarks.questions import read_questions as read_questions
from vr1repro.benchmarks.registry import facts as facts
from vr1repro.benchmarks.registry import profile as profile
from vr1repro.benchmarks.registry import profiles as profiles
from vr1repro.benchmarks.registry import slugs as slugs
