from vr1repro.benchmarks.base import Benchmark as Benchmark
from vr1repro.benchmarks.lookup import facts as facts
from vr1repro.benchmarks.lookup import profile as profile
from vr1repro.benchmarks.lookup import profiles as profiles
from vr1repro.benchmarks.lookup import slugs as slugs
from vr1repro.benchmarks.questions import read_questions as read_questions
