package analysis

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

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
	{"http", "[a value that an HTTP endpoint answers](#http-what-an-endpoint-says)"},
	{"max", "the highest value that is good"},
	{"min", "the lowest value that is good; not for events"},
	{"equal", "the only good value, such as `0` or `true`; not for events"},
	{"for", "how many judged looks in a row have to break the limit; 2 if it is not there. Only for values"},
	{"minEvents", "how many events a verdict takes, see [How many events](#how-many-events). Only for events"},
	{"noData", "what an empty answer means: `inconclusive` (the default), `pass`, `fail` or `zero`. Only for values"},
	{"enforce", "`false` measures and reports without deciding"},
	{"each", "labels by which the criterion is judged separately; the worst group decides"},
	{"reduce", "makes one number of several series: `max`, `min`, `sum` or `avg`. Only for values"},
	{"scope", "whose series: `new`, `old` or `all`, see [Which pods](#which-pods)"},
	{"dialect", "`metricsql` for a `query` in the language of [VictoriaMetrics](sources.md#metricsql), which is sent as it stands"},
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

var httpKeys = []meaning{
	{"url", "the address; variables may stand in it, and are escaped there"},
	{"service", "or a Service in the cluster, as `NAMESPACE/NAME:PORT`, with `https:` in front when it speaks TLS; it is asked through the API server"},
	{"path", "the path behind the Service, with its parameters"},
	{"jsonpath", "where in the answer the value is, as in `{.queue.depth}`; without it the whole answer is the value"},
	{"value", "`body` (the default), or `status`: the value is the status code"},
	{"method", "`GET`, or `POST` where there is a body; `PUT` and `HEAD` are possible. A question may be sent more than once"},
	{"body", "what is sent; values of variables are quoted as for a text in JSON"},
	{"headers", "sent with every request; a value is a text, in which `${env.NAME}` may stand, or `{file: PATH}`, which is read anew each time"},
	{"basicAuth", "as for [Prometheus](#reaching-prometheus)"}, {"bearer", "as there"}, {"oauth2", "as there"}, {"tls", "as there"}, {"proxyUrl", "as there"},
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
