package analysis

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var updateDocument = flag.Bool("update", false, "rewrite the generated parts of docs/criteria.md")

const document = "../docs/criteria.md"

// TestDocumentBlocks: every block of YAML in the page is read as rolloutgate reads it. A block after "<!-- refused -->"
// is one that it refuses, one after "<!-- remarked -->" one that it takes with a remark, and the words that follow are
// what it says.
func TestDocumentBlocks(t *testing.T) {
	page := readDocument(t)
	block := regexp.MustCompile("(?ms)(?:^<!-- (refused|remarked) -->\n)?^```yaml\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?")
	taken, marked := 0, 0
	page = block.ReplaceAllStringFunc(page, func(found string) string {
		parts := block.FindStringSubmatch(found)
		marker, text, said := parts[1], parts[2], parts[3]
		criteria, err := compileBlock(text)
		switch {
		case marker == "" && (criteria != nil || err != nil):
			taken++
			if err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
			if remarks := Lint(criteria, Placeholders()); len(remarks) > 0 {
				t.Errorf("%v in\n%s", errors.Join(remarks...), text)
			}
			return found
		case marker == "":
			return found
		case marker == "remarked" && err == nil:
			err = errors.Join(Lint(criteria, Placeholders())...)
		case marker == "remarked":
			t.Errorf("%v in\n%s", err, text)
			return found
		}
		marked++
		if err == nil {
			t.Errorf("nothing is said about\n%s", text)
			return found
		}
		want := strings.TrimRight(err.Error(), "\n") + "\n"
		if said != want && !*updateDocument {
			t.Errorf("-page +code:\n%s\nabout\n%s", cmp.Diff(said, want), text)
		}
		return strings.Replace(found, "```text\n"+said, "```text\n"+want, 1)
	})
	if taken < 10 || marked < 5 {
		t.Errorf("the page has %d blocks that are taken and %d that are not: are they still found?", taken, marked)
	}
	writeDocument(t, page)
}

// compileBlock reads a file, or the entries of a list of criteria; nil if it is neither.
func compileBlock(text string) ([]Criterion, error) {
	if strings.HasPrefix(text, "- ") {
		text = "criteria:\n" + text
	}
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		return nil, err
	}
	ours := &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	for i := 0; i+1 < len(node.Content[0].Content); i += 2 {
		if key := node.Content[0].Content[i]; slices.Contains(SpecKeys(), key.Value) {
			ours.Content = append(ours.Content, key, node.Content[0].Content[i+1])
		}
	}
	if len(ours.Content) == 0 {
		return nil, nil
	}
	spec, err := ParseSpec("rolloutgate.yaml", ours)
	if err != nil {
		return nil, err
	}
	vars := Vars{Namespace: "shop", Env: map[string]string{}}
	for _, name := range spec.Env {
		vars.Env[name] = "value"
	}
	criteria, err := spec.Compile(vars)
	if err == nil {
		err = spec.Timing.Check(criteria)
	}
	return criteria, err
}

// TestDocumentChecks: so are the values of --check.
func TestDocumentChecks(t *testing.T) {
	for _, found := range regexp.MustCompile(`--check '([^']*)'`).FindAllStringSubmatch(readDocument(t), -1) {
		if _, err := ParseCheck(found[1], Placeholders()); err != nil {
			t.Error(err)
		}
	}
}

// TestDocumentExitCodes: the exit codes are those of the README.
func TestDocumentExitCodes(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("`([a-z-]+)` \\(exit (\\d+)\\)").FindAllStringSubmatch(readDocument(t), -1)
	if len(found) == 0 {
		t.Error("the page names no exit code")
	}
	for _, f := range found {
		if !strings.Contains(string(readme), fmt.Sprintf("| %s | `%s` |", f[2], f[1])) {
			t.Errorf("the README has no exit code %s with the name %s", f[2], f[1])
		}
	}
}

// TestDocumentTables: the tables are what the code says.
func TestDocumentTables(t *testing.T) {
	for name, table := range map[string]func(*testing.T) string{
		"keys of the file": func(t *testing.T) string { return keyTable(t, `%s: {}`, fileKeys) },
		"keys of a criterion": func(t *testing.T) string {
			return keyTable(t, `criteria: [{%s: {}}]`, criterionKeys)
		},
		"keys of ratio":  func(t *testing.T) string { return keyTable(t, `criteria: [{ratio: {%s: {}}}]`, ratioKeys) },
		"keys of slow":   func(t *testing.T) string { return keyTable(t, `criteria: [{slow: {%s: {}}}]`, slowKeys) },
		"keys of slo":    func(t *testing.T) string { return keyTable(t, `criteria: [{slo: {%s: {}}}]`, sloKeys) },
		"keys of alerts": func(t *testing.T) string { return keyTable(t, `criteria: [{alerts: {%s: {}}}]`, alertsKeys) },
		"variables":      variableTable,
		"presets":        presetTable,
		"units":          unitTable,
		"labels":         labelTable,
		"events":         eventTable,
		"values":         valueTable,
		"counts":         countTable,
	} {
		generatedPart(t, name, table(t))
	}
}

// meaning is a line of a table.
type meaning struct{ name, text string }

var fileKeys = []meaning{
	{"settle", "how long to wait after the rollout is complete; `auto` is twice the scrape interval and the lag of the data, and 30s at least"},
	{"window", "how long to look; `0s` looks once"},
	{"interval", "time between two looks; `auto` is the scrape interval, and 15s at least"},
	{"queryTimeout", "how long one answer may take; never more than `interval`"},
	{"earlyPass", "`true` ends the window of criteria on events as soon as these show that all is well; `false` by default"},
	{"maxOutage", "how long Prometheus may fail to answer, without a break, before a criterion is given up as `error`"},
	{"on", "what follows from each verdict, see [Verdicts](#verdicts-and-what-follows)"},
	{"vars", "values of your own, for `${vars.NAME}`"},
	{"env", "names of environment variables that `${env.NAME}` may read"},
	{"criteria", "the list of criteria; all of them have to pass"},
}

var criterionKeys = []meaning{
	{"name", "stands for the criterion in reports; no two are alike. A preset has one"},
	{"preset", "takes what the entry does not say from a [preset](#presets)"},
	{"ratio", "[bad events among all](#ratio-bad-events-among-all)"},
	{"slow", "[observations of a histogram above a bound](#slow-too-many-slow-requests)"},
	{"slo", "[the error budget burns too fast](#slo-an-error-budget)"},
	{"query", "[any PromQL with one number as its answer](#query-any-number)"},
	{"alerts", "[alerts that did not fire before](#alerts-what-fires-now)"},
	{"max", "the highest value that is good"},
	{"min", "the lowest value that is good; not for events"},
	{"for", "how many judged looks in a row have to break the limit; 2 if it is not there. Only for values"},
	{"minEvents", "how many events a verdict takes, see [How many events](#how-many-events). Only for events"},
	{"noData", "what an empty answer means: `inconclusive` (the default), `pass`, `fail` or `zero`. Only for values"},
	{"enforce", "`false` measures and reports without deciding"},
	{"each", "labels by which the criterion is judged separately; the worst group decides"},
	{"reduce", "makes one number of several series: `max`, `min`, `sum` or `avg`. Only for values"},
	{"scope", "whose series: `new`, `old` or `all`, see [Which pods](#which-pods)"},
	{"baseline", "compares with `before`, `concurrent` or `history` instead of a limit, see [Baselines](#baselines)"},
	{"maxRatio", "how many times the baseline's value is still good; 1.25 if it is not there"},
	{"minRatio", "which part of the baseline's value is still good, where less is worse. Only for values"},
	{"minIncrease", "the least difference from the baseline that matters; 0.1% for events and 0 for values if it is not there"},
}

var ratioKeys = []meaning{
	{"bad", "a selector of the counter of bad events"},
	{"good", "or of the counter of good ones"},
	{"total", "a selector of the counter of all events"},
}

var slowKeys = []meaning{
	{"histogram", "a selector with the base name of a histogram, without `_bucket`; classic or native"},
	{"over", "above which value an observation is bad. For a classic histogram it is one of the bucket bounds"},
}

var sloKeys = []meaning{
	{"objective", "the share of good events that is promised"},
	{"burn", "how many times as fast as sustainable the budget may burn; 14.4 if it is not there"},
	{"bad", "as in `ratio`"}, {"good", "as in `ratio`"}, {"total", "as in `ratio`"},
}

var alertsKeys = []meaning{
	{"match", "a selector without a name, for labels of the alerts"},
}

// keyTable lists the keys of a mapping. The code says what they are when it meets one that it does not know.
func keyTable(t *testing.T, text string, meanings []meaning) string {
	var node yaml.Node
	if err := yaml.Unmarshal(fmt.Appendf(nil, text, strings.Repeat("q", 99)), &node); err != nil {
		t.Fatal(err)
	}
	_, err := ParseSpec("", &node)
	_, list, found := strings.Cut(fmt.Sprint(err), "known keys are ")
	if !found {
		t.Fatalf("%s: the known keys are not in %v", text, err)
	}
	list, _, _ = strings.Cut(list, "\n")
	return meaningTable(t, "key", strings.Split(list, ", "), meanings)
}

// meaningTable says a line about each name, in the order of the names.
func meaningTable(t *testing.T, head string, names []string, meanings []meaning) string {
	t.Helper()
	table := fmt.Sprintf("| %s | what it is |\n|---|---|\n", head)
	for _, name := range names {
		i := slices.IndexFunc(meanings, func(m meaning) bool { return m.name == name })
		if i < 0 {
			t.Errorf("nobody says what the %s %s is", head, name)
			continue
		}
		table += fmt.Sprintf("| `%s` | %s |\n", name, meanings[i].text)
	}
	for _, m := range meanings {
		if !slices.Contains(names, m.name) {
			t.Errorf("there is no %s %s", head, m.name)
		}
	}
	return table
}

var variables = []meaning{
	{"namespace", "the namespace of the run"},
	{"kind", "the kind of the workload, such as `Deployment`"},
	{"workload", "its name"},
	{"service", "the name of a Service that selects its pods"},
	{"container", "its first container"},
	{"image", "the image of that container, as in the manifest"},
	{"imageTag", "the tag of that image"},
	{"revision", "the new revision: the hash of a pod template or of a controller revision"},
	{"newReplicaSet", "the ReplicaSet of the new pods of a Deployment"},
	{"oldReplicaSet", "that of the old ones"},
	{"newHash", "the label `pod-template-hash` of the new pods, or `controller-revision-hash`"},
	{"oldHash", "that of the old pods"},
	{"newPods", "a pattern that matches exactly the names of the new pods, for `=~` and `!~`"},
	{"oldPods", "one that matches those of the old pods"},
	{"window", "the key `window`, for ranges: `[${window}]`; no value where it is 0"},
	{"interval", "the key `interval`"},
	{"since", "the time since the rollout began, for ranges"},
	{"rolloutStart", "when the rollout began, for `@ ${rolloutStart}`"},
	{"readyAt", "when the rollout was complete, for `@ ${readyAt}`"},
}

func variableTable(t *testing.T) string {
	table := meaningTable(t, "variable", Vars{}.Names(), variables)
	table = regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").ReplaceAllString(table, "| `$${$1}` |")
	return table + "| `${vars.NAME}` | a value under `vars:` |\n| `${env.NAME}` | an environment variable whose name stands under `env:` |\n"
}

func unitTable(*testing.T) string {
	table := "| written | value | shown as |\n|---|---|---|\n"
	for _, text := range []string{"1000", "0.01", "1%", "500ms", "3m", "64Mi"} {
		limit, err := ParseLimit(text)
		if err != nil {
			return err.Error()
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", text, plain(limit.Value), limit.Unit.Format(limit.Value))
	}
	for _, text := range []string{"64M", "3k"} {
		if _, err := ParseLimit(text); err != nil {
			said, _, _ := strings.Cut(err.Error(), "\n")
			table += fmt.Sprintf("| `%s` | refused | %s |\n", text, said)
		}
	}
	return table
}

func labelTable(*testing.T) string {
	table := "| label of the pod | label of its namespace |\n|---|---|\n"
	for _, label := range podLabels {
		table += fmt.Sprintf("| `%s` | `%s` |\n", label, strings.Join(namespaceOf[label], "`, else `"))
	}
	return table
}

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
	plainly := CriterionSpec{Query: "q", Max: &limit}
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
	bad := CriterionSpec{Ratio: &RatioSpec{Bad: "bad_total", Total: "all_total"}, Max: &limit}
	good := CriterionSpec{Ratio: &RatioSpec{Good: "good_total", Total: "all_total"}, Max: &limit}
	slow := CriterionSpec{Slow: &SlowSpec{Histogram: "seconds", Over: &over}, Max: &limit}
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

func inCell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// generatedPart holds the text between two markers to what the code says, or writes it there.
func generatedPart(t *testing.T, name, want string) {
	t.Helper()
	begin, end := fmt.Sprintf("<!-- begin %s: written by go test ./analysis -run Document -update -->\n", name), fmt.Sprintf("<!-- end %s -->", name)
	before, rest, found := strings.Cut(readDocument(t), begin)
	got, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Errorf("the page has no markers %q and %q", begin, end)
		return
	}
	if got != want && !*updateDocument {
		t.Errorf("%s: the page is not what the code says; -update rewrites it (-page +code):\n%s", name, cmp.Diff(got, want))
	}
	writeDocument(t, before+begin+want+end+after)
}

func readDocument(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeDocument(t *testing.T, text string) {
	t.Helper()
	if !*updateDocument || text == readDocument(t) {
		return
	}
	if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
