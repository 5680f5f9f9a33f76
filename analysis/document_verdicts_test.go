package analysis

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func eventTable(*testing.T) string {
	table := "| `max` | `minEvents` |\n|---|---|\n"
	for _, max := range []float64{0.001, 0.005, 0.01, 0.02, 0.05, 0.1} {
		table += fmt.Sprintf("| %s | %s |\n", Percent.Format(max), plain(Criterion{Limit: Limit{max, Percent}}.minEvents()))
	}
	return table
}

func presetTable(t *testing.T) string {
	said := map[string]string{}
	files, err := presetFiles.ReadDir("presets")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := presetFiles.ReadFile("presets/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)((?:^  # .*\n)+)  - name: (\S+)`).FindAllStringSubmatch(string(text), -1) {
			said[found[2]] = strings.Join(strings.Fields(strings.ReplaceAll(found[1], "  # ", " ")), " ")
		}
	}
	table := "| preset | what it asks | limit | file |\n|---|---|---|---|\n"
	for _, p := range presets(t) {
		c, err := compilePreset(CriterionSpec{Preset: p.Name})
		if err != nil {
			t.Fatal(err)
		}
		if said[p.Name] == "" {
			t.Errorf("%s: no comment says what %s asks", p.File, p.Name)
		}
		limit := string(c.Op) + " " + c.Limit.Unit.Format(c.Limit.Value)
		if c.Report {
			limit += ", only reported"
		}
		table += fmt.Sprintf("| `%s` | %s | %s | [%s](../analysis/presets/%s) |\n", p.Name, said[p.Name], limit, p.File, p.File)
	}
	return table
}

// fiveMinutes is the timing of the tables.
var fiveMinutes = Timing{Settle: 30 * time.Second, Window: 5 * time.Minute, Interval: 15 * time.Second}

// runs judges one criterion with the same kind of answer at every look.
func runs(t *testing.T, entry CriterionSpec, answer func(since time.Duration) (Answer, error)) (r Result) {
	entry.Name = "c"
	criteria, err := Spec{Timing: fiveMinutes, Criteria: []CriterionSpec{entry}}.Compile(Vars{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r = Session{
			Querier:  querier(func(context.Context, string) (Answer, error) { return answer(time.Since(begin)) }),
			Criteria: criteria,
			Timing:   fiveMinutes,
			Pods:     func() Pods { return Pods{New: []Pod{{Name: "web-1", Ready: begin}}} },
			Vars:     func() Vars { return Vars{Namespace: "shop"} },
		}.Run(t.Context())[0]
	})
	return r
}

// valueTable runs a criterion on a value with each kind of answer.
func valueTable(t *testing.T) string {
	limit := Limit{Value: 1}
	plainly := CriterionSpec{Asks: asks("query", &QuerySpec{"q"}), Max: &limit}
	empty := func(p NoDataPolicy) CriterionSpec {
		c := plainly
		c.NoData = p
		return c
	}
	each := plainly
	each.Each = []string{"pod"}
	histogram := vector(0)
	histogram.Samples[0].Histogram = true
	warned := vector(0)
	warned.Warnings = []string{"a store did not answer"}
	table := "| answer, at every look | verdict | reason in the report |\n|---|---|---|\n"
	for _, row := range []struct {
		what   string
		entry  CriterionSpec
		answer Answer
		err    error
	}{
		{"a number within the limit", plainly, vector(0.5), nil},
		{"a number beyond it", plainly, vector(2), nil},
		{"no series", plainly, vector(), nil},
		{"no series, `noData: pass`", empty(NoDataPass), vector(), nil},
		{"no series, `noData: fail`", empty(NoDataFail), vector(), nil},
		{"no series, `noData: zero`", empty(NoDataZero), vector(), nil},
		{"NaN", plainly, vector(math.NaN()), nil},
		{"an infinity beyond the limit", plainly, vector(math.Inf(1)), nil},
		{"an infinity within it", plainly, vector(math.Inf(-1)), nil},
		{"several series", plainly, vector(0.5, 0.6), nil},
		{"several series, `each: [pod]`, one beyond the limit", each, vector(0.5, 2), nil},
		{"several series, `each: [pod]`, one NaN", each, vector(0.5, math.NaN()), nil},
		{"a native histogram", plainly, histogram, nil},
		{"a number with a warning", plainly, warned, nil},
		{"a refused query", plainly, Answer{}, &QueryError{Kind: Rejected, Text: "many-to-many matching not allowed"}},
		{"no answer", plainly, Answer{}, &QueryError{Kind: Unreachable, Text: "connection refused"}},
	} {
		r := runs(t, row.entry, func(time.Duration) (Answer, error) { return row.answer, row.err })
		table += fmt.Sprintf("| %s | `%s` | %s |\n", row.what, r.Verdict, inCell(r.Reason))
	}
	return table
}

// countTable runs a criterion on events with each kind of answer.
func countTable(t *testing.T) string {
	limit, over := Limit{0.01, Percent}, Limit{0.5, Seconds}
	bad := CriterionSpec{Asks: asks("ratio", &RatioSpec{Bad: "bad_total", Total: "all_total"}), Max: &limit}
	good := CriterionSpec{Asks: asks("ratio", &RatioSpec{Good: "good_total", Total: "all_total"}), Max: &limit}
	slow := CriterionSpec{Asks: asks("slow", &SlowSpec{Histogram: "seconds", Over: &over}), Max: &limit}
	// count answers with counters that grow by so many a minute.
	count := func(perMinute map[string]float64) func(time.Duration) (Answer, error) {
		return func(since time.Duration) (Answer, error) {
			a := Answer{Kind: Vector}
			for _, role := range []string{"bad", "good", "total"} {
				if n, ok := perMinute[role]; ok {
					a.Samples = append(a.Samples, Sample{Labels: map[string]string{"pod": "web-1", roleLabel: role}, Value: math.Floor(n * since.Minutes())})
				}
			}
			return a, nil
		}
	}
	native := func(since time.Duration) (Answer, error) {
		a, err := count(map[string]float64{"total": 100})(since)
		a.Samples[0].Histogram = true
		return a, err
	}
	table := "| answer, at every look | verdict | reason in the report |\n|---|---|---|\n"
	for _, row := range []struct {
		what   string
		entry  CriterionSpec
		answer func(time.Duration) (Answer, error)
	}{
		{"`total`, and no series of `bad` yet", bad, count(map[string]float64{"total": 200})},
		{"both, and few are bad", bad, count(map[string]float64{"total": 200, "bad": 1})},
		{"both, and many are bad", bad, count(map[string]float64{"total": 200, "bad": 100})},
		{"both, and slightly too many are bad", bad, count(map[string]float64{"total": 200, "bad": 3})},
		{"both, and fewer events than `minEvents`", bad, count(map[string]float64{"total": 20, "bad": 1})},
		{"both, and nobody asks anything of the new pods", bad, count(map[string]float64{"total": 0, "bad": 0})},
		{"`total`, and no series of `good`", good, count(map[string]float64{"total": 200})},
		{"no series", bad, count(nil)},
		{"`bad` without `total`", bad, count(map[string]float64{"bad": 100})},
		{"a histogram without a bucket at `over`", slow, count(map[string]float64{"total": 200})},
		{"a native histogram in a `ratio`", bad, native},
		{"no answer", bad, func(time.Duration) (Answer, error) {
			return Answer{}, &QueryError{Kind: Unreachable, Text: "connection refused"}
		}},
	} {
		r := runs(t, row.entry, row.answer)
		table += fmt.Sprintf("| %s | `%s` | %s |\n", row.what, r.Verdict, inCell(r.Reason))
	}
	return table
}
