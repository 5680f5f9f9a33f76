package main

import (
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func readSites(t *testing.T, text string) ([]site, error) {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	return readClusters("c.yaml", document.Content[0])
}

func sitesText(sites []site) string {
	var all []string
	for _, s := range sites {
		all = append(all, fmt.Sprintf("%d:%s=%s", s.wave, s.name, s.context))
	}
	return strings.Join(all, " ")
}

func TestReadClusters(t *testing.T) {
	for text, want := range map[string]string{
		"[a, b]":                            "1:a=a 2:b=b",
		"[a, [b, c], d]":                    "1:a=a 2:b=b 2:c=c 3:d=d",
		"[{context: a}, {name: b}]":         "1:a=a 2:b=b",
		"[{name: eu, context: 'x,y'}]":      "1:eu=x,y",
		"[{name: eu, kubeconfig: eu.yaml}]": "1:eu=",
		"[&a {name: a}, [{name: b}]]":       "1:a=a 2:b=b",
		"[]":                                "c.yaml:1:1: reading clusters: not a list of clusters",
		"a":                                 "not a list of clusters",
		"[[]]":                              "a wave without a cluster",
		"[a, a]":                            "there are two clusters named a",
		"[{namespace: x}]":                  "a cluster without a name",
		"[[[a]]]":                           "not a cluster",
		"[{name: a, contxt: b}]":            `unknown key "contxt"`,
		"[{name: [a]}]":                     "name is not a text",
		"[{name: a, filename: {}}]":         "filename is neither a path nor a list of paths",
		"[{name: a, vars: [b]}]":            "vars are not a mapping",
		"[{name: a, prometheusUrl: x, prometheusService: y}]": "has both prometheusUrl and prometheusService",
	} {
		sites, err := readSites(t, text)
		got := sitesText(sites)
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestSelectClusters: --context chooses among the clusters of the file, and knows contexts beyond them.
func TestSelectClusters(t *testing.T) {
	const file = "[canary, [eu, {name: us, context: us-east-1, namespace: shop, vars: {limit: 2%}}], asia]"
	for _, c := range []struct {
		file, context, command string
		want                   string // the clusters, or else the context of the only one, or the error
	}{
		{file: file, command: "run", want: "1:canary=canary 2:eu=eu 2:us=us-east-1 3:asia=asia"},
		{file: file, context: "us", command: "run", want: "us-east-1 in shop"},
		{file: file, context: "us-east-1", command: "history", want: "us-east-1 in shop"},
		{file: file, context: "asia,us,eu", command: "undo", want: "1:asia=asia 2:us=us-east-1 2:eu=eu"},
		{file: file, context: "eu,other", command: "plan", want: "1:eu=eu 2:other=other"},
		{file: file, context: "other", command: "watch", want: "other in "},
		{context: "a, b", command: "resume", want: "1:a=a 2:b=b"},
		{context: "a", command: "run", want: "a in "},
		{context: "a,b", command: "lint", want: "a,b in "},
		{file: file, command: "watch", want: "watch works in one cluster, and there are several: canary, eu, us, asia"},
		{context: "a,b", command: "diagnose", want: "diagnose works in one cluster, and there are several: a, b"},
		{context: "a,", command: "run", want: "has a cluster twice, or an empty one"},
		{file: file, context: "us,us-east-1", command: "run", want: "has a cluster twice"},
	} {
		var known []site
		var err error
		if c.file != "" {
			if known, err = readSites(t, c.file); err != nil {
				t.Fatal(err)
			}
		}
		o := (&program{}).newOptions()
		o.command, *o.kube.Context = c.command, c.context
		err = o.selectClusters(known, c.context != "")
		got := sitesText(o.sites)
		switch {
		case err != nil:
			got = err.Error()
		case len(o.sites) == 0:
			got = *o.kube.Context + " in " + *o.kube.Namespace
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s --context %q: %s, want %s", c.command, c.context, got, c.want)
		}
	}
}

// TestOneClusterOfSeveral: what a cluster has of its own beats what holds for all, and nobody else has it.
func TestOneClusterOfSeveral(t *testing.T) {
	o := (&program{}).newOptions()
	*o.kube.Namespace, o.prometheusURL, o.filenames = "all", "http://all", []string{"deploy"}
	o.spec.Vars = map[string]string{"limit": "1%", "other": "x"}
	there := o.at(site{name: "us", context: "us-1", namespace: "shop", prometheusService: "m/p:9090", filenames: []string{"us"}, vars: map[string]string{"limit": "2%"}})
	if *there.kube.Context != "us-1" || *there.kube.Namespace != "shop" || there.prometheusURL != "" || there.prometheusService != "m/p:9090" ||
		there.filenames[0] != "us" || there.spec.Vars["limit"] != "2%" || there.spec.Vars["other"] != "x" || there.place != "us" {
		t.Errorf("there: %+v, vars %v", there.kube, there.spec.Vars)
	}
	if *o.kube.Context != "" || *o.kube.Namespace != "all" || o.prometheusURL != "http://all" || o.filenames[0] != "deploy" || o.spec.Vars["limit"] != "1%" {
		t.Errorf("all: context %q, namespace %q, %s, %v, %v", *o.kube.Context, *o.kube.Namespace, o.prometheusURL, o.filenames, o.spec.Vars)
	}
}

// TestFileNames: the folder of a cluster has a name that no other has.
func TestFileNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"eu", "a/b", "a-b", "a:b", "arn:aws:eks:eu-west-1:123456789012:cluster/shop", strings.Repeat("x", 80), strings.Repeat("x", 81), "..", "Ä", "EU"} {
		got := fileName(name)
		if before, twice := seen[got]; twice || strings.ContainsAny(got, "/\\:.") || len(got) > 60 {
			t.Errorf("%q becomes %q, as %q", name, got, before)
		}
		seen[got] = name
	}
}
