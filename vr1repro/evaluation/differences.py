"""The page of rows on which scoring profiles differ: one file, everything escaped, nothing loaded from elsewhere."""

from typing import Any

# The page stays one that a browser opens at once; the CSV beside it has every row.
_MOST = 2000

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
pre { background: #f6f6f4; padding: .8rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
details { border-top: 1px solid #ddd; padding: .4rem 0; } summary { cursor: pointer; }
.right { color: #1a6b2f; } .wrong { color: #a11; } .unparsable, .judge_error, .timeout { color: #777; }
bdi { unicode-bidi: isolate; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<pre>{{ summary }}</pre>
{% if rows|length > most %}<p>The first {{ most }} of {{ rows|length }} rows; differences.csv has all.</p>{% endif %}
{% for reason, group in rows[:most]|groupby("reason") %}
<h2>{{ reason }} ({{ group|length }})</h2>
{% for row in group %}
<details><summary><bdi>{{ row.id }}</bdi>:
{% for name in profiles %}{{ name }} <span class="{{ row.verdicts[name] }}">{{ row.verdicts[name] }}</span>
{%- if not loop.last %}, {% endif %}{% endfor %}</summary>
<table>
<tr><th>gold</th><td><bdi>{{ row.gold }}</bdi></td></tr>
{% for name in profiles %}
<tr><th>{{ name }}</th><td class="{{ row.verdicts[name] }}">{{ row.verdicts[name] }}</td>
<td><bdi>{{ row.predictions[name] if row.predictions[name] is not none else "" }}</bdi></td></tr>
{% endfor %}
</table>
<pre><bdi>{{ row.response }}</bdi></pre>
</details>
{% endfor %}
{% else %}<p>No row differs.</p>
{% endfor %}
</body>
</html>
"""


def page(title: str, summary: str, profiles: list[str], rows: list[dict[str, Any]]) -> str:
    """The page as HTML.

    Args:
        title: Heading.
        summary: Text above the rows.
        profiles: Profile names in their order.
        rows: Differences as plain values, see `vr1repro.evaluation.matrix.Difference`.
    """
    import jinja2

    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    return template.render(title=title, summary=summary, profiles=profiles, rows=rows, most=_MOST)
